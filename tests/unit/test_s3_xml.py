from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore._http.bucket_xml import (
    join_marker,
    parse,
    parse_list,
    parse_tags,
    parse_uploads,
    parse_versions,
    split_marker,
    write_delete,
    write_tags,
)
from aiostore.drivers.s3_xml import (
    ErrorBody,
    parse_containers,
    parse_delete_errors,
    parse_error,
    parse_parts,
    parse_written,
    write_complete,
)
from aiostore.drivers.sigv4 import encode_path
from aiostore.errors import StoreError, UnavailableError
from aiostore.types import ListPage, ObjectMeta, Part

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
MODIFIED = datetime(2026, 1, 31, 10, 0, 0, 678000, tzinfo=UTC)
FIRST = ObjectMeta(key="a b", size=5, last_modified=MODIFIED, etag="5d41", storage_class="STANDARD")

TIME = "<LastModified>2026-01-31T10:00:00.678Z</LastModified>"
ROWS = {
    "aws": f"<Key>a+b</Key>{TIME}<ETag>&quot;5d41&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size><StorageClass>STANDARD</StorageClass>",
    "ceph": f"<Key>a%20b</Key>{TIME}<ETag>&quot;5d41&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass>"
    "<Type>Normal</Type>",
    "swift": f'<Key>a%20b</Key>{TIME}<ETag>"5d41"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass>',
    "oss": f'<Key>a%20b</Key>{TIME}<ETag>"5d41"</ETag><Type>Appendable</Type><Size>5</Size>'
    "<StorageClass>STANDARD</StorageClass>",
    "another order": f'<Key>a%20b</Key><ETag>"5d41"</ETag><Size>5</Size>{TIME}<StorageClass>STANDARD</StorageClass>',
    "more elements": f"<Key>a%20b</Key>{TIME}<ETag>&#34;5d41&#34;</ETag><Size>5</Size>"
    "<Owner><ID>1</ID><DisplayName>x</DisplayName></Owner><StorageClass>STANDARD</StorageClass>"
    "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>",
    "white space": f"\n  <Key>a%20b</Key>\n{TIME}\n<ETag>&quot;5d41&quot;</ETag><Size>5</Size>"
    "<StorageClass>STANDARD</StorageClass>\n",
}


def listing(*rows: str, tail: str = "", encoding: str = "<EncodingType>url</EncodingType>") -> bytes:
    contents = "".join(f"<Contents>{row}</Contents>" for row in rows)
    head = f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult {NAMESPACE}><Name>b</Name>{encoding}'
    return f"{head}{contents}{tail}</ListBucketResult>".encode()


@pytest.mark.parametrize("service", ROWS)
def test_a_listing_is_read_whoever_wrote_it(service: str) -> None:
    page = parse_list(listing(ROWS[service], ROWS[service]))
    assert page == ListPage(objects=[FIRST, FIRST], common_prefixes=[], next_token=None)


def test_rows_of_several_kinds_keep_their_order() -> None:
    rows = [ROWS["aws"].replace("a+b", "1"), ROWS["another order"].replace("a%20b", "2"), ROWS["ceph"]]
    assert [meta.key for meta in parse_list(listing(*rows)).objects] == ["1", "2", "a b"]


def test_keys_that_the_service_did_not_encode_are_taken_as_they_are() -> None:
    row = ROWS["aws"].replace("a+b", "a+b%41")
    assert parse_list(listing(row, encoding="")).objects[0].key == "a+b%41"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_is_read_as_it_was_written(key: str) -> None:
    row = ROWS["aws"].replace("a+b", encode_path(key))
    assert parse_list(listing(row)).objects[0].key == key


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_any_key_that_xml_can_hold_is_read_unencoded(key: str) -> None:
    row = ROWS["aws"].replace("a+b", escape(key))
    assert parse_list(listing(row, encoding="")).objects[0].key == key


@pytest.mark.parametrize("service", ["oss", "another order"])
def test_a_plus_is_a_plus_where_spaces_are_encoded_otherwise(service: str) -> None:
    row = ROWS[service].replace("a%20b", "a+b%2Bc%20d")
    assert parse_list(listing(row), unquote).objects[0].key == "a+b+c d"


def test_common_prefixes_and_the_token_of_the_next_page() -> None:
    tail = (
        "<CommonPrefixes><Prefix>a%2B/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>b+c/</Prefix></CommonPrefixes>"
        "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b=</NextContinuationToken>"
    )
    assert parse_list(listing(tail=tail)) == ListPage(common_prefixes=["a+/", "b c/"], objects=[], next_token="a+b=")


def test_a_last_page_has_no_token_whatever_it_says() -> None:
    tail = "<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    assert parse_list(listing(tail=tail)).next_token is None


@pytest.mark.parametrize("cut", [10, 60, 200, 300, 500])
def test_a_listing_that_is_cut_off_is_worth_another_attempt(cut: int) -> None:
    whole = listing(ROWS["aws"], ROWS["aws"])
    assert cut < len(whole)
    with pytest.raises(UnavailableError, match="not well-formed"):
        parse_list(whole[:cut])


def test_entities_are_not_expanded() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ListBucketResult/>'
    with pytest.raises(StoreError, match="document type"):
        parse_list(bomb)


def test_a_page_of_a_thousand_keys_is_read_in_a_few_milliseconds() -> None:
    page = listing(*(ROWS["aws"].replace("a+b", f"data/{number:09}.parquet") for number in range(1000)))
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        assert len(parse_list(page).objects) == 1000
        best = min(best, time.perf_counter() - start)
    # 2 ms on an idle machine; a parser that makes an element of every field takes three times as long.
    assert best < 0.02


@pytest.mark.parametrize(
    "data",
    [b"<a>\x01</a>", b"<a>&#1;</a>", b"<a>&#x01;</a>", b"<a>&#x0;</a>", b"<a>\xef\xbf\xbf</a>", b"<a>&#31;</a>"],
)
def test_characters_that_xml_cannot_hold_do_not_spoil_an_answer(data: bytes) -> None:
    assert parse(data).text == "\ufffd"


@pytest.mark.parametrize("data", [b"<a>&#9;</a>", b"<a>&#xA;</a>", b"<a>&#x1F600;</a>", b"<a>&#xe9;</a>"])
def test_characters_that_xml_can_hold_stay(data: bytes) -> None:
    assert parse(data).text != "\ufffd"


def test_an_error_says_where_the_bucket_is() -> None:
    data = b"<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message><Region>eu-west-1</Region>"
    root = parse(data + b"<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>")
    expected = ErrorBody("PermanentRedirect", "Elsewhere", "eu-west-1", "b.s3.eu-west-1.amazonaws.com")
    assert parse_error(root) == expected


def test_versions_and_delete_markers_keep_their_order() -> None:
    page = parse_versions(
        parse(
            f"<ListVersionsResult {NAMESPACE}><EncodingType>url</EncodingType>"
            f"<DeleteMarker><Key>a%2Bb</Key><VersionId>3</VersionId><IsLatest>true</IsLatest>{TIME}</DeleteMarker>"
            f"<Version><Key>a%2Bb</Key><VersionId>2</VersionId><IsLatest>false</IsLatest>{TIME}<ETag>&quot;e&quot;</ETag>"
            "<Size>5</Size><StorageClass>STANDARD</StorageClass></Version>"
            f"<Version><Key>c</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>{TIME}<ETag>&quot;&quot;</ETag>"
            "<Size>1</Size></Version>"
            "<IsTruncated>true</IsTruncated><NextKeyMarker>c%0A</NextKeyMarker>"
            "<NextVersionIdMarker>null</NextVersionIdMarker></ListVersionsResult>".encode()
        )
    )
    seen = [(entry.meta.key, entry.meta.version, entry.is_latest, entry.is_delete_marker) for entry in page.versions]
    assert seen == [("a+b", "3", True, True), ("a+b", "2", False, False), ("c", "null", True, False)]
    assert [entry.meta.etag for entry in page.versions] == [None, "e", None]
    assert split_marker(page.next_token or "") == ("c\n", "null")


@given(st.text(), st.text(alphabet="abc123._~-"))
def test_a_marker_is_read_as_it_was_written(key: str, second: str) -> None:
    assert split_marker(join_marker(key, second)) == (key, second)


def test_uploads_that_are_encoded_though_nothing_says_so() -> None:
    root = parse(
        b"<ListMultipartUploadsResult><Upload><Key>a%2541</Key><UploadId>u</UploadId>"
        b"<Initiated>2026-01-31T10:00:00.678Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    (encoded,) = parse_uploads(root, silently_encoded=True).uploads
    (plain,) = parse_uploads(root, silently_encoded=False).uploads
    assert (encoded.key, encoded.id, encoded.started) == ("a%41", "u", MODIFIED)
    assert plain.key == "a%2541"


def test_parts_with_and_without_checksums() -> None:
    root = parse(
        b"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
        b'<Part><PartNumber>1</PartNumber><ETag>"a"</ETag><Size>7</Size><ChecksumCRC32C>mnG7TA==</ChecksumCRC32C></Part>'
        b"<Part><PartNumber>2</PartNumber><ETag>b</ETag><Size>8</Size></Part></ListPartsResult>"
    )
    page = parse_parts(root)
    assert page.parts == [
        Part(number=1, size=7, etag="a", checksums={"crc32c": "9a71bb4c"}),
        Part(number=2, size=8, etag="b"),
    ]
    assert page.next_token == "2"


def test_a_composite_checksum_of_a_completion_is_not_told() -> None:
    composite = b"<R><ETag>e</ETag><ChecksumCRC32C>mnG7TA==-2</ChecksumCRC32C></R>"
    declared = b"<R><ETag>e</ETag><ChecksumCRC32C>mnG7TA==</ChecksumCRC32C><ChecksumType>COMPOSITE</ChecksumType></R>"
    whole = b"<R><ETag></ETag><ChecksumCRC64NVME>M3eFcAZSQlc=</ChecksumCRC64NVME></R>"
    assert parse_written(parse(composite)).checksums == {}
    assert parse_written(parse(declared)).checksums == {}
    assert parse_written(parse(whole)) == (None, {"crc64nvme": "3377857006524257"})


def test_buckets() -> None:
    root = parse(
        b"<ListAllMyBucketsResult><Owner/><Buckets><Bucket><Name>b</Name><CreationDate>2026-01-31T10:00:00.678Z"
        b"</CreationDate><BucketRegion>eu-west-1</BucketRegion></Bucket></Buckets>"
        b"<ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>"
    )
    page = parse_containers(root)
    (container,) = page.containers
    assert (container.name, container.created, container.region, page.next_token) == ("b", MODIFIED, "eu-west-1", "t")


def test_what_a_bulk_delete_could_not_delete() -> None:
    root = parse(
        b"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b&amp;</Key><Code>AccessDenied</Code>"
        b"<Message>no</Message></Error></DeleteResult>"
    )
    assert parse_delete_errors(root) == [("b&", ErrorBody("AccessDenied", "no"))]


@given(st.dictionaries(st.text("ab<>&\"'\r\n\té"), st.text("ab<>&\"'\r\n\té")))
def test_tags_are_read_as_they_were_written(tags: dict[str, str]) -> None:
    assert parse_tags(parse(write_tags(tags, f" {NAMESPACE}"))) == tags


@given(st.lists(st.text("ab<>&\"'\r\n\t/é😀", min_size=1)))
def test_a_bulk_delete_names_every_key_exactly(keys: list[str]) -> None:
    root = parse(write_delete(keys, "v", f" {NAMESPACE}"))
    named = partial(root.iter)
    assert [element.text for element in named("{http://s3.amazonaws.com/doc/2006-03-01/}Key")] == keys
    assert {element.text for element in named("{http://s3.amazonaws.com/doc/2006-03-01/}VersionId")} <= {"v"}


def test_a_completion_names_parts_in_order_with_their_checksums() -> None:
    parts = [
        Part(number=1, size=5, etag="a", checksums={"crc32c": "9a71bb4c"}),
        Part(number=2, size=5, etag="b", checksums={"crc32c": "00000000"}),
    ]
    assert write_complete(parts, "crc32c").decode() == (
        f"<CompleteMultipartUpload {NAMESPACE}>"
        '<Part><PartNumber>1</PartNumber><ETag>"a"</ETag><ChecksumCRC32C>mnG7TA==</ChecksumCRC32C></Part>'
        '<Part><PartNumber>2</PartNumber><ETag>"b"</ETag><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>'
        "</CompleteMultipartUpload>"
    )
