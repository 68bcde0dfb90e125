"""OpenStack Swift with one replica: its own API with TempAuth, and S3 through s3api, with real signatures."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import S3Endpoint, Server, free_ports
from tests.servers.swift_account import set_temp_url_key, v1_access

VERSION = "2.38.3"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftEndpoint(S3Endpoint):
    """The proxy server; ``url`` serves both APIs."""

    auth_url: str
    user: str
    key: str


class Swift(Server[SwiftEndpoint]):
    """A proxy, an account, a container and an object server, and memcached for the proxy's tokens."""

    name = "swift_s3"
    covers = "S3 on OpenStack Swift"
    endpoint_type = SwiftEndpoint
    packages = ("memcached",)
    needed = ("memcached",)
    requirements = (f"swift=={VERSION}", "keystonemiddleware")

    def launch(self, programs: Path) -> SwiftEndpoint:
        (url,) = self.run_cluster(programs, ("s3api tempauth", _TEMPAUTH))
        set_temp_url_key(*v1_access(f"{url}/auth/v1.0", "test:tester", "testing"))
        return SwiftEndpoint(
            server="OpenStack Swift",
            version=VERSION,
            url=url,
            access_key_id="test:tester",
            secret_access_key="testing",
            auth_url=f"{url}/auth/v1.0",
            user="test:tester",
            key="testing",
        )

    def run_cluster(self, programs: Path, *pipelines: tuple[str, str]) -> list[str]:
        """Start all servers, and a proxy for each of ``pipelines``: what it has in its middle, and the filters for it.

        Returns the proxies' URLs.
        """
        memcached, *ports = free_ports(4 + len(pipelines))
        storage, proxies = ports[:3], ports[3:]
        etc = self.directory / "etc"
        for path in (etc, self.directory / "srv" / "d1", self.directory / "recon"):
            path.mkdir(parents=True)
        (etc / "swift.conf").write_text(_SWIFT)
        for kind, port in zip(("object", "container", "account"), storage, strict=True):
            self._ring(programs, kind, port)
            (etc / f"{kind}-server.conf").write_text(self._storage(kind, port))
        self.spawn("memcached", "-l", "127.0.0.1", "-p", str(memcached), "-u", getpass.getuser(), "-m", "64")
        for kind in ("object", "container", "account"):
            self.spawn(str(programs / f"swift-{kind}-server"), str(etc / f"{kind}-server.conf"), "-v")
        for port, (auth, filters) in zip(proxies, pipelines, strict=True):
            configuration = etc / f"proxy-{port}.conf"
            configuration.write_text(self._proxy(port, memcached, _PROXY.replace("AUTH", auth) + filters))
            self.spawn(str(programs / "swift-proxy-server"), str(configuration), "-v")
        for port in ports:
            self.wait_for_http(f"http://127.0.0.1:{port}/healthcheck")
        return [f"http://127.0.0.1:{port}" for port in proxies]

    def _ring(self, programs: Path, kind: str, port: int) -> None:
        builder = (str(programs / "swift-ring-builder"), str(self.directory / "etc" / f"{kind}.builder"))
        self.run(*builder, "create", "4", "1", "1")
        self.run(*builder, "add", f"r1z1-127.0.0.1:{port}/d1", "1")
        self.run(*builder, "rebalance")

    def _default(self, port: int, name: str) -> str:
        return f"""\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {getpass.getuser()}
swift_dir = {self.directory}/etc
devices = {self.directory}/srv
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
log_level = WARNING
log_name = {name}
recon_cache_path = {self.directory}/recon
"""

    def _storage(self, kind: str, port: int) -> str:
        return f"""\
{self._default(port, f"swift-{kind}")}
[pipeline:main]
pipeline = healthcheck {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
{_PATIENT}[filter:healthcheck]
use = egg:swift#healthcheck
"""

    def _proxy(self, port: int, memcached: int, pipeline: str) -> str:
        return f"""\
{self._default(port, "swift-proxy")}
{pipeline}
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
"""


_PATIENT = """\
conn_timeout = 10
node_timeout = 60
container_update_timeout = 60
"""
"""A container that hears of an object too late would not list it: nobody catches up on that here."""

_SWIFT = """\
[swift-hash]
swift_hash_path_prefix = aiostore
swift_hash_path_suffix = aiostore
[storage-policy:0]
name = gold
default = yes
[swift-constraints]
max_file_size = 5368709122
"""

_TEMPAUTH = """\
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_tester2 = testing2 .admin
user_test2_tester = testing .admin
user_test_reader = reading
user_admin_admin = admin .admin .reseller_admin
storage_url_scheme = http
"""

_PROXY = """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache etag-quoter listing_formats bulk tempurl \
formpost AUTH staticweb copy container-quotas account-quotas slo dlo versioned_writes symlink \
proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
conn_timeout = 10
node_timeout = 60
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
check_bucket_owner = false
force_swift_request_proxy_log = false
allow_multipart_uploads = true
min_segment_size = 5242880
max_bucket_listing = 100
storage_domain = localhost
[filter:bulk]
use = egg:swift#bulk
delete_container_retry_count = 0
[filter:slo]
use = egg:swift#slo
allow_async_delete = false
rate_limit_after_segment = 10000
[filter:dlo]
use = egg:swift#dlo
rate_limit_after_segment = 10000
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:etag-quoter]
use = egg:swift#etag_quoter
enable_by_default = false
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:tempurl]
use = egg:swift#tempurl
allowed_digests = sha1 sha256 sha512
[filter:formpost]
use = egg:swift#formpost
allowed_digests = sha1 sha256 sha512
[filter:staticweb]
use = egg:swift#staticweb
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:symlink]
use = egg:swift#symlink
"""
