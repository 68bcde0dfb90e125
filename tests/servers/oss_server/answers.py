"""Answers: XML, times and keys as the service writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.servers.oss_server.asked import Asked
from tests.servers.oss_server.state import Version


def document(content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{content}'.encode()
    return web.Response(body=body, status=status, content_type="application/xml", headers=headers)


def _escaped(text: object) -> str:
    # A bare CR would be read as LF.
    return escape(str(text), {"\r": "&#13;"})


def element(name: str, text: object) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def shown(asked: Asked, text: str) -> str:
    """A key or prefix as it was asked for: percent-encoded or as it is."""
    return quote(text, safe="") if asked.encodes else text


def encoding(asked: Asked) -> str:
    return element("EncodingType", "url") if asked.encodes else ""


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


def quoted(etag: str) -> str:
    return f'"{etag}"'


def versioned(version: Version, *, keeps_versions: str) -> dict[str, str]:
    """The header that names a version, in buckets that have kept any."""
    return {"x-oss-version-id": version.version_id} if keeps_versions else {}
