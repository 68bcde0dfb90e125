"""A request, read: its query, its body, and what it says of keys, payers and the object to be written."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from tests.servers.gcs_server.call import Call
from tests.servers.gcs_server.refusal import Refusal
from tests.servers.gcs_server.state import Generation, Resource


class Asked:
    """What was asked. ``parts`` are the decoded variables of the path."""

    def __init__(self, call: Call, parts: Mapping[str, str], body: bytes) -> None:
        self.call = call
        self.method = call.method
        self.parts = parts
        self.body = body
        self.headers = call.headers
        self.query = dict(parse_qsl(call.raw_path.partition("?")[2], keep_blank_values=True))

    @property
    def bucket(self) -> str:
        return self.parts["bucket"]

    @property
    def name(self) -> str:
        return self.parts["name"]

    def json(self) -> Resource:
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "parseError", "Parse Error") from None
        if not isinstance(content, dict):
            raise Refusal(400, "parseError", "Parse Error")
        return content

    def customer_key(self, prefix: str = "x-goog-encryption") -> str | None:
        """The SHA-256 of the customer's key that came along, which must fit it."""
        key = self.headers.get(f"{prefix}-key")
        if key is None:
            return None
        sha256 = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode()
        if self.headers.get(f"{prefix}-algorithm") != "AES256" or self.headers.get(f"{prefix}-key-sha256") != sha256:
            raise Refusal(
                400, "customerEncryptionKeyIsIncorrect", "The customer-supplied key does not fit its SHA-256."
            )
        if len(base64.b64decode(key)) != 32:
            raise Refusal(400, "invalid", "A customer-supplied key has 32 bytes.")
        return sha256

    def check_key(self, one: Generation, prefix: str = "x-goog-encryption") -> None:
        """The bytes of an object that is encrypted with a customer's key are read with that key only."""
        given = self.customer_key(prefix)
        if one.key_sha256 == given:
            return
        if one.key_sha256 is not None and given is None:
            raise Refusal(
                400,
                "resourceIsEncryptedWithCustomerEncryptionKey",
                "The target object is encrypted by a customer-supplied encryption key.",
            )
        raise Refusal(400, "customerEncryptionKeyIsIncorrect", "The provided encryption key is incorrect.")

    def xml_fields(self) -> Resource:
        """What the XML API's headers say of an object to be written."""
        get = self.headers.get
        fields: dict[str, Any] = {
            "contentType": get("Content-Type"),
            "contentEncoding": get("Content-Encoding"),
            "contentDisposition": get("Content-Disposition"),
            "contentLanguage": get("Content-Language"),
            "cacheControl": get("Cache-Control"),
            "storageClass": get("x-goog-storage-class"),
            "customTime": get("x-goog-custom-time"),
        }
        metadata = {
            name.lower().removeprefix("x-goog-meta-"): value
            for name, value in self.headers.items()
            if name.lower().startswith("x-goog-meta-")
        }
        if metadata:
            fields["metadata"] = metadata
        return fields

    def xml_digests(self) -> dict[str, str | None]:
        digests: dict[str, str | None] = {"md5": self.headers.get("Content-MD5")}
        for header in self.headers.getall("x-goog-hash", []):
            for item in header.split(","):
                name, _, value = item.strip().partition("=")
                digests[name] = value
        return digests

    def xml_conditions(self) -> dict[str, str]:
        """The XML API's preconditions under the JSON API's names."""
        found = {}
        for header, name in (
            ("x-goog-if-generation-match", "ifGenerationMatch"),
            ("x-goog-if-metageneration-match", "ifMetagenerationMatch"),
        ):
            if (value := self.headers.get(header)) is not None:
                found[name] = value
        return found
