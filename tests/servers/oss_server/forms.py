"""Uploads by forms: a policy, its signature, and a file.

https://www.alibabacloud.com/help/en/oss/developer-reference/postobject
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict

from tests.servers.oss_server.answers import document, element, quoted
from tests.servers.oss_server.asked import CONTENT, META, Asked
from tests.servers.oss_server.buckets import Buckets
from tests.servers.oss_server.objects import check_name, written
from tests.servers.oss_server.refusal import Refusal
from tests.servers.oss_server.signatures import (
    ALGORITHM,
    account,
    check_token,
    compare,
    expired,
    scope_of,
    signed_1,
    signed_4,
)
from tests.servers.oss_server.state import Version

_SIGNED = ("x-oss-signature-version", "x-oss-credential", "x-oss-date")


class Forms:
    """What browsers send."""

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets

    async def post(self, asked: Asked) -> web.Response:
        bucket = self.buckets.of(asked)
        fields, data, filename = _read(asked)
        key = fields.get("key", "").replace("${filename}", filename)
        check_name(key)
        conditions = _authenticate(fields)
        _check(conditions, {**fields, "key": key, "bucket": bucket.name}, len(data))
        if bucket.current(key) is not None and fields.get("x-oss-forbid-overwrite", "").lower() == "true":
            raise Refusal(409, "FileAlreadyExists", "The object you specified already exists.")
        version = Version(
            data=data,
            content={name: fields[name] for name in CONTENT if name in fields},
            metadata={
                name.lower()[len(META) :]: text for name, text in fields.items() if name.lower().startswith(META)
            },
            tags=dict(parse_qsl(fields.get("x-oss-tagging", ""))),
            storage_class=fields.get("x-oss-storage-class", "Standard"),
            acl=fields.get("x-oss-object-acl", "default"),
        )
        bucket.add(key, version)
        headers, status = written(bucket, version), fields.get("success_action_status", "204")
        if status == "201":
            told = element("Bucket", bucket.name) + element("Location", f"http://{asked.host}/{key}")
            told += element("Key", key) + element("ETag", quoted(version.etag))
            return document(f"<PostResponse>{told}</PostResponse>", 201, headers)
        return web.Response(status=200 if status == "200" else 204, headers=headers)


def _read(asked: Asked) -> tuple[CIMultiDict[str], bytes, str]:
    head = f"Content-Type: {asked.headers.get('Content-Type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + asked.body)
    fields: CIMultiDict[str] = CIMultiDict()
    if not message.is_multipart():
        raise Refusal(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed.")
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        name = str(part.get_param("name", "", header="content-disposition"))
        if name == "file":
            kind = part.get("Content-Type")
            if kind and "Content-Type" not in fields:
                fields["Content-Type"] = kind
            return fields, content, part.get_filename() or ""
        fields[name] = content.decode()
    raise Refusal(400, "IncorrectNumberOfFilesInPOSTRequest", "POST requires exactly one file upload per request.")


def _authenticate(fields: CIMultiDict[str]) -> list[Any]:
    """Check the signature of the policy, and return what it demands."""
    policy = fields.get("policy", "")
    if not policy:
        raise Refusal(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
    if fields.get("x-oss-signature-version") == ALGORITHM:
        access_key, day = scope_of(fields.get("x-oss-credential", ""))
        compare(signed_4(policy, account(access_key).secret, day), fields.get("x-oss-signature", ""), policy)
    else:
        access_key = fields.get("OSSAccessKeyId", "")
        compare(signed_1(policy, account(access_key).secret), fields.get("Signature", ""), policy)
    check_token(access_key, fields.get("x-oss-security-token"))
    try:
        content = json.loads(base64.b64decode(policy))
        expired(datetime.fromisoformat(content["expiration"]).timestamp())
        conditions: list[Any] = content["conditions"]
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, "InvalidPolicyDocument", "The content of the form does not meet the policy.") from None
    if fields.get("x-oss-signature-version") == ALGORITHM:
        named = {name for one in conditions if isinstance(one, dict) for name in one}
        if not named.issuperset(_SIGNED):
            raise Refusal(400, "InvalidPolicyDocument", "Invalid Policy: the signature's fields are missing.")
    return conditions


def _check(conditions: list[Any], fields: dict[str, str], size: int) -> None:
    given = {name.lower(): value for name, value in fields.items()}
    for condition in conditions:
        if isinstance(condition, dict):
            held = all(given.get(name.lower()) == value for name, value in condition.items())
        elif condition[0] == "content-length-range":
            if size > condition[2]:
                raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
            if size < condition[1]:
                raise Refusal(400, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size.")
            held = True
        else:
            kind, name, value = condition
            text = given.get(str(name).removeprefix("$").lower(), "")
            held = {
                "eq": text == value,
                "starts-with": text.startswith(str(value)),
                "in": text in value,
                "not-in": text not in value,
            }[kind]
        if not held:
            message = "Invalid according to Policy: Policy Condition failed."
            raise Refusal(403, "AccessDenied", message)
