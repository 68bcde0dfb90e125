"""Named beginnings of URLs, with their options, in a TOML file.

::

    [backup]
    url = "s3://"                         # or with a bucket and a prefix: "s3://archive/2026"
    endpoint = "https://storage.example"
    access_key_id = "…"
    secret_access_key = "…"

    [backup.limits]                       # policies are tables
    requests = 32

``backup://bucket/prefix`` and ``alias://backup/bucket/prefix`` are then the store of ``s3://bucket/prefix`` with these
options: what follows the name is put behind ``url``. The file is ``$AIOSTORE_CONFIG``, or ``aiostore/config.toml`` in
the user's configuration directory.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Final

from aiostore.errors import ConfigurationError
from aiostore.policies import Limits, RetryPolicy, Timeouts

SCHEME: Final = "alias"
"""``alias://NAME/…`` names an alias whatever schemes there are."""

_POLICIES: Final = {"limits": Limits, "retry": RetryPolicy, "timeouts": Timeouts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """The beginning of a URL that a name stands for, and the options that go with it."""

    name: str
    url: str = field(repr=False)
    options: Mapping[str, object] = field(repr=False)

    def expand(self, rest: str) -> str:
        """The URL that ``rest`` (without the name, and without slashes before it) stands for."""
        url, mark, query = self.url.partition("?")
        rest, more, rest_query = rest.partition("?")
        if rest and not url.endswith("/"):
            url += "/"
        joined = "&".join(text for text in (query, rest_query) if text)
        return f"{url}{rest}{'?' if mark or more else ''}{joined}"


def find(name: str) -> Alias | None:
    """The alias of this name (upper and lower case are the same), if there is one.

    Raises:
        ConfigurationError: if the file cannot be read, or the alias is not one.
    """
    entry = _entries().get(name.lower())
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or not isinstance(entry.get("url"), str) or "://" not in entry["url"]:
        raise ConfigurationError(f'the alias {name!r} in {config_file()} needs a url, such as url = "s3://bucket"')
    if "prefix" in entry:
        raise ConfigurationError(f"the alias {name!r} in {config_file()}: the prefix belongs into its url")
    options = {option: _policy(name, option, value) for option, value in entry.items() if option != "url"}
    return Alias(name=name.lower(), url=entry["url"], options=options)


def names() -> list[str]:
    """Every alias that there is."""
    return sorted(_entries())


def add(name: str, url: str, options: Mapping[str, str]) -> None:
    """Write an alias into the file, which is made, readable by its user alone, if there is none.

    Raises:
        ConfigurationError: if the name is taken, or cannot be one, or ``url`` is none.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", name):
        raise ConfigurationError(f"{name!r} cannot be an alias: use letters, digits, '+', '.' and '-'")
    if "://" not in url:
        raise ConfigurationError(f"an alias stands for a URL such as s3://bucket, not {url!r}")
    path = config_file()
    text = path.read_text() if path.exists() else ""
    if name.lower() in (_entries() if text else {}):
        raise ConfigurationError(f"there is an alias {name!r} already; remove it first")
    lines = [f'["{name}"]' if "." in name else f"[{name}]", f"url = {json.dumps(url)}"]
    lines += [f"{json.dumps(option)} = {json.dumps(value)}" for option, value in options.items()]
    _write(path, text + ("\n" if text else "") + "\n".join(lines) + "\n")


def remove(name: str) -> bool:
    """Take an alias out of the file, and leave the rest of it as it is; whether there was one."""
    if name.lower() not in _entries():
        return False
    path = config_file()
    kept, skipping = [], False
    for line in path.read_text().splitlines(keepends=True):
        header = re.match(r"\s*\[\s*(\"[^\"]*\"|[^].\s]+)", line)
        if header is not None:
            skipping = header[1].strip('"').lower() == name.lower()
        if not skipping:
            kept.append(line)
    _write(path, "".join(kept))
    return True


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f"{path.name}.new")
    # It may hold secrets.
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def config_file() -> Path:
    """The file of aliases: what ``AIOSTORE_CONFIG`` says, or the user's own."""
    given = os.environ.get("AIOSTORE_CONFIG")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("APPDATA") if sys.platform == "win32" else os.environ.get("XDG_CONFIG_HOME")
    return Path(base or "~/.config").expanduser() / "aiostore" / "config.toml"


def _entries() -> Mapping[str, object]:
    try:
        path = config_file()
        status = path.stat()
    except (FileNotFoundError, RuntimeError):  # RuntimeError: there is no home directory
        if os.environ.get("AIOSTORE_CONFIG"):
            raise ConfigurationError("AIOSTORE_CONFIG names a file that does not exist") from None
        return {}
    except OSError as error:
        raise ConfigurationError(f"the aliases in {config_file()} cannot be read: {error.strerror}") from error
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _modified: int, _size: int) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            return {name.lower(): value for name, value in tomllib.load(file).items()}
    except OSError as error:
        raise ConfigurationError(f"the aliases in {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        # The error itself may quote what it stumbled over, and that may be a secret.
        where = re.search(r"\(at [a-z0-9 ,]*\)", str(error))
        raise ConfigurationError(f"{path} is not TOML {where[0] if where else ''}".rstrip()) from None


def _policy(alias: str, option: str, value: object) -> object:
    """A policy of the table that stands for it; anything else as it is."""
    policy = _POLICIES.get(option)
    if policy is None or not isinstance(value, Mapping):
        return value
    known = {item.name for item in fields(policy)}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ConfigurationError(
            f"alias {alias!r}: {option} has no {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return policy(**value)
