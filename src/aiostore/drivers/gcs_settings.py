"""From what users say to a driver of Google Cloud Storage: arguments and environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiostore._http.client import Transport
from aiostore.drivers.gcs import GCSDriver
from aiostore.drivers.gcs_client import Client, Service
from aiostore.drivers.gcs_credentials import Anonymous, GoogleToken, TokenCallback, TokenProvider, provider
from aiostore.drivers.gcs_multipart import MultipartStyle
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Integrity, Timeouts

ENDPOINT: Final = "https://storage.googleapis.com"
IAM: Final = "https://iamcredentials.googleapis.com"


def make_driver(
    bucket: str,
    *,
    endpoint: str | None = None,
    project: str | None = None,
    credentials: TokenProvider | TokenCallback | Mapping[str, object] | str | Path | None = None,
    user_project: str | None = None,
    skip_signature: bool = False,
    multipart: MultipartStyle = "xml",
    iam_endpoint: str | None = None,
    timeouts: Timeouts | None = None,
    integrity: Integrity = "auto",
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> GCSDriver:
    """Make a driver; sends nothing, and reads no credentials yet.

    What is not given comes from the environment: STORAGE_EMULATOR_HOST, of which no credentials are asked unless they
    are given, GOOGLE_CLOUD_PROJECT, and what application default credentials look at.

    Raises:
        ConfigurationError: if the arguments contradict each other or cannot be used.
    """
    if not bucket or "/" in bucket:
        raise ConfigurationError(f"{bucket!r} is no name of a bucket")
    if multipart not in {"xml", "composite"}:
        raise ConfigurationError(f'multipart={multipart!r}: choose "xml" or "composite"')
    options = ClientOptions.of(client_options)
    tokens = provider(credentials, skip_signature=skip_signature, options=options)
    if endpoint is None and (emulator := os.environ.get("STORAGE_EMULATOR_HOST")):
        endpoint = emulator if "://" in emulator else f"http://{emulator}"
        if credentials is None:
            tokens = Anonymous()
    if project is None:
        project = os.environ.get("GOOGLE_CLOUD_PROJECT") or os.environ.get("GCLOUD_PROJECT") or None
    if project is None and isinstance(credentials, Mapping) and isinstance(tokens, GoogleToken):
        found = tokens.info.get("project_id")
        project = found if isinstance(found, str) else None
    transport = Transport(options, Timeouts() if timeouts is None else timeouts)
    service = Service(
        _origin(endpoint or ENDPOINT), tokens, transport, project, user_project, _origin(iam_endpoint or IAM)
    )
    return GCSDriver(Client(service, bucket), multipart, checked=integrity != "off")


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        # Never the text itself: it may hold a password.
        raise ConfigurationError("an endpoint is a URL of http or https with a host, and without path and query")
    if parts.username is not None:
        raise ConfigurationError("an endpoint cannot hold a user name or password; give credentials= instead")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"
