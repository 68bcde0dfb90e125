"""Ceph's RADOS Gateway on a one-node cluster in memory: S3 with real signatures, STS, TLS, and Swift's v1 API.

``http://localhost:PORT`` also serves buckets as host names (``BUCKET.localhost``).
"""

from __future__ import annotations

import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.servers import tls
from tests.servers.server import S3Endpoint, Server, ServerStartError, free_ports
from tests.servers.swift_account import set_temp_url_key, v1_access

ACCESS_KEY_ID = "testaccess0123456789"
SECRET_ACCESS_KEY = "testsecret0123456789abcdefghijklmnopqrst"
SWIFT_KEY = "swiftsecret"


@dataclass(frozen=True, slots=True, kw_only=True)
class CephEndpoint(S3Endpoint):
    """The gateway; ``sts`` requests go to ``url`` too."""

    virtual_host_url: str
    https_url: str
    ca_bundle: str
    swift_auth_url: str
    swift_user: str
    swift_key: str


class Ceph(Server[CephEndpoint]):
    """A monitor, one in-memory storage daemon and the gateway."""

    name = "ceph"
    covers = "S3 on a gateway that checks signatures"
    endpoint_type = CephEndpoint
    packages = ("ceph-mon", "ceph-osd", "radosgw", "openssl")
    needed = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph", "openssl")

    # Its data lives in memory, and a storage daemon takes long to say farewell to a monitor that has gone.
    stop_signal = signal.SIGKILL

    def launch(self, programs: Path) -> CephEndpoint:
        http, https, monitor = free_ports(3)
        certificate = tls.issue(self.directory / "tls")
        for name in ("mon", "osd", "run"):
            (self.directory / name).mkdir()
        cluster = str(uuid.uuid4())
        configuration = self.directory / "ceph.conf"
        configuration.write_text(_configuration(self.directory, cluster, http, https, monitor, certificate))
        self._env = {"CEPH_CONF": str(configuration)}

        self._start_monitor(cluster, monitor)
        self._start_storage()
        self.spawn("radosgw", "-f", "-n", "client.rgw", env=self._env)
        self.wait_for_http(f"http://127.0.0.1:{http}/")
        self._create_user()
        set_temp_url_key(*v1_access(f"http://127.0.0.1:{http}/auth/v1.0", "tester:swift", SWIFT_KEY))
        version = self.run("ceph", "--version").split()[2]
        return CephEndpoint(
            server="Ceph RADOS Gateway",
            version=version,
            url=f"http://127.0.0.1:{http}",
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
            virtual_host_url=f"http://localhost:{http}",
            https_url=f"https://localhost:{https}",
            ca_bundle=str(certificate.authority),
            swift_auth_url=f"http://127.0.0.1:{http}/auth/v1.0",
            swift_user="tester:swift",
            swift_key=SWIFT_KEY,
        )

    def _start_monitor(self, cluster: str, port: int) -> None:
        address = f"[v1:127.0.0.1:{port}]"
        self.run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, "monmap")
        self.run("ceph-mon", "-i", "a", "--mkfs", "--monmap", "monmap", "--keyring", "/dev/null", env=self._env)
        self.spawn("ceph-mon", "-f", "-i", "a", env=self._env)
        self._ceph("status")

    def _start_storage(self) -> None:
        identity = str(uuid.uuid4())
        self._ceph("osd", "new", identity)
        self._ceph("osd", "crush", "add", "osd.0", "1", "root=default", "host=localhost")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity, env=self._env)
        self.spawn("ceph-osd", "-f", "-i", "0", env=self._env)
        self.wait_until(lambda: "1 up" in self._ceph("osd", "stat"), "the storage daemon")

    def _create_user(self) -> None:
        admin = ("radosgw-admin", "-n", "client.rgw")
        keys = (f"--access-key={ACCESS_KEY_ID}", f"--secret={SECRET_ACCESS_KEY}", "--caps=roles=*;users=*")
        self.run(*admin, "user", "create", "--uid=tester", "--display-name=Tester", *keys, env=self._env)
        swift = ("--subuser=tester:swift", "--access=full", "--key-type=swift", f"--secret={SWIFT_KEY}")
        self.run(*admin, "subuser", "create", "--uid=tester", *swift, env=self._env)

    def _ceph(self, *arguments: str) -> str:
        """Ask the monitor; repeated on failure, for it may take a new client for a stranger's."""
        answers: list[str] = []

        def answered() -> bool:
            try:
                answers.append(self.run("ceph", "--connect-timeout", "20", *arguments, env=self._env))
            except ServerStartError as error:
                if "problem getting command descriptions" not in str(error):
                    raise
            return bool(answers)

        self.wait_until(answered, f"`ceph {' '.join(arguments)}`")
        return answers[0]


def _configuration(
    directory: Path, cluster: str, http: int, https: int, monitor: int, certificate: tls.Certificate
) -> str:
    # tcp_nodelay: without it every request takes 40 ms. auth order: with the default one a wrong key answers
    # AccessDenied instead of InvalidAccessKeyId.
    frontend = (
        f"endpoint=127.0.0.1:{http} ssl_endpoint=127.0.0.1:{https} "
        f"ssl_certificate={certificate.certificate} ssl_private_key={certificate.key} tcp_nodelay=1"
    )
    return f"""\
[global]
fsid = {cluster}
mon host = v1:127.0.0.1:{monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = {directory}/run
admin socket = {directory}/run/$cluster-$name.asok
log file = {directory}/log/$name.log
pid file = {directory}/run/$name.pid
keyring = /dev/null
setuser match path =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 4000
mon data avail crit = 1
mon data avail warn = 1
ms bind msgr2 = false
[mon]
mon initial members = a
mon cluster log file = {directory}/log/cluster.log
mon pg warn min per osd = 0
paxos propose interval = 0.05
[mon.a]
mon data = {directory}/mon
host = localhost
[osd]
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
osd op num shards = 2
osd memory target = 939524096
osd crush update on start = false
osd class update on start = false
[client]
rgw frontends = beast {frontend}
rgw thread pool size = 64
rgw num rados handles = 1
rgw dns name = localhost
rgw enable usage log = false
rgw enable gc threads = true
rgw gc obj min wait = 5
rgw gc processor period = 10
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
rgw s3 auth order = local, sts
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw swift account in url = true
rgw swift url = http://127.0.0.1:{http}
rgw swift enforce content length = true
rgw log nonexistent bucket = false
rgw multipart min part size = 5242880
"""
