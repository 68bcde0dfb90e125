"""Deletes in bulk: requests within one request, answers within one answer.

https://learn.microsoft.com/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aiostore._http import xml
from aiostore._http.failure import Failure
from aiostore.drivers.azure_xml import parse_error
from aiostore.errors import StoreError, UnavailableError

MAX_BATCH: Final = 256
"""Requests in one batch."""

_BOUNDARY: Final = re.compile(r'multipart/mixed\s*;.*?boundary="?([^";,\s]+)"?', re.IGNORECASE)
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[01] (\d{3})\b")


class Request(NamedTuple):
    """One request of a batch: its target is encoded."""

    method: str
    target: str
    headers: Mapping[str, str]


def write_batch(boundary: str, requests: Sequence[Request]) -> bytes:
    """Write the body of a batch; requests are told apart by their number."""
    lines = []
    for number, request in enumerate(requests):
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number}",
            "",
            f"{request.method} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in request.headers.items()),
            "Content-Length: 0",
            "",
            "",
        ]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode()


def read_batch(content_type: str, data: bytes, count: int) -> list[Failure]:
    """Return what was answered to each of ``count`` requests, in their order, successes too.

    Raises:
        UnavailableError: if it is not an answer to every one of them.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise UnavailableError("the service's answer to a batch has no boundary")
    answers: dict[int, Failure] = {}
    for part in data.decode(errors="replace").split(f"--{found[1]}")[1:]:
        if part.startswith("--"):
            break
        number, answer = _read_part(part)
        if number is None and count and not 200 <= answer.status < 300:
            # The batch as a whole was refused.
            return [answer] * count
        if number is not None:
            answers[number] = answer
    if set(answers) != set(range(count)):
        raise UnavailableError(f"the service has answered {len(answers)} of {count} requests of a batch")
    return [answers[number] for number in range(count)]


def _read_part(part: str) -> tuple[int | None, Failure]:
    outer, _, inner = part.replace("\r\n", "\n").strip("\n").partition("\n\n")
    head, _, body = inner.partition("\n\n")
    first, _, rest = head.partition("\n")
    status = _STATUS_LINE.match(first)
    if status is None:
        raise UnavailableError("the service's answer to a batch holds something that is no answer")
    number = _fields(outer).get("content-id", "")
    headers = _fields(rest)
    code, message = headers.get("x-ms-error-code", ""), ""
    if "<Error" in body:
        try:
            said, message = parse_error(body[: xml.MAX_SIZE].strip().encode())
        except StoreError:
            # The status says enough.
            said = ""
        code = code or said
    return int(number) if number.isdecimal() else None, Failure(int(status[1]), code, message, headers)


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.split("\n"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
