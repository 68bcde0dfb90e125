"""The server in :mod:`tests.servers.gcs_server` as a process of its own."""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from aiostore.drivers.gcs_signing import load_key
from tests.servers.server import Endpoint, Server, free_ports

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictGCSEndpoint(Endpoint):
    """A server that speaks Google Cloud Storage's APIs, and the key of the service account that it knows."""

    url: str
    account: dict[str, str] = field(repr=False)
    project: str = "test-project"

    def token(self) -> str:
        """A token of the service account."""
        now = int(time.time())
        claims = {
            "iss": self.account["client_email"],
            "aud": self.account["token_uri"],
            "iat": now,
            "exp": now + 3600,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
        }
        assertion = jwt.encode(claims, load_key(self.account["private_key"]), algorithm="RS256")
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        with urllib.request.urlopen(self.account["token_uri"], urllib.parse.urlencode(grant).encode()) as answer:
            return str(json.load(answer)["access_token"])

    def asked(self) -> dict[str, list[str]]:
        """The clients that have asked for each route since this was called, by the first word of their User-Agent."""
        with urllib.request.urlopen(f"{self.url}/_tests?forget") as answer:
            content = json.load(answer)
        routes: dict[str, list[str]] = content["asked"]
        return routes


class GCS(Server[StrictGCSEndpoint]):
    """One Python process, its objects in memory."""

    name = "gcs"
    covers = "Google Cloud Storage as its documents describe it"
    endpoint_type = StrictGCSEndpoint

    def launch(self, programs: Path) -> StrictGCSEndpoint:
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        self.spawn(sys.executable, "-m", "tests.servers.gcs_server", str(port), cwd=ROOT)
        self.wait_for_http(f"{url}/_tests")
        with urllib.request.urlopen(f"{url}/_tests") as answer:
            account = json.load(answer)["account"]
        return StrictGCSEndpoint(server="gcs_server", version="as documented", url=url, account=account)
