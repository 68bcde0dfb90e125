from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from aiostore.drivers.s3_dialect import DIALECTS
from aiostore.drivers.s3_headers import (
    check_encrypted,
    customer_key,
    encryption_headers,
    read_headers,
    read_meta,
    target_conditions,
    write_headers,
)
from aiostore.errors import ConfigurationError, InvalidRangeError, NotSupportedError
from aiostore.types import ANY, Encryption, GetOptions, Match, ObjectMeta, PutOptions

AWS, CEPH, SWIFT, UNKNOWN = (DIALECTS[name] for name in ("aws", "ceph", "swift", ""))
MD5 = "5d41402abc4b2a76b9719d911017c592"
KEY = bytes(range(32))


def asked(options: GetOptions) -> dict[str, str]:
    headers: dict[str, str] = {}
    read_headers(options, headers)
    return headers


def read(headers: dict[str, str], dialect: str = "aws", *, whole: bool = True) -> ObjectMeta:
    return read_meta("key", CIMultiDict(headers), 5, DIALECTS[dialect], whole=whole)


# --- what is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "value"),
    [(1, 3, "bytes=1-2"), (None, 3, "bytes=0-2"), (2, None, "bytes=2-"), (-5, None, "bytes=-5"), (0, 1, "bytes=0-0")],
)
def test_a_range_is_asked_with_its_last_byte(start: int | None, stop: int | None, value: str) -> None:
    assert asked(GetOptions(start=start, stop=stop)) == {"range": value}


@pytest.mark.parametrize("options", [GetOptions(), GetOptions(start=0)])
def test_a_whole_read_asks_for_no_range(options: GetOptions) -> None:
    assert asked(options) == {}


def test_an_empty_range_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidRangeError):
        asked(GetOptions(start=3, stop=3))


def test_conditions_of_a_read() -> None:
    moment = datetime(2026, 1, 31, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    assert asked(GetOptions(if_match=Match(etag="a"), if_none_match=Match(etag="b"), if_modified_since=moment)) == {
        "if-match": '"a"',
        "if-none-match": '"b"',
        "if-modified-since": "Sat, 31 Jan 2026 10:00:00 GMT",
    }


def test_own_headers_come_last_and_in_lower_case() -> None:
    assert asked(GetOptions(start=1, stop=2, headers={"Range": "bytes=7-8"})) == {"range": "bytes=7-8"}


def test_a_state_without_an_etag_cannot_be_demanded() -> None:
    with pytest.raises(NotSupportedError, match="ETag"):
        asked(GetOptions(if_match=Match(version="1")))


@pytest.mark.parametrize("etag", ["a\r\nx-amz-acl: public-read", "a\nb", "ä"])
def test_an_etag_cannot_inject_headers(etag: str) -> None:
    with pytest.raises(ConfigurationError):
        asked(GetOptions(if_match=Match(etag=etag)))


# --- what is written ------------------------------------------------------------------------------------------------


def test_all_that_is_stored_with_an_object() -> None:
    options = PutOptions(
        content_type="text/plain",
        content_encoding="gzip",
        content_disposition="attachment",
        content_language="de",
        cache_control="no-store",
        metadata={"Name": "value"},
        tags={"a b": "c&d", "é": ""},
        storage_class="STANDARD_IA",
        acl="private",
        encryption=Encryption(kms_key="key-1"),
    )
    assert write_headers(options, AWS) == {
        "content-type": "text/plain",
        "content-encoding": "gzip",
        "content-disposition": "attachment",
        "content-language": "de",
        "cache-control": "no-store",
        "x-amz-meta-name": "value",
        "x-amz-tagging": "%C3%A9=&a%20b=c%26d",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-acl": "private",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
    }


@pytest.mark.parametrize("value", ["a\r\nx-amz-acl: public-read", "a\nb", "a\x00b", "ä"])
@pytest.mark.parametrize("name", ["content_type", "content_disposition", "cache_control", "storage_class", "acl"])
def test_a_header_holds_printable_ascii_only(name: str, value: str) -> None:
    options = PutOptions(**{name: value})  # type: ignore[arg-type]  # one of the str options
    with pytest.raises(ConfigurationError, match="printable ASCII"):
        write_headers(options, AWS)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a\r\nb", "a/b"])
def test_what_cannot_name_a_header_cannot_name_metadata(name: str) -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        write_headers(PutOptions(metadata={name: "value"}), AWS)


def test_metadata_that_the_gateway_would_rename_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="under_score"):
        write_headers(PutOptions(metadata={"under_score": "value"}), CEPH)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_metadata_survives_the_way_there_and_back(value: str) -> None:
    sent = write_headers(PutOptions(metadata={"name": value}), AWS)["x-amz-meta-name"]
    assert sent.isascii()
    assert sent == sent.strip()
    assert read({"x-amz-meta-name": sent}).metadata == {"name": value}


def test_metadata_from_elsewhere_is_read_as_it_is_if_it_cannot_be_decoded() -> None:
    assert read({"x-amz-meta-a": "=?nope?Q?x?=", "x-amz-meta-b": "=?utf-8?B?//?="}).metadata == {
        "a": "=?nope?Q?x?=",
        "b": "=?utf-8?B?//?=",
    }


def test_a_customer_key_goes_with_its_digest() -> None:
    digest = base64.b64encode(hashlib.md5(KEY).digest()).decode()
    assert customer_key(Encryption(customer_key=KEY), source=True) == {
        "x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-copy-source-server-side-encryption-customer-key": base64.b64encode(KEY).decode(),
        "x-amz-copy-source-server-side-encryption-customer-key-md5": digest,
    }


@pytest.mark.parametrize(
    "encryption",
    [
        Encryption(customer_key=b"short"),
        Encryption(customer_key=KEY, kms_key="x"),
        Encryption(customer_key=KEY, algorithm="aws:kms"),
    ],
)
def test_a_customer_key_that_cannot_be_used_is_refused(encryption: Encryption) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes"):
        encryption_headers(encryption, AWS)


@pytest.mark.parametrize(
    ("dialect", "encryption"),
    [("ceph", Encryption(algorithm="AES256")), ("swift", Encryption(customer_key=KEY)), ("swift", Encryption())],
)
def test_encryption_that_the_service_ignores_is_refused(dialect: str, encryption: Encryption) -> None:
    with pytest.raises(NotSupportedError, match="ignore"):
        encryption_headers(encryption, DIALECTS[dialect])


@pytest.mark.parametrize("encryption", [Encryption(algorithm="AES256"), Encryption(customer_key=KEY)])
def test_a_service_that_does_not_confirm_encryption_has_not_encrypted(encryption: Encryption) -> None:
    with pytest.raises(NotSupportedError, match="ignored"):
        check_encrypted(encryption, {})


# --- conditions on a target -----------------------------------------------------------------------------------------


def test_ceph_compares_an_etag_without_quotes() -> None:
    assert target_conditions(Match(etag="a"), None, AWS.put, AWS) == {"if-match": '"a"'}
    assert target_conditions(Match(etag="a"), None, CEPH.put, CEPH) == {"if-match": "a"}


def test_create_only() -> None:
    assert target_conditions(None, ANY, AWS.put, AWS) == {"if-none-match": "*"}


def test_a_condition_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="create-only"):
        target_conditions(None, ANY, CEPH.complete, CEPH)
    with pytest.raises(NotSupportedError, match="if_match"):
        target_conditions(Match(etag="a"), None, SWIFT.put, SWIFT)


def test_writing_unless_it_is_a_certain_state_is_not_what_s3_can_do() -> None:
    with pytest.raises(NotSupportedError, match="if_match"):
        target_conditions(None, Match(etag="a"), AWS.put, AWS)


# --- what is answered -----------------------------------------------------------------------------------------------


def test_the_head_of_an_answer_describes_the_object() -> None:
    meta = read(
        {
            "Last-Modified": "Sat, 31 Jan 2026 10:00:00 GMT",
            "ETag": f'"{MD5}"',
            "Content-Type": "text/plain",
            "Content-Encoding": "gzip",
            "Content-Disposition": "attachment",
            "Content-Language": "de",
            "Cache-Control": "no-store",
            "x-amz-version-id": "v1",
            "X-Amz-Storage-Class": "GLACIER",
            "x-amz-restore": 'ongoing-request="true"',
            "X-Amz-Meta-Name": "value",
            "x-amz-request-id": "R1",
            "x-amz-id-2": "I2",
            "X-Trans-Id": "T1",
            "Server": "AmazonS3",
        },
        dialect="",
    )
    assert meta == ObjectMeta(
        key="key",
        size=5,
        last_modified=datetime(2026, 1, 31, 10, tzinfo=UTC),
        etag=MD5,
        version="v1",
        content_type="text/plain",
        content_encoding="gzip",
        content_disposition="attachment",
        content_language="de",
        cache_control="no-store",
        storage_class="GLACIER",
        metadata={"name": "value"},
        extra={"x-amz-restore": 'ongoing-request="true"'},
    )


def test_the_version_null_is_none() -> None:
    assert read({"x-amz-version-id": "null"}).version is None


@pytest.mark.parametrize(
    ("headers", "dialect", "checksums"),
    [
        ({"etag": f'"{MD5}"'}, "ceph", {"md5": MD5}),
        ({"etag": f'"{MD5}"'}, "", {}),
        ({"etag": f'"{MD5}-2"'}, "ceph", {"md5-of-parts": f"{MD5}-2"}),
        ({"etag": f'"{MD5}-2"'}, "minio", {}),
        ({"etag": f'"{MD5}-2"', "x-amz-server-side-encryption": "aws:kms"}, "ceph", {}),
        ({"etag": f'"{MD5.upper()}"'}, "ceph", {}),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms"}, "ceph", {}),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption": "AES256"}, "minio", {}),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption": "AES256"}, "aws", {"md5": MD5}),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption": "aws:kms:dsse"}, "aws", {}),
        ({"etag": f'"{MD5}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"}, "aws", {}),
        (
            {"etag": f'"{MD5}"', "x-amz-checksum-crc64nvme": "M3eFcAZSQlc=", "x-amz-checksum-type": "FULL_OBJECT"},
            "aws",
            {"crc64nvme": "3377857006524257"},
        ),
        ({"x-amz-checksum-crc32c": "mnG7TA=="}, "aws", {"crc32c": "9a71bb4c"}),
        ({"x-amz-checksum-crc32c": "mnG7TA==-3"}, "aws", {}),
        ({"x-amz-checksum-crc32c": "mnG7TA==", "x-amz-checksum-type": "COMPOSITE"}, "aws", {}),
        ({"x-amz-checksum-crc32c": "mnG7TA=="}, "ceph", {}),
    ],
)
def test_only_checksums_of_the_whole_object_are_told(
    headers: dict[str, str], dialect: str, checksums: dict[str, str]
) -> None:
    assert read(headers, dialect).checksums == checksums


def test_the_checksum_that_comes_with_a_range_is_not_that_of_the_object() -> None:
    headers = {"etag": f'"{MD5}"', "x-amz-checksum-crc32c": "mnG7TA=="}
    assert read(headers, whole=False).checksums == {"md5": MD5}
