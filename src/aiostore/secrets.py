"""Credentials in a directory of JSON files, one for each service, container and alias.

For ``s3://bucket`` these are, first come first served, ``bucket-aws-secret.json`` and ``aws-secret.json``; by way of an
alias ``NAME`` also ``bucket-NAME-secret.json`` and ``NAME-secret.json``, before them. The directory is
``~/.aiostore/secrets``, ``$AIOSTORE_SECRETS``, or what ``connect(…, secrets=…)`` says. Files may hold the service's own
names (``AWS_ACCESS_KEY_ID``) or those of the constructor's options.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aiostore.errors import ConfigurationError
from aiostore.schemes import Scheme

LARGEST: Final = 1024**2
"""Bytes of a file of secrets."""


def find(
    scheme: Scheme,
    container: str,
    alias: str | None = None,
    source: str | os.PathLike[str] | Mapping[str, object] | None = None,
) -> Mapping[str, object]:
    """The options that the secrets for this container say; none if there is no file.

    ``source`` is another directory, or what a file would hold.

    Raises:
        ConfigurationError: if ``source`` is no directory, or a file cannot be read.
    """
    if isinstance(source, Mapping):
        return _options(scheme, source, "secrets")
    if source is not None and not isinstance(source, (str, os.PathLike)):
        raise ConfigurationError(f"secrets is a directory or a mapping, not {type(source).__name__}")
    try:
        directory = Path(source or os.environ.get("AIOSTORE_SECRETS") or "~/.aiostore/secrets").expanduser()
    except RuntimeError:  # there is no home directory
        return {}
    if source is not None and not directory.is_dir():
        raise ConfigurationError(f"secrets: {directory} is not a directory")
    for name in _names(scheme, container, alias):
        text = _read(directory / name)
        if text is not None:
            return _options(scheme, _parsed(text, directory / name), name)
    return {}


def _names(scheme: Scheme, container: str, alias: str | None) -> Iterator[str]:
    # A container's name is anybody's text: it names no file elsewhere.
    safe = bool(container) and not container.startswith(".") and not set(container) & set("/\\:\0")
    for service in (alias, scheme.service):
        if service:
            if safe:
                yield f"{container}-{service}-secret.json"
            if service == alias or scheme.shared_secret:
                yield f"{service}-secret.json"


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(f"the secrets in {path} cannot be read: {error.strerror}") from error


def _parsed(text: bytes, path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        # Not its cause: that holds the whole text.
        raise ConfigurationError(f"the secrets in {path} are not JSON") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"the secrets in {path} are not a JSON object")
    return found


def _options(scheme: Scheme, found: Mapping[str, object], where: str) -> Mapping[str, object]:
    if isinstance(scheme.secret_options, str):
        return {scheme.secret_options: found}
    known = {**scheme.secret_options, **{option: option for option in scheme.secret_options.values()}}
    options = {known[name]: value for name, value in found.items() if name in known and value}
    if not options:
        names = ", ".join(scheme.secret_options) or "none for this service"
        raise ConfigurationError(f"{where} holds nothing that is known; there may be {names}")
    return options
