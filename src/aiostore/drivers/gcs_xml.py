"""The XML documents of multipart uploads.

https://docs.cloud.google.com/storage/docs/xml-api/post-object-multipart
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from aiostore._http import xml
from aiostore._http.status import unquote_etag
from aiostore.errors import UnavailableError
from aiostore.types import Part, PartPage, PutOptions, Upload, UploadPage


def write_complete(parts: Sequence[Part]) -> bytes:
    """The list of the parts that make up the object."""
    listed = "".join(
        f'<Part><PartNumber>{part.number}</PartNumber><ETag>"{escape(part.etag or "")}"</ETag></Part>' for part in parts
    )
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def parse_upload_id(data: bytes) -> str:
    """The id of an upload that was begun."""
    return xml.text(xml.parse(data), "UploadId")


def parse_completed(data: bytes) -> None:
    """Raise UnavailableError unless the answer says that the object was made."""
    root = xml.parse(data)
    if xml.name(root) != "CompleteMultipartUploadResult":
        raise UnavailableError("the service answered to the completion with something else")


def parse_parts(data: bytes) -> PartPage:
    """A page of the parts that the service holds."""
    root = xml.parse(data)
    parts = []
    for element in xml.children(root, "Part"):
        fields = xml.fields(element)
        number, size = int(fields["PartNumber"]), int(fields["Size"])
        parts.append(Part(number=number, size=size, etag=unquote_etag(fields.get("ETag"))))
    more = xml.text(root, "IsTruncated") == "true"
    return PartPage(parts=parts, next_token=xml.text(root, "NextPartNumberMarker") if more else None)


def parse_uploads(data: bytes) -> UploadPage:
    """A page of the uploads under way."""
    root = xml.parse(data)
    uploads = []
    for element in xml.children(root, "Upload"):
        fields = xml.fields(element)
        initiated = fields.get("Initiated")
        started = datetime.fromisoformat(initiated) if initiated else None
        uploads.append(Upload(key=fields["Key"], id=fields["UploadId"], options=PutOptions(), started=started))
    more = xml.text(root, "IsTruncated") == "true"
    # A key cannot hold a line break, so that is what stands between the two markers.
    token = f"{xml.text(root, 'NextKeyMarker')}\n{xml.text(root, 'NextUploadIdMarker')}"
    return UploadPage(uploads=uploads, next_token=token if more else None)
