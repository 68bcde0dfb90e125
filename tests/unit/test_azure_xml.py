"""Listings of Azure: read quickly where they look as usual, and the same by the parser where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.drivers.azure_xml import parse_list
from aiostore.errors import UnavailableError

AZURE = (
    "<Creation-Time>Thu, 01 Jan 2026 00:00:00 GMT</Creation-Time><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT"
    "</Last-Modified><Etag>0x8DE{number}</Etag>{kind}<Content-Length>{number}</Content-Length><Content-Type>text/plain"
    "</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 />{md5}{cache}<Content-Disposition />"
    "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
    "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>"
)
AZURITE = (
    "<Creation-Time>Thu, 01 Jan 2026 00:00:00 GMT</Creation-Time><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT"
    "</Last-Modified><Etag>0x8DE{number}</Etag>{kind}<Content-Length>{number}</Content-Length><Content-Type>text/plain"
    "</Content-Type>{md5}{cache}<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus><LeaseState>available"
    "</LeaseState><ServerEncrypted>true</ServerEncrypted><AccessTier>Hot</AccessTier><AccessTierInferred>true"
    "</AccessTierInferred><AccessTierChangeTime>Thu, 01 Jan 2026 00:00:00 GMT</AccessTierChangeTime>"
)

ROWS = st.lists(
    st.tuples(
        st.sampled_from([AZURE, AZURITE]),
        st.integers(0, 10**12),
        st.sampled_from(["", "<ResourceType>file</ResourceType>", "<ResourceType>directory</ResourceType>"]),
        st.sampled_from(["<Content-MD5 />", "<Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5>"]),
        st.sampled_from(["<Cache-Control />", "<Cache-Control>no-store</Cache-Control>"]),
        st.sampled_from(["", "<OrMetadata />"]),
    ),
    min_size=1,
    max_size=6,
)


def page(blobs: str) -> bytes:
    return f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>more</NextMarker></EnumerationResults>".encode()


@given(ROWS)
def test_the_quick_way_reads_what_the_parser_reads(rows: list[tuple[str, int, str, str, str, str]]) -> None:
    blobs = "".join(
        f"<Blob><Name>key {index}</Name><Properties>{form.format(number=number, kind=kind, md5=md5, cache=cache)}"
        f"</Properties>{end}</Blob>"
        for index, (form, number, kind, md5, cache, end) in enumerate(rows)
    )
    quick = parse_list(page(blobs))
    # An object whose name is escaped makes the whole page one for the parser.
    slow = parse_list(page(f"{blobs}<Blob><Name>a&amp;b</Name><Properties></Properties></Blob>"))
    assert [meta.key for meta in slow.objects][-1] == "a&b"
    assert list(quick.objects) == list(slow.objects)[:-1]
    assert quick.next_token == slow.next_token == "more"


def test_common_prefixes_between_objects_are_read() -> None:
    found = parse_list(
        page("<BlobPrefix><Name>a/</Name></BlobPrefix><Blob><Name>b</Name><Properties></Properties></Blob>")
    )
    assert ([meta.key for meta in found.objects], list(found.common_prefixes)) == (["b"], ["a/"])


@pytest.mark.parametrize("cut", [30, 60, 200, -5])
def test_a_listing_that_was_cut_is_no_listing(cut: int) -> None:
    row = AZURE.format(number=1, kind="", md5="", cache="<Cache-Control />")
    data = page(f"<Blob><Name>key</Name><Properties>{row}</Properties></Blob>" * 2)
    with pytest.raises((UnavailableError, ValueError)):
        parse_list(data[:cut])
