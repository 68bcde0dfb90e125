"""The S3 look-alike on loopback that every client is measured against, and the proof that it is not the bottleneck.

The server is `server.c`, compiled on first use with the system's C compiler (`CC`, default `cc`; TLS needs OpenSSL's
headers, `libssl-dev` on Debian). It serves objects of declared sizes, discards uploads and generates listings;
signatures are not checked. Its ceiling is measured with `load.c`, a client in C that costs next to nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import random
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiostore import checksums

SOURCES = Path(__file__).parent
CONTENT_SIZE = (
    1_000_003  # fits a processor cache; prime, so a part that lands at another part's offset changes the checksum
)
BUCKET = "bench"
GOOGLE_BUCKET = "bench-gcs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A delay before the first byte of every answer and a rate for each connection and direction."""

    delay: float
    """Seconds."""
    rate: int
    """Bytes per second."""

    @classmethod
    def parse(cls, text: str) -> Link:
        """`30ms,60MiB/s`."""
        delay, rate = text.split(",")
        return cls(
            delay=float(delay.strip().removesuffix("ms")) / 1000,
            rate=int(float(rate.strip().removesuffix("MiB/s")) * 1024 * 1024),
        )

    def __str__(self) -> str:
        return f"{self.delay * 1000:g}ms,{self.rate / 1024 / 1024:g}MiB/s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """What the server counted since it started; the difference of two says what a client really sent and received."""

    requests: int
    bytes_in: int
    bytes_out: int
    signed: int
    """PUTs whose payload was hashed into the signature."""
    unsigned: int
    """PUTs with UNSIGNED-PAYLOAD."""
    streaming: int
    """PUTs in aws-chunked framing."""
    anonymous: int
    """PUTs that said nothing of their payload."""
    checksums: int
    """PUTs with a checksum header or trailer."""
    refused: int
    """Requests answered 503."""
    connections: int
    cpu: float
    """Seconds of processor time the server has used."""
    cipher: str
    """TLS version and cipher of the latest handshake."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running server."""

    http_port: int
    https_port: int
    ca_bundle: Path
    process: subprocess.Popen[str]
    front: int = 0
    """Process id of the nginx worker that ends TLS in front of the server, if one does."""

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https(self) -> str:
        """Empty when the server was started without TLS."""
        return f"https://127.0.0.1:{self.https_port}" if self.https_port else ""

    def stats(self) -> Stats:
        with urllib.request.urlopen(f"{self.http}/_stats", timeout=10) as answer:
            found = Stats(**json.load(answer))
        return replace(found, cpu=found.cpu + processor_seconds(self.front)) if self.front else found


class BuildError(RuntimeError):
    """The server could not be compiled."""


def build(program: str, *, tls: bool) -> Path:
    """The compiled `server` or `load`; kept in the temporary directory until its sources change.

    Raises: BuildError if there is no C compiler, or TLS is asked for and OpenSSL's headers are missing.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BuildError("no C compiler: install gcc or clang, or set CC")
    source = SOURCES / f"{program}.c"
    flags = ["-O2", "-Wall", "-Wextra", *(["-DWITH_TLS"] if tls else [])]
    libraries = ["-lssl", "-lcrypto"] if tls else []
    text = b"".join(path.read_bytes() for path in (source, SOURCES / "wire.h"))
    digest = hashlib.sha256(text + repr((compiler, flags)).encode()).hexdigest()[:16]
    cache = Path(tempfile.gettempdir()) / f"object-store-benchmarks-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    binary = cache / f"{program}-{digest}"
    if not binary.exists():
        fresh = binary.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [compiler, *flags, "-o", str(fresh), str(source), *libraries], capture_output=True, text=True, check=False
        )
        if done.returncode:
            needs = " (TLS needs OpenSSL's headers: libssl-dev)" if tls else ""
            raise BuildError(f"{source.name} does not compile{needs}:\n{done.stderr}")
        fresh.replace(binary)
    return binary


def object_content() -> bytes:
    """What every object repeats: its byte at offset N is `object_content()[N % CONTENT_SIZE]`."""
    return random.Random(1).randbytes(CONTENT_SIZE)


def object_key(size: int, name: object = 0) -> str:
    """The key of an object of `size` bytes; any name will do, so requests can go to distinct keys."""
    return f"size/{size}/{name}"


def list_prefix(count: int) -> str:
    """A prefix under which the server lists `count` keys."""
    return f"list/{count}/"


def tree_prefix(count: int, size: int) -> str:
    """A prefix under which the server lists `count` objects of `size` bytes, which can be read."""
    return f"tree/{count}/{size}/"


def make_certificate(directory: Path) -> tuple[Path, Path, Path]:
    """A private authority's certificate, and the server's certificate and key, for 127.0.0.1."""
    ca, ca_key, certificate, key = (directory / name for name in ("ca.pem", "ca.key", "server.pem", "server.key"))
    request, extensions = directory / "server.csr", directory / "server.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    signed = ["-extfile", extensions, "-out", certificate]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    for command in (
        ["req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "30", "-subj", "/CN=benchmark", *authority],
        ["req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30", *signed],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return ca, certificate, key


def processor_seconds(pid: int) -> float:
    """Processor time a process has used, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


NGINX = """
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_timeout 65; keepalive_requests 100000000; client_max_body_size 0;
    client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
    uwsgi_temp_path {directory}; scgi_temp_path {directory};
    upstream server {{ server 127.0.0.1:{upstream}; keepalive 128; }}
    server {{
        listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
        location / {{
            proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Host $http_host;
            proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off;
        }}
    }}
}}
"""


@contextmanager
def nginx_in_front(upstream: int, directory: Path, certificate: Path, key: Path) -> Iterator[tuple[int, int]]:
    """Runs nginx as a TLS terminator; its port and process id."""
    port = free_port()
    text = NGINX.format(directory=directory, upstream=upstream, port=port, certificate=certificate, key=key)
    with run_nginx(text, directory, port) as process:
        yield port, process.pid


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def run_nginx(configuration: str, directory: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Runs nginx with this configuration, from when it listens on `port` until the block ends."""
    config = directory / "nginx.conf"
    config.write_text(configuration)
    process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(directory / "error.log")], text=True)
    try:
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        else:
            raise BuildError("nginx does not start")
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def serve(
    *,
    sizes: Sequence[int],
    tls: bool = True,
    cores: Sequence[int] = (),
    link: Link | None = None,
    busy_above: int = 0,
    nginx: bool = False,
) -> Iterator[Server]:
    """Runs a server in a process of its own, pinned to `cores`, until the block ends.

    `sizes` are the objects it has. With `link` every connection behaves like that link. With `busy_above` it answers
    503 SlowDown to requests above that many in flight. TLS is the server's own, or with `nginx` an nginx's in front.
    """
    binary = build("server", tls=tls)
    content = object_content()
    with tempfile.TemporaryDirectory(prefix="benchmark-server-") as scratch:
        options = object_options(content, sizes)
        ca, certificate, key = make_certificate(Path(scratch)) if tls else (Path(), Path(), Path())
        if tls and not nginx:
            options += ["--certificate", str(certificate), "--key", str(key)]
        if link is not None:
            options += ["--delay-us", str(round(link.delay * 1e6)), "--rate", str(link.rate)]
        if busy_above:
            options += ["--busy-above", str(busy_above)]
        memory = os.memfd_create("benchmark-content")
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(content)
            process = subprocess.Popen(
                [str(binary), "--content-fd", str(memory), *options],
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[memory],
            )
        finally:
            os.close(memory)
        try:
            pin(process.pid, cores)
            assert process.stdout is not None
            ports = json.loads(process.stdout.readline())
            found = Server(http_port=ports["http"], https_port=ports["https"], ca_bundle=ca, process=process)
            if tls and nginx:
                with nginx_in_front(found.http_port, Path(scratch), certificate, key) as (port, pid):
                    pin(pid, cores)
                    yield replace(found, https_port=port, front=pid)
            else:
                yield found
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


def object_options(content: bytes, sizes: Sequence[int]) -> list[str]:
    """Command line options that declare objects of these sizes, with their MD5 as the ETag and their CRC32C."""
    options = []
    for size in sorted(set(sizes)):
        md5, crc32c = hashlib.md5(usedforsecurity=False), checksums.new("crc32c")
        for _ in range(size // len(content)):
            md5.update(content)
            crc32c.update(content)
        rest = memoryview(content)[: size % len(content)]
        md5.update(rest)
        crc32c.update(rest)
        encoded = [base64.b64encode(digest).decode() for digest in (md5.digest(), bytes.fromhex(crc32c.hexdigest()))]
        options += ["--object", f"{size}:{md5.hexdigest()}:{':'.join(encoded)}"]
    return options


def pin(pid: int, cores: Sequence[int]) -> None:
    """Keeps a process (0: this one) on these cores; none means wherever the scheduler likes."""
    if cores:
        os.sched_setaffinity(pid, cores)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """What the server did for a client that costs next to nothing."""

    workload: str
    link: str
    rate: float
    unit: str
    server_busy: float
    """The share of its core the server used; below 1 the client was the limit even here."""


def ceilings(server: Server, *, cores: Sequence[int], seconds: float, links: Sequence[str]) -> list[Ceiling]:
    """Measures the server with the load generator pinned to `cores`, the clients' own."""
    kib, mib = 1024, 1024 * 1024
    cases = [
        ("get-1k", 32, "GET", f"/{BUCKET}/{object_key(kib)}", 0, "op/s"),
        ("head", 32, "HEAD", f"/{BUCKET}/{object_key(kib)}", 0, "op/s"),
        ("put-1k", 32, "PUT", f"/{BUCKET}/put", kib, "op/s"),
        ("get-1m", 32, "GET", f"/{BUCKET}/{object_key(mib)}", 0, "MiB/s"),
        ("put-1m", 32, "PUT", f"/{BUCKET}/put", mib, "MiB/s"),
        ("stream", 1, "GET", f"/{BUCKET}/{object_key(256 * mib)}", 0, "MiB/s"),
        ("put-parts", 8, "PUT", f"/{BUCKET}/put?partNumber=1&uploadId=upload", 8 * mib, "MiB/s"),
        ("list", 1, "GET", f"/{BUCKET}?list-type=2&prefix={list_prefix(20_000)}", 0, "keys/s"),
    ]
    found = []
    for link in links:
        port = server.https_port if link == "tls" else server.http_port
        for workload, connections, method, path, body, unit in cases:
            load = [str(build("load", tls=bool(server.https_port))), str(port), link, str(connections), str(seconds)]
            before = server.stats()
            done = subprocess.run(
                [*load, method, path, str(body)],
                capture_output=True,
                text=True,
                check=True,
                preexec_fn=lambda: pin(0, cores),
            )
            after = server.stats()
            result = json.loads(done.stdout)
            elapsed = result["seconds"]
            scale = {"op/s": result["requests"], "MiB/s": result["bytes"] / mib, "keys/s": result["requests"] * 1000}
            found.append(
                Ceiling(
                    workload=workload,
                    link=link,
                    rate=scale[unit] / elapsed,
                    unit=unit,
                    server_busy=(after.cpu - before.cpu) / elapsed,
                )
            )
    return found


def busy_seconds(cores: Sequence[int]) -> float:
    """Processor time that everybody together, and the hypervisor, has taken from these cores."""
    wanted, total = {f"cpu{core}" for core in cores}, 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, steal = (int(fields[i]) for i in (0, 1, 2, 7))
            total += user + nice + system + steal
    return total / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    """The processor's name as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
