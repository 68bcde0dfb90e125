"""Which service a URL belongs to: the built-in schemes, those of other packages, and https URLs that are a service's.

Another package adds a scheme by an entry point of the group ``aiostore.schemes``. Its name is the scheme, its object a
:class:`Scheme`, or simply a :class:`~aiostore.Store` class whose first argument is the container::

    [project.entry-points."aiostore.schemes"]
    toy = "toy_store:ToyStore"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from aiostore.errors import ConfigurationError
from aiostore.location import Location
from aiostore.store import Store

GROUP: Final = "aiostore.schemes"
"""The entry points of other packages' schemes."""

BUILT_IN: Final[Mapping[str, str]] = {
    "abfs": "aiostore.services.azure:SCHEME",
    "abfss": "aiostore.services.azure:SCHEME",
    "az": "aiostore.services.azure:SCHEME",
    "azure": "aiostore.services.azure:SCHEME",
    "file": "aiostore.services.local:SCHEME",
    "http": "aiostore.services.http:SCHEME",
    "https": "aiostore.services.http:SCHEME",
    "gcs": "aiostore.services.gcs:SCHEME",
    "gs": "aiostore.services.gcs:SCHEME",
    "memory": "aiostore.services.memory:SCHEME",
    "oss": "aiostore.services.oss:SCHEME",
    "s3": "aiostore.services.s3:SCHEME",
    "s3a": "aiostore.services.s3:SCHEME",
    "swift": "aiostore.services.swift:SCHEME",
}
"""Where the :class:`Scheme` of each built-in scheme is; imported when a URL names it."""

FORMS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Azure's public and national clouds, its zoned endpoints, and Azurite.
    (
        re.compile(
            r"https?://[a-z0-9-]+\.(?:z[0-9]+\.)?(?:blob|dfs)\."
            r"(?:core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)|storage\.azure\.net)(?:[:/]|$)"
        ),
        "az",
    ),
    (re.compile(r"https?://[^/]+/devstoreaccount1(?:/|$)"), "az"),
    (re.compile(r"https://storage\.(?:googleapis|cloud\.google)\.com(?:/|$)"), "gs"),
    (re.compile(r"https?://[^/]+(?:/swift)?/v1/AUTH_[^/]+/[^/]+"), "swift"),
)
"""URLs of ``http`` and ``https`` that belong to a service, by what they look like without query, and its scheme."""


def _nothing() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a URL names: the constructor's positional ``names``, and ``options`` that its form implies.

    The first ``depth`` segments of its path belong to them; the rest is a key, or the beginning of keys. ``container``
    is what files of secrets are named by; it is the first name unless given.
    """

    names: tuple[str, ...]
    depth: int = 0
    options: Mapping[str, object] = field(default_factory=_nothing)
    container: str | None = None


def named_by_host(location: Location) -> Place:
    """``scheme://container/prefix``.

    Raises:
        ConfigurationError: if there is no host.
    """
    if not location.host:
        raise ConfigurationError(f"the URL names no bucket; write {location.scheme}://bucket/prefix")
    return Place(names=(location.host,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a URL becomes a store.

    ``store`` is the service's constructor, and ``place`` says which arguments a URL stands for. ``userinfo`` are the
    two options that ``user:password@`` in a URL gives, or empty where ``place`` reads it. ``credentials`` are all
    options that say who one is: they are taken from one source alone. In the directory of secrets, ``service`` is its
    part of the file names, and ``secret_options`` the option for each name in the file, or the one option that takes
    the file as a whole.
    Without ``shared_secret`` there is no file for all containers: where a container is a host, it would learn it.
    ``rest`` is the option that takes, as a mapping, those parameters of the query that are not options.
    """

    store: Callable[..., Store]
    place: Callable[[Location], Place] = named_by_host
    userinfo: tuple[str, str] | tuple[()] | None = None
    credentials: frozenset[str] = frozenset()
    service: str | None = None
    shared_secret: bool = True
    secret_options: Mapping[str, str] | str = field(default_factory=_nothing)
    rest: str | None = None


def find(location: Location) -> Scheme | None:
    """The scheme of a URL, or None if neither this package nor another has it.

    Raises:
        ConfigurationError: if another package's scheme cannot be loaded, or two packages have it.
    """
    name = location.scheme
    if name in {"http", "https"}:
        url = f"{name}://{location.host}{location.path}"
        name = next((scheme for form, scheme in FORMS if form.match(url)), name)
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return _scheme(getattr(import_module(module), attribute), name)
    found = _registered().get(name)
    if found is None:
        return None
    if len(found) > 1:
        raise ConfigurationError(
            f"the scheme {name!r} is registered by {' and '.join(sorted(point.value for point in found))}; "
            "uninstall all packages but one"
        )
    try:
        loaded = found[0].load()
    except Exception as error:
        raise ConfigurationError(f"the scheme {name!r} is {found[0].value}, which cannot be imported") from error
    return _scheme(loaded, name)


def names() -> list[str]:
    """Every scheme that there is."""
    return sorted({*BUILT_IN, *_registered()})


@cache
def _registered() -> Mapping[str, list[EntryPoint]]:
    """The entry points by scheme; one that the package index lists twice with one value is one."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name.lower(), {})[point.value] = point
    return {name: list(points.values()) for name, points in found.items()}


def _scheme(loaded: object, name: str) -> Scheme:
    if isinstance(loaded, Scheme):
        return loaded
    if callable(loaded):
        return Scheme(store=loaded)
    raise ConfigurationError(f"the scheme {name!r} is neither a Scheme nor a Store class, but {type(loaded).__name__}")
