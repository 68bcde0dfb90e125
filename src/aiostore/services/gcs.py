"""Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aiostore.errors import ConfigurationError
from aiostore.location import Location
from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme, named_by_host
from aiostore.store import Store
from aiostore.wrappers.observe import Observer

if TYPE_CHECKING:
    from aiostore.drivers.gcs_credentials import TokenCallback, TokenProvider


class GCSStore(Store):
    """A bucket of Google Cloud Storage.

    Args:
        bucket: the bucket's name.
        prefix: is put before every key, as it is.
        endpoint: the service's URL; ``STORAGE_EMULATOR_HOST`` stands in for it. Plain ``http`` is accepted.
        project: whose buckets are listed and made; ``GOOGLE_CLOUD_PROJECT`` stands in for it.
        credentials: the path or the content of a credentials file of any kind that Google has, or a callable, sync or
            async, that returns a token, or a token and when it ends. Without any, application default credentials are
            used: ``GOOGLE_APPLICATION_CREDENTIALS``, gcloud's, the metadata server. Files and the metadata server need
            the ``gcs`` extra.
        user_project: the project that is billed, for buckets whose readers pay.
        skip_signature: send anonymous requests.
        multipart: how large objects are written: by multipart uploads of the XML API, or always as parts that are
            composed, for an endpoint that has none.
        client_options: TLS, proxy and connections.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        project: str | None = None,
        credentials: TokenProvider | TokenCallback | Mapping[str, object] | str | Path | None = None,
        user_project: str | None = None,
        skip_signature: bool = False,
        multipart: Literal["xml", "composite"] = "xml",
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.gcs_settings import make_driver

        super().__init__(
            make_driver(
                bucket,
                endpoint=endpoint,
                project=project,
                credentials=credentials,
                user_project=user_project,
                skip_signature=skip_signature,
                multipart=multipart,
                timeouts=timeouts,
                integrity=integrity,
                client_options=client_options,
            ),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )


def _place(location: Location) -> Place:
    """``gs://bucket/…``, ``https://storage.googleapis.com/bucket/…``.

    Raises:
        ConfigurationError: if the URL names no bucket.
    """
    if location.scheme not in {"http", "https"}:
        return named_by_host(location)
    bucket = location.segments[0] if location.segments else ""
    if not bucket:
        raise ConfigurationError(f"the URL names no bucket; write https://{location.host}/bucket/prefix")
    return Place(names=(bucket,), depth=1)


SCHEME = Scheme(
    store=GCSStore,
    place=_place,
    credentials=frozenset({"credentials", "skip_signature"}),
    service="gcs",
    # The file is the key of a service account, as Google gives it out.
    secret_options="credentials",  # noqa: S106  # the name of an option
)
