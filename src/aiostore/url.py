"""From a URL to a store.

``s3://bucket/some/prefix?endpoint=http://127.0.0.1:9000&region=us-east-1`` is an ``S3Store``; ``file:///data`` and
plain local paths are a ``LocalStore``; ``memory://name`` is a ``MemoryStore`` over the objects that this name has in
the process. The path of a URL names a folder of keys, so a ``/`` is added to a prefix that does not end in one; pass
``prefix=`` for a prefix that is just a string.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from aiostore import aliases, schemes, secrets
from aiostore.aliases import Alias
from aiostore.errors import ConfigurationError
from aiostore.location import Location, folder, parse
from aiostore.schemes import Scheme
from aiostore.store import Store

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class _Target(NamedTuple):
    """What a URL is about: the URL without aliases, its scheme, and the alias that it was written with."""

    location: Location
    scheme: Scheme
    alias: Alias | None


def connect(
    url: str | Path,
    *,
    secrets: str | os.PathLike[str] | Mapping[str, object] | None = None,
    **options: object,
) -> Store:
    """The store that a URL or local path names. Nothing is sent before the store is used.

    ``options`` are the keywords of the service's constructor; those that are text, numbers or truth values may also
    stand in the URL's query, and a keyword wins over the query. Both win over what an alias says (see
    :mod:`aiostore.aliases`), that over the directory of secrets (see :mod:`aiostore.secrets`; ``secrets`` is another
    directory, or what its file would hold), and that over the service's environment variables. Credentials are all
    taken from the first of these places that has any.

    Credentials may stand in the URL, before an ``@`` or in the query. They are not shown again, but a URL is easily
    written into logs and process lists by others: the other places are better.

    Raises:
        ConfigurationError: if the scheme or an option is unknown, or a value does not fit.
    """
    location, scheme, alias = _target(url)
    place = scheme.place(location)
    parameters = inspect.signature(scheme.store).parameters
    known = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    given = dict(place.options)
    given |= _userinfo(location, scheme)
    rest = {}
    for name, text in location.options.items():
        if name in known:
            given[name] = _value(name, text, str(parameters[name].annotation))
        elif scheme.rest is not None:
            rest[name] = text
        else:
            raise _unknown(name, location.scheme, known)
    if rest and scheme.rest is not None:
        given[scheme.rest] = rest
    given |= options
    layers = [given, *([alias.options] if alias else [])]
    container = place.names[0] if place.container is None else place.container
    if not any(scheme.credentials & layer.keys() for layer in layers) or secrets is not None:
        layers.append(_secrets(scheme, container, alias, secrets))
    arguments = _merged(layers, scheme.credentials)
    if key := location.below(place.depth):
        arguments.setdefault("prefix", folder(key))
    for name in arguments:
        if name not in known:
            raise _unknown(name, location.scheme, known)
    return scheme.store(*place.names, **arguments)


def split(url: str) -> tuple[str, str]:
    """The URL of the container that the object of ``url`` lies in, with its options, and the object's key.

    ``"s3://bucket/a/b?region=x"`` is ``("s3://bucket/?region=x", "a/b")``; the container of a local file is its
    directory. The key is empty if the URL names no object. Either may hold credentials if the URL did.

    Raises:
        ConfigurationError: as for :func:`connect`.
    """
    location, scheme, alias = _target(url)
    if alias is None and location.plain:
        directory, name = os.path.split(location.path)
        return directory or ".", name
    depth = scheme.place(location).depth
    if location.scheme == "file":
        depth = max(depth - 1, 0)
    if alias is None:
        return location.above(depth), location.below(depth)
    # The alias's own path may be the beginning of the key: then only what was written behind its name is left of it.
    behind = len(location.segments) - depth
    written = parse(f"{aliases.SCHEME}://{alias.name}/{_alias(parse(url))[1]}")
    depth = max(len(written.segments) - behind, 0)
    return written.above(depth), written.below(depth)


def sibling(url: str, other: str) -> str | None:
    """What the container of ``url`` is called by the service of ``other``; None if they are not one service's.

    They are if both URLs have the same scheme, alias, credentials, account and options. Neither URL names a key.
    """
    (one, scheme, alias), (two, its_scheme, its_alias) = _target(url), _target(other)
    if (scheme, alias, one.query) != (its_scheme, its_alias, two.query):
        return None
    if scheme.userinfo and one.credentials != two.credentials:
        return None
    place, its_place = scheme.place(one), scheme.place(two)
    if place.options != its_place.options or len(place.names) != 1:
        return None
    return place.names[0]


def _target(url: str | Path) -> _Target:
    if isinstance(url, Path):
        location = Location(scheme="file", path=str(url), plain=True)
    elif isinstance(url, str):
        location = parse(url)
    else:
        raise TypeError(f"connect: a URL is a str or a Path, not {type(url).__name__}")
    alias = None
    if location.scheme not in schemes.BUILT_IN:
        alias, rest = _alias(location)
        if alias is not None:
            location = parse(alias.expand(rest))
    scheme = schemes.find(location)
    if scheme is None:
        raise ConfigurationError(
            f"unknown scheme {location.scheme!r}; there are {', '.join(schemes.names())}, aliases in "
            f"{aliases.config_file()}, and plain local paths"
        )
    return _Target(location, scheme, alias)


def _alias(location: Location) -> tuple[Alias | None, str]:
    """The alias of a URL, and what follows its name."""
    rest = f"{location.path.removeprefix('/')}{'?' if location.query else ''}{location.query}"
    if location.scheme == aliases.SCHEME:
        alias = aliases.find(location.host)
        if alias is None:
            known = ", ".join(aliases.names()) or "none"
            raise ConfigurationError(f"unknown alias {location.host!r} in {aliases.config_file()}; there are: {known}")
        return alias, rest
    return aliases.find(location.scheme), f"{location.host_part}{'/' if location.path else ''}{rest}"


def _userinfo(location: Location, scheme: Scheme) -> dict[str, object]:
    """The options that ``user:password@`` stands for."""
    if location.credentials is None:
        return {}
    if scheme.userinfo is None:
        # Never shown: what stands before it is a user name and a password.
        raise ConfigurationError("the URL holds credentials before an '@'; give them as options of the store")
    return {name: value for name, value in zip(scheme.userinfo, location.credentials, strict=False) if value}


def _secrets(
    scheme: Scheme,
    container: str,
    alias: Alias | None,
    source: str | os.PathLike[str] | Mapping[str, object] | None,
) -> Mapping[str, object]:
    return secrets.find(scheme, container, alias.name if alias else None, source)


def _merged(layers: Iterable[Mapping[str, object]], credentials: frozenset[str]) -> dict[str, object]:
    """One set of options: the first layer that has one wins, and the first that has credentials gives them all."""
    merged: dict[str, object] = {}
    for layer in layers:
        taken = bool(credentials & merged.keys())
        for name, value in layer.items():
            if name not in merged and not (taken and name in credentials):
                merged[name] = value
    return merged


def _unknown(name: str, scheme: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(f"unknown option {name!r} for {scheme}://; there are {', '.join(known)}")


def _value(name: str, text: str, annotation: str) -> str | bool | int | float:
    """The value of an option of the query, as its parameter's annotation wants it."""
    kinds = {kind.strip() for kind in annotation.split("|")}
    if "bool" in kinds:
        try:
            return _TRUTH[text.lower()]
        except KeyError:
            raise ConfigurationError(f"option {name}={text!r}: write true or false") from None
    if "str" in kinds or "Integrity" in kinds:
        return text
    for kind, convert in (("int", int), ("float", float)):
        if kind in kinds:
            try:
                return convert(text)
            except ValueError:
                raise ConfigurationError(f"option {name}={text!r}: write a number") from None
    raise ConfigurationError(f"option {name!r} cannot stand in a URL; pass it as a keyword")
