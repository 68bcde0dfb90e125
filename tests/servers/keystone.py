"""OpenStack Keystone with a Swift behind it: passwords, application credentials, and tokens that really end.

Tokens live for `TOKEN_LIFETIME` seconds. The catalogue has two regions, which are two proxies of one cluster: that of
`REGION` remembers for a while that a token is valid, the one of `STRICT_REGION` asks Keystone every time, so that a
token that was revoked is refused at once.
"""

from __future__ import annotations

import getpass
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.server import Endpoint, Server, free_ports
from tests.servers.swift import Swift
from tests.servers.swift_account import set_temp_url_key

VERSION = "30.0.0"

TOKEN_LIFETIME = 15
"""Seconds; a driver renews tokens after three quarters of it."""

REGION = "RegionOne"
STRICT_REGION = "RegionTwo"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneEndpoint(Endpoint):
    """A user with a project. ``admin_user`` may revoke the tokens of others."""

    auth_url: str
    user: str
    password: str
    project: str
    region: str
    admin_user: str
    admin_password: str


class Keystone(Server[KeystoneEndpoint]):
    """Keystone over SQLite, and a cluster of Swift whose proxy asks it."""

    name = "keystone"
    covers = "Swift with Keystone's tokens"
    endpoint_type = KeystoneEndpoint
    requirements = (f"keystone=={VERSION}", "gunicorn")

    def launch(self, programs: Path) -> KeystoneEndpoint:
        swift_programs = Swift.install()
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}/v3"
        self._start(programs, port, url)
        self._swift = swift = Swift()
        storages = swift.run_cluster(
            swift_programs,
            *(("authtoken keystoneauth", _FILTERS.format(url=url, remembered=seconds)) for seconds in (300, -1)),
        )
        admin = Identity(url, "admin", "adminpass", "admin")
        _fill(admin, dict(zip((REGION, STRICT_REGION), storages, strict=True)))
        demo = Identity(url, "demo", "demopass", "demo")
        set_temp_url_key(demo.token, f"{storages[0]}/v1/AUTH_{demo.project_id}")
        return KeystoneEndpoint(
            server="OpenStack Keystone and Swift",
            version=VERSION,
            auth_url=url,
            user="demo",
            password="demopass",
            project="demo",
            region=REGION,
            admin_user="admin",
            admin_password="adminpass",
        )

    def stop(self, *, keep_logs: bool = False) -> None:
        """End Keystone and Swift."""
        swift = getattr(self, "_swift", None)
        if swift is not None:
            swift.stop()
        super().stop(keep_logs=keep_logs)

    def _start(self, programs: Path, port: int, url: str) -> None:
        configuration = self.directory / "keystone.conf"
        for name in ("fernet", "credential"):
            (self.directory / name).mkdir(mode=0o700)
        configuration.write_text(_KEYSTONE.format(directory=self.directory, lifetime=TOKEN_LIFETIME))
        manage = (str(programs / "keystone-manage"), "--config-file", str(configuration))
        who = ("--keystone-user", getpass.getuser(), "--keystone-group", getpass.getuser())
        self.run(*manage, "db_sync")
        self.run(*manage, "fernet_setup", *who)
        self.run(*manage, "credential_setup", *who)
        urls = (option for kind in ("public", "internal", "admin") for option in (f"--bootstrap-{kind}-url", url))
        self.run(*manage, "bootstrap", "--bootstrap-password", "adminpass", "--bootstrap-region-id", REGION, *urls)
        # Keystone parses the command line itself, so gunicorn's options are in a file that the environment names.
        options = self.directory / "gunicorn.conf.py"
        options.write_text(
            f"wsgi_app = 'keystone.wsgi.api:application'\nbind = '127.0.0.1:{port}'\n"
            "workers = 1\nworker_class = 'gthread'\nthreads = 4\n"
        )
        environment = {
            "OS_KEYSTONE_CONFIG_DIR": str(self.directory),
            "OS_KEYSTONE_CONFIG_FILES": "keystone.conf",
            "GUNICORN_CMD_ARGS": f"-c {options}",
        }
        self.spawn(str(programs / "gunicorn"), env=environment)
        self.wait_for_http(url)


class Identity:
    """A user of Keystone's own API, as an administrator's tool is one."""

    def __init__(self, url: str, user: str, password: str, project: str) -> None:
        self.url = url
        domain = {"id": "default"}
        request = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "domain": domain, "password": password}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        headers, answer = self._send("POST", "/auth/tokens", request, None)
        self.token = headers["X-Subject-Token"]
        self.user_id: str = answer["token"]["user"]["id"]
        self.project_id: str = answer["token"]["project"]["id"]

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send a request with the token; returns what the answer's JSON says."""
        return self._send(method, path, body, self.token, headers)[1]

    def _send(
        self, method: str, path: str, body: object, token: str | None, headers: Mapping[str, str] | None = None
    ) -> tuple[Mapping[str, str], Any]:
        sent = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {}), **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            text = answer.read()
            return answer.headers, json.loads(text) if text else None


def _fill(admin: Identity, storages: Mapping[str, str]) -> None:
    """Make the users, their projects and roles, and the catalogue."""
    roles = {role["name"]: role["id"] for role in admin.call("GET", "/roles")["roles"]}

    def make(kind: str, **values: object) -> str:
        made: str = admin.call("POST", f"/{kind}s", {kind: values})[kind]["id"]
        return made

    for name, password, project_name, wanted in (
        ("swift", "swiftpass", "service", ("admin", "service")),
        ("demo", "demopass", "demo", ("member",)),
    ):
        project = make("project", name=project_name, domain_id="default")
        user = make("user", name=name, password=password, domain_id="default")
        for role in wanted:
            if role in roles:
                admin.call("PUT", f"/projects/{project}/users/{user}/roles/{roles[role]}")
    service = make("service", type="object-store", name="swift")
    admin.call("POST", "/regions", {"region": {"id": STRICT_REGION}})
    for region, storage in storages.items():
        for interface in ("public", "internal", "admin"):
            url = f"{storage}/v1/AUTH_$(project_id)s"
            make("endpoint", service_id=service, interface=interface, region_id=region, url=url)


_KEYSTONE = """\
[DEFAULT]
log_dir = {directory}/log
[database]
connection = sqlite:///{directory}/keystone.db
[token]
provider = fernet
expiration = {lifetime}
[fernet_tokens]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
"""

_FILTERS = """\
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_plugin = password
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = swift
password = swiftpass
delay_auth_decision = True
cache = swift.cache
token_cache_time = {remembered}
include_service_catalog = False
service_token_roles_required = True
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
reseller_prefix = AUTH
"""
