"""Alibaba Cloud OSS in the table: the server that speaks as it is documented."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from aiostore import Limits, OSSStore, Store
from aiostore.drivers.oss_auth import Credentials
from tests.faults import faults as wire
from tests.faults.table.azure import EVERYTHING
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
from tests.faults.table.expectation import NotApplicable, Rule, here, lacks
from tests.servers.oss import OSSEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class OSSBucket(Bucket):
    endpoint: OSSEndpoint


def refusal(status: int, body: bytes) -> wire.Answer:
    """What is told in the body is told to HEAD in a header."""
    return wire.Answer(status=status, headers={"x-oss-err": base64.b64encode(body).decode()}, body=body)


class OSS(BucketBackend):
    name = "oss"
    part_size = 100 * 1024
    header = "x-oss-"
    product = "oss"
    client = "aiostore.drivers.oss_client"
    credentials = Credentials
    secret = "access_key_secret"
    expired = refusal(403, error_document("SecurityTokenExpired"))
    home, abroad = "cn-hangzhou", "cn-beijing"
    conflicting = "OperationAborted"
    scenes: ClassVar[Mapping[str, Callable[[], Scene]]] = {
        "credentials expired": CredentialsExpired,
        "clock wrong": ClockWrong,
        "301 to another region": lambda: Redirected(403, "AccessDenied"),
        "301 in a loop": lambda: RedirectLoop(403, "AccessDenied", requests=6),
    }
    rules: ClassVar[Sequence[Rule]] = (
        lacks({"put if_match"}, "the state of an object that is overwritten is not compared there"),
        here(
            {"307 to another region", "307 in a loop"}, EVERYTHING,
            NotApplicable("a bucket is elsewhere for good, which is said with status 403"),
        ),
        XML_BODIES,
    )  # fmt: skip

    def url(self, bucket: Bucket) -> str:
        assert isinstance(bucket, OSSBucket)
        return bucket.endpoint.url

    def keys(self, bucket: Bucket) -> tuple[str, str]:
        assert isinstance(bucket, OSSBucket)
        return bucket.endpoint.access_key_id, bucket.endpoint.access_key_secret

    def refusal(self, code: str) -> wire.Answer:
        return refusal(403, error_document(code))

    def elsewhere(self, status: int, code: str, region: str) -> wire.Answer:
        return refusal(status, error_document(code, f"oss-{region}.aliyuncs.com"))

    def store(
        self, bucket: Bucket, prefix: str, settings: Settings, url: str | None = None, limits: Limits | None = None
    ) -> Store:
        assert isinstance(bucket, OSSBucket)
        endpoint = bucket.endpoint
        options: dict[str, Any] = {
            "region": endpoint.region,
            "access_key_id": endpoint.access_key_id,
            "access_key_secret": endpoint.access_key_secret,
        } | dict(settings.options)
        return OSSStore(
            bucket.name,
            prefix=prefix,
            endpoint=url or endpoint.url,
            virtual_hosted=False,
            integrity=settings.integrity,
            retry=RETRY,
            limits=limits or settings.limits,
            timeouts=settings.timeouts,
            **options,
        )

    def throttled(self) -> wire.Answer:
        return wire.Answer(status=503, body=error_document("QpsLimitExceeded"))


OSS_SERVER = OSS()
