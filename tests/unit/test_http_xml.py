"""XML of services: read whatever its namespace, and refused where it is an attack."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore._http import xml
from aiostore.errors import StoreError, TransientError

LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult{namespace}><Name>b</Name><Empty/>
<Contents><Key>a&amp;b &lt;c&gt; ä</Key><Size>1</Size></Contents>
<CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes>
<Contents><Key> z </Key><Size>2</Size></Contents>
<CommonPrefixes><Prefix>y/</Prefix></CommonPrefixes>
</ListBucketResult>"""


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="urn:x"'])
def test_elements_are_found_whatever_their_namespace(namespace: str) -> None:
    root = xml.parse(LISTING.format(namespace=namespace).encode())
    assert xml.name(root) == "ListBucketResult"
    assert xml.text(root, "Name") == "b"
    assert xml.text(root, "Empty", default="no") == ""
    assert xml.text(root, "Missing") == ""
    assert xml.text(root, "Missing", default="no") == "no"
    assert xml.text(root, "CommonPrefixes", "Prefix") == "x/"
    assert [xml.fields(item) for item in xml.children(root, "Contents")] == [
        {"Key": "a&b <c> ä", "Size": "1"},
        {"Key": " z ", "Size": "2"},
    ]
    assert [item.text for item in xml.children(root, "CommonPrefixes", "Prefix")] == ["x/", "y/"]
    assert len(list(xml.children(root))) == 6


@given(st.binary(max_size=200))
def test_whatever_is_no_xml_is_an_error_of_the_service(data: bytes) -> None:
    with suppress(StoreError):
        xml.parse(data)


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_a_document_that_was_cut_off_may_come_whole_next_time(size: int) -> None:
    with pytest.raises(TransientError, match="not well-formed"):
        xml.parse(LISTING.format(namespace="").encode()[:-size])


ATTACKS = {
    "billion laughs": '<!DOCTYPE a [<!ENTITY b "xx"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "an external entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "an external type": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
}


@pytest.mark.parametrize("document", ATTACKS.values(), ids=list(ATTACKS))
def test_a_document_type_is_refused(document: str) -> None:
    with pytest.raises(StoreError, match="document type") as caught:
        xml.parse(document.encode())
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "cp037"])
@pytest.mark.parametrize("declared", [True, False])
def test_another_encoding_does_not_hide_one(encoding: str, declared: bool) -> None:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>' if declared else ""
    for document in ((declaration + ATTACKS["billion laughs"]).encode(encoding),
                     declaration.encode() + ATTACKS["billion laughs"].encode(encoding)):  # fmt: skip
        with pytest.raises(StoreError):
            xml.parse(document)


def test_the_declared_encoding_does_not_matter() -> None:
    assert xml.parse('<?xml version="1.0" encoding="iso-8859-1"?><a>ä</a>'.encode()).text == "ä"


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" + b"x" * xml.MAX_SIZE + b"</a>",
        b"<a>" + b"<b/>" * xml.MAX_TAGS + b"</a>",
        b"<a>" * (xml.MAX_TAGS + 1),
    ],
    ids=["long", "wide", "deep"],
)
def test_more_than_a_service_can_mean_is_refused_before_it_is_read(data: bytes) -> None:
    with pytest.raises(StoreError, match="more XML than can be meant") as caught:
        xml.parse(data)
    assert not isinstance(caught.value, TransientError)


def test_the_deepest_document_that_is_read_does_no_harm() -> None:
    half = xml.MAX_TAGS // 2
    root = xml.parse(b"<a>" * half + b"</a>" * half)
    assert xml.text(root, "b") == ""
    del root
