"""The services: a module each, with a ``Store`` that has a typed constructor and nothing else.

``prefix``, ``retry``, ``limits``, ``timeouts``, ``integrity`` and ``observers`` mean the same everywhere. A driver is
imported when the first store of its kind is made.
"""
