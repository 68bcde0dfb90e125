"""LocalStack's S3 alone: AWS's semantics (stored checksums, If-Match, conditional completion), signatures unchecked."""

from __future__ import annotations

from pathlib import Path

from tests.servers.server import S3Endpoint, Server, free_ports

VERSION = "4.9.2"


class LocalStack(Server[S3Endpoint]):
    """One Python process, its objects in files."""

    name = "localstack"
    covers = "S3 with AWS's checksums and conditions"
    endpoint_type = S3Endpoint
    # The newest line that runs on Python 3.11, with what it needs where newer releases broke it.
    requirements = (
        f"localstack-core[base-runtime]=={VERSION}",
        "cbor2<5.8",
        "pyopenssl==25.0.0",
        "cryptography<45",
        "service_identity<26",
    )

    def launch(self, programs: Path) -> S3Endpoint:
        (port,) = free_ports(1)
        files, temporary = self.directory / "files", self.directory / "tmp"
        files.mkdir()
        temporary.mkdir()
        settings = {
            "SERVICES": "s3",
            "STRICT_SERVICE_LOADING": "1",
            "EAGER_SERVICE_LOADING": "0",
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
            "S3_SKIP_SIGNATURE_VALIDATION": "0",
            "PERSISTENCE": "0",
            "LS_LOG": "warn",
            "FILESYSTEM_ROOT": str(files),
            "LOCALSTACK_VOLUME_DIR": str(files),
            "XDG_CACHE_HOME": str(files),
            "HOME": str(self.directory),
            "TMPDIR": str(temporary),
        }
        self.spawn(str(programs / "python"), "-m", "localstack.runtime.main", env=settings)
        self.wait_for_http(f"http://127.0.0.1:{port}/_localstack/health")
        return S3Endpoint(
            server="LocalStack",
            version=VERSION,
            url=f"http://127.0.0.1:{port}",
            access_key_id="test",
            secret_access_key="test",
        )
