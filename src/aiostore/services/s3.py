"""Amazon S3, and what speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Scheme
from aiostore.store import Store
from aiostore.wrappers.observe import Observer

if TYPE_CHECKING:
    from aiostore.drivers.aws_credentials import CredentialsCallback, CredentialsProvider


class S3Store(Store):
    """A bucket of Amazon S3, or of a service that speaks its protocol at ``endpoint``.

    Args:
        bucket: the bucket's name, or an access point's ARN.
        prefix: is put before every key, as it is.
        endpoint: the service's URL; ``AWS_ENDPOINT_URL_S3`` and ``AWS_ENDPOINT_URL`` stand in for it. Plain ``http`` is
            accepted.
        region: the bucket's region; ``AWS_REGION`` and ``AWS_DEFAULT_REGION`` stand in for it, and AWS is asked else.
        access_key_id, secret_access_key, session_token: literal credentials. Without any, those of the environment are
            used, then (with the ``aws`` extra) the whole chain of the AWS SDKs.
        credentials: a callable that returns credentials whenever they are needed anew.
        skip_signature: send anonymous requests.
        profile: a profile of the AWS configuration files.
        virtual_hosted: the bucket is part of the host name (the default on AWS), not of the path (elsewhere).
        dialect: which S3 the endpoint speaks: ``"aws"``, ``"r2"``, ``"minio"``, ``"ceph"``, ``"gcs-xml"``, ``"swift"``,
            ``"localstack"``; known endpoints name themselves, an unknown one gets the conservative dialect.
        request_payer: ``"requester"`` for buckets whose readers pay.
        dualstack, fips, accelerate: AWS's endpoints of these kinds.
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
        secret_access_key: str | None = None,
        session_token: str | None = None,
        credentials: CredentialsProvider | CredentialsCallback | None = None,
        skip_signature: bool = False,
        profile: str | None = None,
        virtual_hosted: bool | None = None,
        dialect: str | None = None,
        request_payer: str | None = None,
        dualstack: bool | None = None,
        fips: bool | None = None,
        accelerate: bool = False,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.s3_settings import make_driver

        super().__init__(
            make_driver(
                bucket,
                endpoint=endpoint,
                region=region,
                access_key_id=access_key_id,
                secret_access_key=secret_access_key,
                session_token=session_token,
                credentials=credentials,
                skip_signature=skip_signature,
                profile=profile,
                virtual_hosted=virtual_hosted,
                dialect=dialect,
                request_payer=request_payer,
                dualstack=dualstack,
                fips=fips,
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

    @classmethod
    def from_session(
        cls,
        session: object,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        virtual_hosted: bool | None = None,
        dialect: str | None = None,
        request_payer: str | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> Self:
        """A store with the credentials, region and endpoint of a ``boto3.Session`` or ``aiobotocore`` session."""
        from aiostore.drivers.s3_settings import driver_from_session

        store = cls.__new__(cls)
        Store.__init__(
            store,
            driver_from_session(
                session,
                bucket,
                endpoint=endpoint,
                region=region,
                virtual_hosted=virtual_hosted,
                dialect=dialect,
                request_payer=request_payer,
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
        return store


SCHEME = Scheme(
    store=S3Store,
    userinfo=("access_key_id", "secret_access_key"),
    credentials=frozenset(
        {"access_key_id", "secret_access_key", "session_token", "credentials", "skip_signature", "profile"}
    ),
    service="aws",
    secret_options={
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "session_token",
        "AWS_DEFAULT_REGION": "region",
        "AWS_REGION": "region",
        "AWS_ENDPOINT_URL": "endpoint",
    },
)
