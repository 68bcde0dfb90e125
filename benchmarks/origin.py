"""A second server: an nginx that looks like S3 as far as the measurements go, so that no figure hangs on `server.c`.

Objects are files that it sends, uploads are discarded, and listings are pages made beforehand.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .server import (
    BUCKET,
    Server,
    Stats,
    free_port,
    make_certificate,
    object_content,
    pin,
    processor_seconds,
    run_nginx,
)

PAGE = 1000
"""Keys of a page of a listing."""

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format payloads $http_x_amz_content_sha256; map $request_method $uploads {{ PUT 1; default 0; }}
    access_log {directory}/payloads payloads if=$uploads;
    keepalive_timeout 65; keepalive_requests 100000000; client_max_body_size 0; client_body_temp_path {directory};
    sendfile on; tcp_nopush on; open_file_cache max=100; output_buffers 2 256k; types {{ application/xml xml; }}
    default_type application/octet-stream;
    map $args $page {{ "~(^|&)continuation-token=(?<token>\\d+)" $token; default 0; }}
    map $request_method$args $answer {{
        "~^POST(.*&)?uploads" "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
        "~^POST" '<CompleteMultipartUploadResult><ETag>"{etag}-1"</ETag></CompleteMultipartUploadResult>';
        default "";
    }}
    server {{
        listen 127.0.0.1:{http}; {tls}
        location ~ ^/{bucket}/size/(\\d+)/ {{ alias {directory}/objects/$1; }}
        location ~ ^/{bucket}/?$ {{ rewrite ^ /pages/$page.xml break; root {directory}; }}
        location / {{ add_header ETag '"{etag}"'; return 200 $answer; }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin(Server):
    """The running nginx; it counts nothing but uploads."""

    payloads: Path

    def stats(self) -> Stats:
        kinds = self.payloads.read_text().split()
        unsigned, streaming = kinds.count("UNSIGNED-PAYLOAD"), sum(kind.startswith("STREAMING-") for kind in kinds)
        anonymous = kinds.count("-")
        return Stats(
            requests=0,
            bytes_in=0,
            bytes_out=0,
            signed=len(kinds) - unsigned - streaming - anonymous,
            unsigned=unsigned,
            streaming=streaming,
            anonymous=anonymous,
            checksums=0,
            refused=0,
            connections=0,
            cpu=processor_seconds(self.front),
            cipher="",
        )


@contextmanager
def serve_by_nginx(
    *, sizes: Sequence[int], listed: Sequence[int] = (), tls: bool = True, cores: Sequence[int] = ()
) -> Iterator[Origin]:
    """Runs it, pinned to `cores`, until the block ends. `listed` is one number of keys, or none."""
    content = object_content()
    with tempfile.TemporaryDirectory(prefix="benchmark-nginx-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)
        (directory / "objects").mkdir()
        for size in sizes:
            with (directory / "objects" / str(size)).open("wb") as file:
                for start in range(0, size, len(content)):
                    file.write(content[: size - start])
        (directory / "pages").mkdir()
        for count in listed:
            write_pages(directory / "pages", count)
        http, https, secure, ca = free_port(), 0, "", Path()
        if tls:
            ca, certificate, key = make_certificate(directory)
            https = free_port()
            secure = f"listen 127.0.0.1:{https} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
        text = CONFIGURATION.format(directory=directory, bucket=BUCKET, http=http, tls=secure, etag="0" * 32)
        with run_nginx(text, directory, http) as process:
            pin(process.pid, cores)
            yield Origin(
                http_port=http,
                https_port=https,
                ca_bundle=ca,
                process=process,
                front=process.pid,
                payloads=directory / "payloads",
            )


def write_pages(directory: Path, count: int) -> None:
    """The pages of a listing of so many keys, each named by its token."""
    for page in range(-(-count // PAGE)):
        numbers = range(page * PAGE, min((page + 1) * PAGE, count))
        more = numbers.stop < count
        token = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
        entries = "".join(
            f"<Contents><Key>list/{count}/{number:08}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>1024</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in numbers
        )
        (directory / f"{page}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>list/{count}/</Prefix><KeyCount>{len(numbers)}</KeyCount>"
            f"<MaxKeys>{PAGE}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
            f"</ListBucketResult>{os.linesep}"
        )
