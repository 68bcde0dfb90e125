"""From a URL to a store.

``s3://bucket/some/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1`` is an ``S3Store``; ``file:///data`` and
plain local paths are a ``LocalStore``; ``memory://name`` is a ``MemoryStore``. The path of a URL names a folder of
keys, so a ``/`` is added to a prefix that does not end in one; pass ``prefix=`` for a prefix that is just a string.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from aiostore.errors import ConfigurationError
from aiostore.store import Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
"""A scheme has two letters or more, so that ``C:\\data`` is a path."""

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Location(NamedTuple):
    """The parts of a store's URL, decoded; ``path`` begins with a slash, but for a relative local path."""

    scheme: str
    host: str
    path: str
    options: Mapping[str, str]


def connect(url: str | Path, **options: object) -> Store:
    """The store that a URL or local path names. Nothing is sent before the store is used.

    ``options`` are the keywords of the service's constructor; those that are text, numbers or truth values may also
    stand in the URL's query, and a keyword wins over the query.

    Raises:
        ConfigurationError: if the scheme or an option is unknown, or a value does not fit.
    """
    if isinstance(url, Path):
        return _local(Location("file", "", str(url), {}), options)
    if not isinstance(url, str):
        raise TypeError(f"connect: a URL is a str or a Path, not {type(url).__name__}")
    location = parse(url)
    try:
        make = _SCHEMES[location.scheme]
    except KeyError:
        raise ConfigurationError(
            f"unknown scheme {location.scheme!r}; there are {', '.join(sorted(_SCHEMES))}, and plain local paths"
        ) from None
    return make(location, options)


def parse(url: str) -> Location:
    """The parts of a URL; whatever has no scheme is a local path.

    Raises:
        ConfigurationError: if it is empty, or cannot be taken apart.
    """
    if not url:
        raise ConfigurationError("connect: the URL is empty; give one such as s3://bucket/prefix, or a local path")
    found = _SCHEME.match(url)
    if found is None:
        return Location("file", "", url, {})
    try:
        # Schemes that urllib does not know have their query and fragment cut all the same; keys may hold a "#".
        parts = urlsplit(url, allow_fragments=False)
    except ValueError:
        raise ConfigurationError("the URL cannot be taken apart; percent-encode what stands in its host") from None
    if "@" in parts.netloc:
        # Never shown: what stands before it is a user name and a password.
        raise ConfigurationError("the URL holds credentials before an '@'; give them as options of the store")
    return Location(found[1].lower(), unquote(parts.netloc), unquote(parts.path), dict(parse_qsl(parts.query)))


def folder(path: str) -> str:
    """The prefix of the keys in the folder that the path of a URL names."""
    path = path.removeprefix("/")
    return path if not path or path.endswith("/") else path + "/"


def _memory(location: Location, options: Mapping[str, object]) -> Store:
    from aiostore.services.memory import MemoryStore

    return _make(MemoryStore, location, options, location.host or "memory", prefix=folder(location.path))


def _local(location: Location, options: Mapping[str, object]) -> Store:
    from aiostore.services.local import LocalStore

    if location.host not in {"", "localhost"}:
        raise ConfigurationError(
            f"file://{location.host}/…: the files of another host cannot be reached; a local path has three slashes"
        )
    return _make(LocalStore, location, options, Path(location.path))


def _s3(location: Location, options: Mapping[str, object]) -> Store:
    from aiostore.services.s3 import S3Store

    if not location.host:
        raise ConfigurationError("the URL names no bucket; write s3://bucket/prefix")
    return _make(S3Store, location, options, location.host, prefix=folder(location.path))


_SCHEMES: dict[str, Callable[[Location, Mapping[str, object]], Store]] = {
    "memory": _memory,
    "file": _local,
    "s3": _s3,
    "s3a": _s3,
}


def _make(
    service: Callable[..., Store], location: Location, options: Mapping[str, object], *names: object, **defaults: object
) -> Store:
    """Call a service's constructor with what URL and keywords say, after a look at its signature."""
    parameters = inspect.signature(service).parameters
    known = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    arguments = {name: value for name, value in defaults.items() if value}
    for name, text in location.options.items():
        if name in known:
            arguments[name] = _value(name, text, str(parameters[name].annotation))
        else:
            raise _unknown(name, location.scheme, known)
    for name, value in options.items():
        if name not in known:
            raise _unknown(name, location.scheme, known)
        arguments[name] = value
    return service(*names, **arguments)


def _unknown(name: str, scheme: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(f"unknown option {name!r} for {scheme}://; there are {', '.join(known)}")


def _value(name: str, text: str, annotation: str) -> str | bool:
    """The value of an option of the query, as its parameter's annotation wants it."""
    kinds = {kind.strip() for kind in annotation.split("|")}
    if "bool" in kinds:
        try:
            return _TRUTH[text.lower()]
        except KeyError:
            raise ConfigurationError(f"option {name}={text!r}: write true or false") from None
    if "str" in kinds or "Integrity" in kinds:
        return text
    raise ConfigurationError(f"option {name!r} cannot stand in a URL; pass it as a keyword")
