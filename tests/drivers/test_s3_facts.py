"""The facts of the S3 dialects: what would happen if the driver did not know them. None is a rumour."""

from __future__ import annotations

import hashlib

import pytest

from aiostore._http.document import discard
from aiostore.drivers.s3 import S3Driver
from aiostore.drivers.s3_payload import document
from aiostore.drivers.s3_xml import write_complete
from aiostore.errors import (
    NotFoundError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.types import Encryption, ListOptions, PutOptions
from tests.drivers.s3_buckets import (
    MIB,
    WHOLE,
    body,
    get,
    put,
    raw,
)


async def test_fact_ceph_compares_an_etag_with_its_quotes(on_ceph: S3Driver) -> None:
    etag = (await put(on_ceph, "key")).etag
    with pytest.raises(PreconditionFailedError):
        await raw(on_ceph, "PUT", "key", {"if-match": f'"{etag}"'}, data=b"x")
    await raw(on_ceph, "PUT", "key", {"if-match": f"{etag}"}, data=b"x")


async def test_fact_ceph_ignores_conditions_of_completions_copies_and_deletes(on_ceph: S3Driver) -> None:
    await put(on_ceph, "key")
    upload = await on_ceph.create_multipart("key", PutOptions())
    part = await on_ceph.put_part(upload, 1, 0, body(b"other"))
    completion = write_complete([part], None)
    await raw(on_ceph, "POST", "key", {"if-none-match": "*"}, f"uploadId={upload.id}", completion)
    assert await get(on_ceph, "key") == b"other"
    source = f"{on_ceph.location.removeprefix('s3://')}/key"
    never = f'"{"0" * 32}"'
    await raw(on_ceph, "PUT", "copy", {"x-amz-copy-source": source, "x-amz-copy-source-if-match": never})
    await raw(on_ceph, "PUT", "copy", {"x-amz-copy-source": source, "if-none-match": "*"})
    await raw(on_ceph, "DELETE", "key", {"if-match": never})
    with pytest.raises(NotFoundError):
        await on_ceph.head("key", WHOLE)


async def test_fact_ceph_neither_checks_nor_stores_checksum_headers(on_ceph: S3Driver) -> None:
    await raw(on_ceph, "PUT", "key", {"x-amz-checksum-crc32c": "AAAAAA=="}, data=b"hello")
    response = await on_ceph._client.send("raw", "GET", "key", {"x-amz-checksum-mode": "ENABLED"})
    assert not [name for name in response.headers if name.lower().startswith("x-amz-checksum")]
    await discard(response)


async def test_fact_ceph_ignores_the_services_own_encryption(on_ceph: S3Driver) -> None:
    answer = await raw(on_ceph, "PUT", "key", {"x-amz-server-side-encryption": "AES256"}, data=b"hello")
    assert "x-amz-server-side-encryption" not in answer
    with pytest.raises(NotSupportedError, match="ignore"):
        await put(on_ceph, "key", encryption=Encryption(algorithm="AES256"))


async def test_fact_ceph_does_not_copy_what_is_encrypted(on_ceph: S3Driver) -> None:
    for encryption in (Encryption(kms_key="testkey-1"), Encryption(customer_key=bytes(32))):
        await put(on_ceph, "key", encryption=encryption)
        with pytest.raises(NotSupportedError):
            await on_ceph.set_metadata("key", PutOptions(metadata={"a": "1"}, encryption=encryption))


async def test_fact_ceph_forgets_tags_in_copies_with_new_metadata(on_ceph: S3Driver) -> None:
    await put(on_ceph, "key", tags={"a": "b"})
    source = f"{on_ceph.location.removeprefix('s3://')}/key"
    await raw(on_ceph, "PUT", "key", {"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE"})
    assert await on_ceph.get_tags("key") == {}


async def test_fact_ceph_turns_underscores_of_metadata_into_dashes(on_ceph: S3Driver) -> None:
    await raw(on_ceph, "PUT", "key", {"x-amz-meta-under_score": "value"}, data=b"")
    assert (await on_ceph.head("key", WHOLE)).metadata == {"under-score": "value"}


async def test_fact_ceph_encodes_keys_of_uploads_without_saying_so(on_ceph: S3Driver) -> None:
    await on_ceph.create_multipart("a%41 b", PutOptions())
    assert [upload.key for upload in (await on_ceph.list_multipart("")).uploads] == ["a%41 b"]


async def test_fact_ceph_wants_every_part_that_was_sent_in_a_completion(on_ceph: S3Driver) -> None:
    upload = await on_ceph.create_multipart("key", PutOptions())
    first = await on_ceph.put_part(upload, 1, 0, body(bytes(5 * MIB)))
    await on_ceph.put_part(upload, 2, 5 * MIB, body(b"x"))
    with pytest.raises(StoreError, match="InvalidPart"):
        await on_ceph.complete_multipart(upload, [first], PutOptions())


async def test_fact_swift_ignores_customer_keys(on_swift: S3Driver) -> None:
    encryption = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": "a" * 43 + "=",
        "x-amz-server-side-encryption-customer-key-md5": "a" * 22 + "==",
    }
    await raw(on_swift, "PUT", "key", encryption, data=b"hello")
    assert await get(on_swift, "key") == b"hello"
    with pytest.raises(NotSupportedError, match="ignore"):
        await put(on_swift, "key", encryption=Encryption(customer_key=bytes(32)))


async def test_fact_swift_refuses_conditional_replacement_and_tags(on_swift: S3Driver) -> None:
    etag = (await put(on_swift, "key")).etag
    for headers in ({"if-match": f'"{etag}"'}, {"x-amz-tagging": "a=b"}):
        with pytest.raises(NotSupportedError):
            await raw(on_swift, "PUT", "key", headers, data=b"x")


async def test_fact_swift_answers_a_repeated_completion_with_success(on_swift: S3Driver) -> None:
    upload = await on_swift.create_multipart("key", PutOptions())
    part = await on_swift.put_part(upload, 1, 0, body(b"hello"))
    first = await on_swift.complete_multipart(upload, [part], PutOptions())
    assert await on_swift.complete_multipart(upload, [part], PutOptions()) == first


async def test_fact_localstack_loses_encoded_keys_between_pages(on_localstack: S3Driver) -> None:
    for key in ("a", "é"):
        await put(on_localstack, key)
    answer = await on_localstack._client.send("raw", "GET", None, {}, "encoding-type=url&list-type=2&max-keys=1")
    token = (await answer.read()).decode().split("<NextContinuationToken>")[1].split("<")[0]
    answer = await on_localstack._client.send(
        "raw", "GET", None, {}, f"continuation-token={token.replace('=', '%3D')}&encoding-type=url&list-type=2"
    )
    assert b"%C3%A9" not in await answer.read()
    assert [meta.key for meta in (await on_localstack.list_page(ListOptions(start_after="a"))).objects] == ["é"]


async def test_fact_localstack_ignores_conditions_of_copies_and_refuses_those_of_deletes(
    on_localstack: S3Driver,
) -> None:
    await put(on_localstack, "key")
    source = f"{on_localstack.location.removeprefix('s3://')}/key"
    await put(on_localstack, "copy")
    await raw(on_localstack, "PUT", "copy", {"x-amz-copy-source": source, "if-none-match": "*"})
    with pytest.raises(NotSupportedError):
        await raw(on_localstack, "DELETE", "key", {"if-match": '"0"'})


async def test_fact_localstack_does_not_look_at_the_hash_of_the_payload(on_localstack: S3Driver) -> None:
    content, _, _ = document(b"hello")
    response = await on_localstack._client.send("raw", "PUT", "key", {}, "", content, hashlib.sha256(b"x").hexdigest())
    await discard(response)
    assert await get(on_localstack, "key") == b"hello"
