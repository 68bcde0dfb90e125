"""What a completed upload is compared with, whatever the service tells of it."""

from __future__ import annotations

import pytest

from aiostore.drivers.gcs_settings import make_driver
from aiostore.errors import CorruptedError
from aiostore.types import Part, PutOptions, Upload
from tests.unit.raw_http import Request, serve

HELLO = Part(number=1, size=5, etag="e", checksums={"crc32c": "9a71bb4c"})
DONE = b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"


@pytest.mark.parametrize(
    ("told", "right"), [("crc32c=mnG7TA==", True), ("crc32c=AAAAAA==", False), ("md5=XUFAKrxLKna5cZ2REBfFkg==", True)]
)
async def test_the_checksum_of_the_whole_is_compared_with_those_of_the_parts(told: str, right: bool) -> None:
    async def respond(request: Request) -> None:
        await request.body()
        head = f"HTTP/1.1 200 OK\r\nx-goog-hash: {told}\r\nContent-Length: {len(DONE)}\r\n\r\n"
        request.send(head.encode() + DONE)

    async with serve(respond) as server:
        driver = make_driver("bucket", endpoint=server.url, skip_signature=True)
        try:
            if right:
                result = await driver.complete_multipart(Upload(key="k", id="u"), [HELLO], PutOptions())
                assert result.checksums["crc32c"] == "9a71bb4c"
            else:
                with pytest.raises(CorruptedError, match="write it again"):
                    await driver.complete_multipart(Upload(key="k", id="u"), [HELLO], PutOptions())
        finally:
            await driver.aclose()
