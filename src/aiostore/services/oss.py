"""Alibaba Cloud OSS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Scheme
from aiostore.store import Store
from aiostore.wrappers.observe import Observer

if TYPE_CHECKING:
    from aiostore.drivers.oss_auth import SignatureVersion
    from aiostore.drivers.oss_credentials import CredentialsCallback


class OSSStore(Store):
    """A bucket of Alibaba Cloud OSS.

    Args:
        bucket: the bucket's name.
        prefix: is put before every key, as it is.
        endpoint: the service's URL or host, such as ``oss-cn-hangzhou.aliyuncs.com``; ``OSS_ENDPOINT`` stands in for
            it. Without one it follows from ``region``. Plain ``http`` is accepted.
        region: the bucket's region, such as ``cn-hangzhou``; ``OSS_REGION`` stands in for it, or the endpoint names it.
        access_key_id, access_key_secret, security_token: literal credentials; ``OSS_ACCESS_KEY_ID``,
            ``OSS_ACCESS_KEY_SECRET`` and ``OSS_SESSION_TOKEN`` stand in for them. STS gives a token.
        credentials: a callable that returns credentials whenever they are needed anew.
        skip_signature: send anonymous requests.
        signature_version: ``"v4"``, or ``"v1"`` for what does not know it.
        virtual_hosted: the bucket is part of the host name, which is the default unless the host is an address.
        cname: the endpoint is a domain that is bound to the bucket.
        internal, accelerate: the region's endpoint for machines within Alibaba Cloud, or transfer acceleration's.
        client_options: TLS, proxy and connections.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        access_key_secret: str | None = None,
        security_token: str | None = None,
        credentials: CredentialsCallback | None = None,
        skip_signature: bool = False,
        signature_version: SignatureVersion = "v4",
        virtual_hosted: bool | None = None,
        cname: bool = False,
        internal: bool = False,
        accelerate: bool = False,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.oss_settings import make_driver

        super().__init__(
            make_driver(
                bucket,
                endpoint=endpoint,
                region=region,
                access_key_id=access_key_id,
                access_key_secret=access_key_secret,
                security_token=security_token,
                credentials=credentials,
                skip_signature=skip_signature,
                signature_version=signature_version,
                virtual_hosted=virtual_hosted,
                cname=cname,
                internal=internal,
                accelerate=accelerate,
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


SCHEME = Scheme(
    store=OSSStore,
    userinfo=("access_key_id", "access_key_secret"),
    credentials=frozenset({"access_key_id", "access_key_secret", "security_token", "credentials", "skip_signature"}),
    service="oss",
    secret_options={
        "OSS_ACCESS_KEY_ID": "access_key_id",
        "OSS_ACCESS_KEY_SECRET": "access_key_secret",
        "OSS_SESSION_TOKEN": "security_token",
        "OSS_ENDPOINT": "endpoint",
        "OSS_REGION": "region",
    },
)
