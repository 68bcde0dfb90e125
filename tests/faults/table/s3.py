"""S3 in the table: Ceph's gateway and LocalStack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiostore import Limits, S3Store, Store
from aiostore.drivers.sigv4 import Credentials
from tests.faults import faults as wire
from tests.faults.table.backend import RETRY, Bucket, Scene, Settings
from tests.faults.table.buckets import (
    XML_BODIES,
    BucketBackend,
    ClockWrong,
    CredentialsExpired,
    Redirected,
    RedirectLoop,
    error_document,
)
from tests.faults.table.expectation import Rule, lacks
from tests.servers.server import S3Endpoint

S3_PART = 5 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket(Bucket):
    endpoint: S3Endpoint


class S3(BucketBackend):
    """Their names are those of their dialects."""

    part_size = S3_PART
    header = "x-amz-"
    product = "s3"
    client = "aiostore.drivers.s3_client"
    credentials = Credentials
    secret = "secret_access_key"
    expired = wire.Answer(status=400, body=error_document("ExpiredToken"))
    home, abroad = "us-east-1", "eu-central-1"
    conflicting = "ConditionalRequestConflict"
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {
        "credentials expired": CredentialsExpired,
        "clock wrong": ClockWrong,
        "301 to another region": lambda: Redirected(301, "PermanentRedirect"),
        "307 to another region": lambda: Redirected(307, "TemporaryRedirect"),
        "301 in a loop": lambda: RedirectLoop(301, "PermanentRedirect", requests=6),
        "307 in a loop": lambda: RedirectLoop(307, "TemporaryRedirect", requests=80),
    }
    rules: ClassVar[Sequence[Rule]] = (XML_BODIES,)

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, S3Bucket)
        return bucket.endpoint.url

    def keys(self, bucket: Bucket) -> tuple[str, str]:
        assert isinstance(bucket, S3Bucket)
        return bucket.endpoint.access_key_id, bucket.endpoint.secret_access_key

    def refusal(self, code: str) -> wire.Answer:
        return wire.Answer(status=403, body=error_document(code))

    def elsewhere(self, status: int, code: str, region: str) -> wire.Answer:
        return wire.Answer(status=status, headers={"x-amz-bucket-region": region}, body=error_document(code))

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, S3Bucket)
        endpoint = bucket.endpoint
        options: dict[str, Any] = {
            "region": endpoint.region,
            "access_key_id": endpoint.access_key_id,
            "secret_access_key": endpoint.secret_access_key,
        } | dict(settings.options)
        return S3Store(
            bucket.name,
            prefix=prefix,
            endpoint=url or endpoint.url,
            dialect=self.name,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def throttled(self) -> wire.Answer:
        return wire.slow_down()


class Ceph(S3):
    name = "ceph"
    rules: ClassVar[Sequence[Rule]] = (
        lacks(
            {"put large if_absent"},
            "conditions of a completion are ignored there, so it is refused before anything is sent",
        ),
        *S3.rules,
    )


class LocalStack(S3):
    name = "localstack"


CEPH = Ceph()
LOCALSTACK = LocalStack()
