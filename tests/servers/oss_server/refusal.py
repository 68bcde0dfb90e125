"""Errors. https://www.alibabacloud.com/help/en/oss/support/http-status-codes-error-codes-and-request-ids."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape


class Refusal(Exception):  # noqa: N818  # it is what the service answers, not what went wrong in here
    """A request that is not carried out. ``fields`` go into the document, ``headers`` beside it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or code
        self.fields = fields or {}
        self.headers = headers or {}

    def document(self, request_id: str, host: str) -> bytes:
        """The body of the answer."""
        told = {"Code": self.code, "Message": self.message, "RequestId": request_id, "HostId": host, **self.fields}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in told.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def no_bucket(name: str) -> Refusal:
    return Refusal(404, "NoSuchBucket", "The specified bucket does not exist.", fields={"BucketName": name})


def no_key(key: str) -> Refusal:
    return Refusal(404, "NoSuchKey", "The specified key does not exist.", fields={"Key": key})


def no_upload(upload_id: str) -> Refusal:
    message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted."
    return Refusal(404, "NoSuchUpload", message, fields={"UploadId": upload_id})
