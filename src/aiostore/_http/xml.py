"""The XML that services answer with: no document type, no entities but XML's own five, bounded memory.

Namespaces are looked through: the S3 dialects disagree on which one is theirs, and some send none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, XMLParser

from aiostore.errors import StoreError, UnavailableError

MAX_SIZE = 16 * 1024**2
"""Bytes of one document: ten times a page of 1,000 keys of 1,024 characters."""

MAX_TAGS = 500_000
"""Tags of one document, which bounds the elements it becomes, and how deep they nest: about 64 MiB."""


def parse(data: bytes) -> Element:
    """The root element of a document in UTF-8.

    Raises:
        UnavailableError: if it is not well-formed, such as one that was cut off: another attempt may bring a whole one.
        StoreError: if it is larger than a service's answers are, or declares a document type: no service does, and it
            is how entities are expanded without end.
    """
    if len(data) > MAX_SIZE or data.count(b"<") > MAX_TAGS:
        raise StoreError(f"the service answered with more XML than can be meant: {len(data)} bytes")
    if b"<!DOCTYPE" in data:
        raise StoreError("the service answered with XML that declares a document type, which is refused")
    if b"\0" in data:
        # Expat takes UTF-16 and UTF-32 whatever it is told, and there the declaration is spelt in other bytes.
        raise UnavailableError("the service's answer is not well-formed XML in UTF-8: it holds a NUL")
    # A fixed encoding, for the same reason.
    parser = XMLParser(encoding="utf-8")  # noqa: S314  # what it is known for needs a document type
    try:
        parser.feed(data)
        root: Element = parser.close()
    except ParseError as error:
        raise UnavailableError(f"the service's answer is not well-formed XML: {error}") from error
    return root


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def name(element: Element) -> str:
    """The element's name without its namespace."""
    return _local(element.tag)


def children(parent: Element, *path: str) -> Iterator[Element]:
    """The elements at the end of ``path``, names without namespaces, in order; the direct children without one."""
    if not path:
        yield from parent
        return
    first, *rest = path
    for child in parent:
        if _local(child.tag) == first:
            if rest:
                yield from children(child, *rest)
            else:
                yield child


def text(parent: Element, *path: str, default: str = "") -> str:
    """The text of the first element at ``path``, ``default`` if there is none; white space is kept."""
    for element in children(parent, *path):
        return element.text or ""
    return default


def fields(parent: Element) -> dict[str, str]:
    """The text of each direct child under its name; of several of one name, the last one's."""
    return {_local(child.tag): child.text or "" for child in parent}
