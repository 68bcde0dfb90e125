"""A request, read: bucket and key, its query, its body, and what it says of the object to be written."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import xml.etree.ElementTree as ET
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web

from tests.servers.oss_server.refusal import Refusal

DOMAIN = ".aliyuncs.com"
"""Hosts below it name the bucket first; it is asked for them as a proxy."""

CONTENT = ("Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires")
META = "x-oss-meta-"
_REGION = re.compile(r"(?:^|\.)oss-([a-z]{2}-[a-z0-9-]+?)(?:-internal)?$")
_TAG = re.compile(r"[\w+\-=.:/ ]*", re.ASCII)


class Asked:
    """What was asked."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.method = request.method
        self.headers = request.headers
        self.body = body
        self.host = request.host
        path, _, query = request.raw_path.partition("?")
        if "://" in path:
            parts = urlsplit(path)
            self.host, path = parts.netloc, parts.path
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        host, decoded = self.host.partition(":")[0], unquote(path)
        if host.endswith(DOMAIN):
            first, _, rest = host.removesuffix(DOMAIN).partition(".")
            self.bucket = first if rest else ""
            self.key = decoded[1:]
            self.accelerated = "accelerate" in host
            found = _REGION.search(host.removesuffix(DOMAIN))
            self.region = found[1] if found else ""
        else:
            self.bucket, _, self.key = decoded[1:].partition("/")
            self.accelerated = False
            self.region = ""

    @property
    def encodes(self) -> bool:
        """Whether keys in the answer are to be percent-encoded."""
        return self.query.get("encoding-type") == "url"

    def number(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name) or str(default)
        if not text.isdecimal() or not 0 <= int(text) <= most:
            raise Refusal(400, "InvalidArgument", f"Argument {name} must be an integer between 0 and {most}.")
        return int(text)

    def check_md5(self) -> None:
        """The body must be what Content-MD5 says."""
        given = self.headers.get("Content-MD5")
        if given is None:
            return
        try:
            digest = base64.b64decode(given, validate=True)
        except binascii.Error:
            digest = b""
        if digest != hashlib.md5(self.body).digest():
            raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")

    def content(self) -> dict[str, str]:
        return {name: self.headers[name] for name in CONTENT if name in self.headers}

    def metadata(self) -> dict[str, str]:
        found = {
            name.lower().removeprefix(META): value
            for name, value in self.headers.items()
            if name.lower().startswith(META)
        }
        for name in found:
            if re.fullmatch(r"[a-z0-9-]+", name) is None:
                raise Refusal(400, "InvalidArgument", f"The user metadata name {name} is invalid.")
        if sum(len(name) + len(value) for name, value in found.items()) > 8192:
            raise Refusal(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.")
        return found

    def tags(self) -> dict[str, str]:
        """The tags in ``x-oss-tagging``."""
        given = self.headers.get("x-oss-tagging", "")
        return checked_tags(parse_qsl(given, keep_blank_values=True))

    def storage_class(self, default: str = "Standard") -> str:
        name = self.headers.get("x-oss-storage-class", default)
        if name not in {"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}:
            raise Refusal(400, "InvalidArgument", "no such storage class exists")
        return name

    def acl(self, name: str = "x-oss-object-acl") -> str:
        given = self.headers.get(name, "default")
        if given not in {"default", "private", "public-read", "public-read-write"}:
            raise Refusal(400, "InvalidArgument", "no such bucket access control exists")
        return given

    def encryption(self) -> dict[str, str]:
        """The headers of encryption, which answers repeat."""
        name = "x-oss-server-side-encryption"
        found = {header.lower(): value for header, value in self.headers.items() if header.lower().startswith(name)}
        if found and found.get(name) not in {"AES256", "KMS", "SM4"}:
            raise Refusal(400, "InvalidEncryptionAlgorithmError", "The Encryption Algorithm is not supported.")
        return found

    def document(self) -> ET.Element:
        try:
            return ET.fromstring(self.body)  # noqa: S314  # what it is known for does no harm to a test
        except ET.ParseError:
            raise Refusal(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema.",
            ) from None


def checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Tags as the service takes them: ten at most, each name once, few kinds of characters."""
    tags = dict(pairs)
    if len(pairs) > 10 or len(tags) < len(pairs):
        raise Refusal(400, "InvalidTag", "Object tags cannot be greater than 10, and each key must be unique.")
    for name, value in pairs:
        if not 1 <= len(name) <= 128 or len(value) > 256 or not (_TAG.fullmatch(name) and _TAG.fullmatch(value)):
            raise Refusal(400, "InvalidTag", "The TagKey or TagValue you have provided is invalid.")
    return tags
