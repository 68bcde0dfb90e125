"""``python -m aiostore``: the ``aiostore`` command."""

from __future__ import annotations

from aiostore.cli import main

main()
