"""Azurite: Microsoft's emulator of the Blob service, over HTTP and over HTTPS, where it takes tokens of Entra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.servers import install, tls
from tests.servers.server import Endpoint, Server, free_ports, listens

VERSION = "3.35.0"
"""The last one for Node.js 20; it knows the service's versions up to 2025-11-05."""

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True, kw_only=True)
class AzuriteEndpoint(Endpoint):
    """Two Blob services that share nothing: ``url`` takes keys and SAS tokens, ``https_url`` tokens of Entra too."""

    url: str
    https_url: str
    ca_bundle: str
    account: str
    key: str


class Azurite(Server[AzuriteEndpoint]):
    """Two Node.js processes, their objects in memory."""

    name = "azurite"
    covers = "Azure Blob Storage"
    endpoint_type = AzuriteEndpoint
    packages = ("nodejs", "npm", "openssl")
    needed = ("node", "npm", "openssl")

    @classmethod
    def install(cls) -> Path:
        super().install()
        return install.ensure_node_package("azurite", VERSION)

    def launch(self, programs: Path) -> AzuriteEndpoint:
        http, https = free_ports(2)
        certificate = tls.issue(self.directory / "tls")
        secure = ("--cert", str(certificate.certificate), "--key", str(certificate.key), "--oauth", "basic")
        for port, options in ((http, ()), (https, secure)):
            self.spawn(
                *("node", str(programs / "azurite-blob"), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--silent", "--disableTelemetry", "--inMemoryPersistence", *options),
            )
        for port in (http, https):
            self.wait_until(partial(listens, port), f"a listener on port {port}")
        return AzuriteEndpoint(
            server="Azurite",
            version=VERSION,
            url=f"http://127.0.0.1:{http}/{ACCOUNT}",
            https_url=f"https://127.0.0.1:{https}/{ACCOUNT}",
            ca_bundle=str(certificate.authority),
            account=ACCOUNT,
            key=KEY,
        )
