"""Errors, in the form of the API that was asked.

https://docs.cloud.google.com/storage/docs/json_api/v1/status-codes and
https://docs.cloud.google.com/storage/docs/xml-api/reference-status
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from aiohttp import web

CODES: Mapping[str, str] = {
    "notFound": "NoSuchKey",
    "noSuchBucket": "NoSuchBucket",
    "noSuchUpload": "NoSuchUpload",
    "conditionNotMet": "PreconditionFailed",
    "authError": "AuthenticationRequired",
    "forbidden": "AccessDenied",
    "invalid": "InvalidArgument",
    "badDigest": "BadDigest",
    "requestedRangeNotSatisfiable": "InvalidRange",
    "userProjectMissing": "UserProjectMissing",
    "resourceIsEncryptedWithCustomerEncryptionKey": "ResourceIsEncryptedWithCustomerEncryptionKey",
    "customerEncryptionKeyIsIncorrect": "CustomerEncryptionKeyIsIncorrect",
    "entityTooSmall": "EntityTooSmall",
    "invalidPart": "InvalidPart",
    "conflict": "BucketNotEmpty",
    "signatureDoesNotMatch": "SignatureDoesNotMatch",
    "expiredToken": "ExpiredToken",
    "invalidPolicyDocument": "InvalidPolicyDocument",
}
"""The XML API's codes for the JSON API's reasons."""


class Refusal(Exception):  # noqa: N818  # it is what the service answers, not what went wrong in here
    """A request that is not carried out."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def as_json(self) -> web.Response:
        if self.status == 304:
            return web.Response(status=304)
        reason = {"noSuchBucket": "notFound", "badDigest": "invalid"}.get(self.reason, self.reason)
        detail = {"domain": "global", "reason": reason, "message": self.message}
        error = {"code": self.status, "message": self.message, "errors": [detail]}
        return web.json_response({"error": error}, status=self.status)

    def as_xml(self) -> web.Response:
        if self.status == 304:
            return web.Response(status=304)
        code = CODES.get(self.reason, "InvalidArgument")
        text = (
            f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{escape(self.message)}</Message>"
        )
        return web.Response(status=self.status, text=f"{text}</Error>", content_type="application/xml")


def not_found(bucket: str, name: str) -> Refusal:
    return Refusal(404, "notFound", f"No such object: {bucket}/{name}")


def no_bucket() -> Refusal:
    return Refusal(404, "noSuchBucket", "The specified bucket does not exist.")


def unmet(what: str) -> Refusal:
    return Refusal(412, "conditionNotMet", f"At least one of the pre-conditions you specified did not hold: {what}.")
