"""Several documents in one request: an object with its description, or many deletions.

https://www.rfc-editor.org/rfc/rfc2387 and https://www.rfc-editor.org/rfc/rfc2046#section-5.1.3
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from aiostore._http.failure import Failure
from aiostore.body import Body, Buffers
from aiostore.drivers.gcs_errors import read_failure
from aiostore.drivers.gcs_resource import Resource
from aiostore.errors import ConfigurationError, UnavailableError
from aiostore.types import Buffer

_LINE_BREAK: Final = re.compile("[\r\n\0]")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_ITEM: Final = re.compile(rb"response-item:(\d+)|response-(\d+)", re.IGNORECASE)


def related(resource: Resource, body: Body) -> tuple[str, Body]:
    """The Content-Type and the body of an upload: a resource and the bytes of its object, which are not copied."""
    boundary = secrets.token_hex(16)
    content_type = str(resource.get("contentType", "application/octet-stream"))
    if _LINE_BREAK.search(content_type) is not None:
        raise ConfigurationError("content_type holds a line break or a NUL")
    first = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        f"{json.dumps(resource, ensure_ascii=False)}\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
    ).encode()
    last = f"\r\n--{boundary}--".encode()
    size = len(first) + body.size + len(last)
    framed: Body
    if (buffers := body.buffers) is not None:
        framed = Buffers((first, *buffers, last), size)
    else:
        framed = _Framed(first, body, last, size)
    return f"multipart/related; boundary={boundary}", framed


class _Framed:
    """A body that does not lie in memory, between two buffers that do."""

    __slots__ = ("_body", "_first", "_last", "_size")

    def __init__(self, first: bytes, body: Body, last: bytes, size: int) -> None:
        self._first = first
        self._body = body
        self._last = last
        self._size = size

    @property
    def size(self) -> int:
        return self._size

    @property
    def buffers(self) -> None:
        return

    async def chunks(self) -> AsyncIterator[Buffer]:
        yield self._first
        async for chunk in self._body.chunks():
            yield chunk
        yield self._last


def batch(paths: Sequence[str]) -> tuple[str, Body]:
    """The Content-Type and the body of a batch that deletes what is at each of ``paths``."""
    boundary = secrets.token_hex(16)
    parts = [
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: <item:{number}>\r\n\r\nDELETE {path} HTTP/1.1\r\n\r\n\r\n"
        for number, path in enumerate(paths)
    ]
    data = "".join([*parts, f"--{boundary}--\r\n"]).encode()
    return f"multipart/mixed; boundary={boundary}", Buffers((data,), len(data))


def parse_batch(content_type: str, data: bytes, count: int) -> list[Failure | None]:
    """What became of each request of a batch, in order: None is success.

    Raises:
        UnavailableError: if the answer does not tell of all of them.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise UnavailableError("the service's answer to a batch cannot be read: it has no boundary")
    pieces = data.split(b"--" + found[1].encode())
    # Before the first boundary and behind the last one there is nothing.
    answers = [piece for piece in pieces[1:] if not piece.startswith(b"--") and piece.strip()]
    outcomes: dict[int, Failure | None] = {}
    for position, piece in enumerate(answers):
        status = _STATUS_LINE.search(piece)
        if status is None:
            raise UnavailableError("the service's answer to a batch cannot be read: a part has no status")
        item = _ITEM.search(piece, 0, status.start())
        number = int(item[1]) if item is not None and item[1] else position
        code = int(status[1])
        headers, body = _split(piece[status.end() :])
        outcomes[number] = None if code < 300 else read_failure(code, headers, body)
    if sorted(outcomes) != list(range(count)):
        raise UnavailableError(f"the service answered to {len(outcomes)} of {count} deletions")
    return [outcomes[number] for number in range(count)]


def _split(answer: bytes) -> tuple[Mapping[str, str], bytes]:
    head, _, body = answer.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\n"))
    return {name.strip().title(): value.strip() for name, separator, value in lines if separator}, body
