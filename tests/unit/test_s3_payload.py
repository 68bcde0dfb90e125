from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import checksums
from aiostore.body import Body, Buffers, FileRegion
from aiostore.drivers.s3_dialect import DIALECTS
from aiostore.drivers.s3_payload import Guarding, document
from aiostore.drivers.sigv4 import UNSIGNED_PAYLOAD
from aiostore.types import Buffer

DATA = bytes(range(256)) * 4096 * 2
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()


def crc64(data: bytes) -> str:
    hasher = checksums.new("crc64nvme")
    hasher.update(data)
    return base64.b64encode(bytes.fromhex(hasher.hexdigest())).decode()


def guarding(dialect: str, *, tls: bool = True, anonymous: bool = False, wanted: bool = True) -> Guarding:
    return Guarding(DIALECTS[dialect], tls=tls, anonymous=anonymous, wanted=wanted)


def in_memory(data: bytes = DATA) -> Body:
    return Buffers((data[:1000], memoryview(data)[1000:]))


async def test_tls_alone_guards_a_body_for_a_service_of_which_nothing_is_known() -> None:
    assert await guarding("").of(in_memory()) == (UNSIGNED_PAYLOAD, {}, {}, None)


async def test_where_verification_is_required_the_payload_is_signed_for_an_unknown_service_too() -> None:
    required = Guarding(DIALECTS[""], tls=True, anonymous=False, wanted=True, required=True)
    assert (await required.of(in_memory())).payload == SHA256
    assert (await guarding("", tls=False).of(in_memory())).payload == SHA256


@pytest.mark.parametrize("dialect", ["ceph", "swift", "minio", "r2", "gcs-xml"])
@pytest.mark.parametrize("tls", [False, True])
async def test_where_no_checksum_is_stored_the_payload_is_signed(dialect: str, tls: bool) -> None:
    guard = await guarding(dialect, tls=tls).of(in_memory())
    assert (guard.payload, guard.headers) == (SHA256, {})


@pytest.mark.parametrize("dialect", ["aws", "localstack"])
async def test_over_tls_a_checksum_that_is_stored_guards_the_body(dialect: str) -> None:
    guard = await guarding(dialect).of(in_memory())
    assert guard.payload == UNSIGNED_PAYLOAD
    assert guard.headers == {"x-amz-checksum-crc64nvme": crc64(DATA)}
    assert set(guard.held) == {"crc64nvme"}


async def test_over_plain_http_the_payload_is_signed_and_the_checksum_stored() -> None:
    guard = await guarding("aws", tls=False).of(in_memory())
    assert guard.payload == SHA256
    assert guard.headers == {"x-amz-checksum-crc64nvme": crc64(DATA)}
    assert guard.held["sha256"] == SHA256


async def test_an_unsigned_body_is_guarded_by_its_md5() -> None:
    guard = await guarding("ceph", anonymous=True).of(in_memory())
    assert (guard.payload, guard.headers) == (UNSIGNED_PAYLOAD, {"content-md5": MD5})


async def test_integrity_off_computes_nothing_over_tls() -> None:
    for dialect in ("", "aws", "ceph"):
        guard = await guarding(dialect, wanted=False).of(in_memory())
        assert (guard.payload, guard.headers, guard.held) == (UNSIGNED_PAYLOAD, {}, {})


async def test_integrity_off_still_signs_over_plain_http() -> None:
    assert (await guarding("aws", tls=False, wanted=False).of(in_memory())).payload == SHA256


async def test_an_unknown_service_is_not_believed_to_have_checked_anything() -> None:
    given_md5 = hashlib.md5(DATA).hexdigest()
    guard = await guarding("").of(in_memory(), {"md5": given_md5})
    assert (guard.headers, guard.held, guard.md5) == ({"content-md5": MD5}, {}, given_md5)


async def test_checksums_that_are_known_are_sent_and_not_computed() -> None:
    lie = {"sha256": "00" * 32, "crc32c": "01020304", "md5": "05" * 16}
    guard = await guarding("aws", tls=False).of(in_memory(), lie)
    assert guard.payload == "00" * 32
    assert guard.headers == {
        "x-amz-checksum-crc32c": base64.b64encode(b"\1\2\3\4").decode(),
        "content-md5": base64.b64encode(b"\5" * 16).decode(),
    }


class _Stream:
    """A body that does not lie in memory."""

    size = len(DATA)
    buffers = None

    async def chunks(self) -> AsyncIterator[Buffer]:
        for start in range(0, len(DATA), 100_000):
            yield DATA[start : start + 100_000]


async def test_a_body_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before" + DATA + b"after")
    bodies: list[Body] = [
        in_memory(),
        Buffers((DATA,)),
        Buffers([DATA[start : start + 100] for start in range(0, len(DATA), 100)]),
        FileRegion(tmp_path / "file", 6, len(DATA)),
        _Stream(),
    ]
    for body in bodies:
        guard = await guarding("aws", tls=False).of(body)
        assert (guard.payload, guard.headers) == (SHA256, {"x-amz-checksum-crc64nvme": crc64(DATA)})


@given(st.lists(st.binary(max_size=20)))
async def test_small_bodies_of_any_buffers(buffers: list[bytes]) -> None:
    guard = await guarding("aws", tls=False).of(Buffers(buffers))
    whole = b"".join(buffers)
    assert guard.payload == hashlib.sha256(whole).hexdigest()
    assert guard.headers["x-amz-checksum-crc64nvme"] == crc64(whole)


def test_a_document_goes_with_its_hash_and_md5() -> None:
    body, payload, headers = document(b"<a/>")
    assert (body.size, payload) == (4, hashlib.sha256(b"<a/>").hexdigest())
    assert headers == {"content-md5": base64.b64encode(hashlib.md5(b"<a/>").digest()).decode()}


@pytest.mark.parametrize("dialect", ["", "aws", "ceph", "r2"])
@pytest.mark.parametrize("tls", [False, True])
async def test_a_small_body_is_guarded_at_once_as_it_is_otherwise(dialect: str, tls: bool) -> None:
    small = Buffers((DATA[:1000],), 1000)
    found = guarding(dialect, tls=tls)
    guard = found.at_once(small, {})
    assert guard is not None
    assert guard == await found.of(small)
