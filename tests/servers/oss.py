"""The server in :mod:`tests.servers.oss_server` as a process of its own."""

from __future__ import annotations

import json
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.servers.oss_server.signatures import ACCOUNTS, REGION
from tests.servers.server import Endpoint, Server, free_ports

ROOT = Path(__file__).parents[2]
ACCESS_KEY, TEMPORARY_KEY = ACCOUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class OSSEndpoint(Endpoint):
    """A server that speaks OSS, a permanent key and a temporary one."""

    url: str
    region: str = REGION
    access_key_id: str = ACCESS_KEY
    access_key_secret: str = ACCOUNTS[ACCESS_KEY].secret
    temporary_key_id: str = TEMPORARY_KEY
    temporary_key_secret: str = ACCOUNTS[TEMPORARY_KEY].secret
    security_token: str = str(ACCOUNTS[TEMPORARY_KEY].token)

    def asked(self) -> dict[str, list[str]]:
        """The clients that have asked for each operation, by the first word of their User-Agent."""
        with urllib.request.urlopen(f"{self.url}/_tests") as answer:
            routes: dict[str, list[str]] = json.load(answer)["asked"]
        return routes


class OSS(Server[OSSEndpoint]):
    """One Python process, its objects in memory."""

    name = "oss"
    covers = "Alibaba Cloud OSS as its documents describe it"
    endpoint_type = OSSEndpoint

    def launch(self, programs: Path) -> OSSEndpoint:
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        self.spawn(sys.executable, "-m", "tests.servers.oss_server", str(port), cwd=ROOT)
        self.wait_for_http(f"{url}/_tests")
        return OSSEndpoint(server="oss_server", version="as documented", url=url)
