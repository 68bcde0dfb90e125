"""Every server starts, says who it is, and what cannot be had is told rather than hidden."""

from __future__ import annotations

import dataclasses
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.servers import SERVERS
from tests.servers.ceph import Ceph, CephEndpoint
from tests.servers.install import NotInstalledError, ensure_packages
from tests.servers.nginx import Nginx, NginxEndpoint
from tests.servers.running import shared, variable
from tests.servers.server import Endpoint, S3Endpoint, Server, ServerStartError, free_ports
from tests.servers.swift import SwiftEndpoint


def status(url: str, ca_bundle: str | None = None) -> int:
    context = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else None
    try:
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_ceph_answers_with_and_without_tls(ceph: CephEndpoint) -> None:
    assert status(ceph.url) == 200
    assert status(ceph.https_url, ceph.ca_bundle) == 200
    assert status(f"{ceph.url}/no-such-bucket") == 404


def test_localstack_answers(localstack: S3Endpoint) -> None:
    assert status(f"{localstack.url}/_localstack/health") == 200


def test_swift_answers_and_refuses_strangers(swift_s3: SwiftEndpoint) -> None:
    assert status(f"{swift_s3.url}/healthcheck") == 200
    assert status(swift_s3.auth_url) == 401


def test_nginx_serves_its_root_with_and_without_tls(nginx: NginxEndpoint) -> None:
    Path(nginx.root, "hello.txt").write_text("hello")
    assert status(f"{nginx.url}/hello.txt") == 200
    assert status(f"{nginx.https_url}/hello.txt", nginx.ca_bundle) == 200
    assert status(f"{nginx.url}/auth/hello.txt") == 401
    assert status(f"{nginx.url}/503") == 503


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: str(kind.name))
def test_a_running_server_is_taken_from_the_environment(
    kind: type[Server[Endpoint]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endpoint = kind.endpoint_type(**{field.name: "value" for field in dataclasses.fields(kind.endpoint_type)})
    state = tmp_path / "state.json"
    state.write_text(json.dumps(dataclasses.asdict(endpoint)))
    for value in (state.read_text(), str(state)):
        monkeypatch.setenv(variable(kind), value)
        assert shared(kind) == endpoint
    monkeypatch.setenv(variable(kind), "")
    assert shared(kind) is None


def test_what_cannot_be_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.install.may_install_packages", lambda: False)
    with pytest.raises(NotInstalledError, match=r"apt-get install .* no-such-package"):
        ensure_packages(("no-such-package",), ("no-such-program",))


WITHOUT_NGINX = """
from __future__ import annotations

from tests.servers import install, running
from tests.servers.nginx import Nginx

Nginx.needed = ("no-such-program",)
install.may_install_packages = running.may_install_packages = lambda: False


def test_something(nginx):
    pass
"""


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "errors")])
def test_a_missing_server_is_told_at_the_end_and_fails_in_continuous_integration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv(variable(Nginx), raising=False)
    file = pytester.makepyfile(WITHOUT_NGINX)
    settings = ("-c", str(pytestconfig.inipath), "--rootdir", str(pytester.path), "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*settings, "-p", "tests.servers.fixtures", file)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["nginx: HTTP and TLS against nginx goes untested: *apt-get install*nginx-full*"])


def test_a_server_that_ends_at_once_fails_with_its_output() -> None:
    class Broken(Server[Endpoint]):
        name, covers, endpoint_type = "broken", "nothing", Endpoint

        def launch(self, programs: Path) -> Endpoint:
            self.spawn("sh", "-c", "echo out of order; exit 3")
            self.wait_for_http(f"http://127.0.0.1:{free_ports(1)[0]}")
            raise AssertionError

    server = Broken()
    with pytest.raises(ServerStartError, match=r"(?s)ended with 3.*out of order"):
        server.start()
    assert not server.directory.exists()


def test_stopping_leaves_no_process_and_no_file() -> None:
    before = _processes()
    with Ceph() as server:
        server.start()
        assert server.directory.exists()
        assert _processes() - before
    assert not server.directory.exists()
    assert not _processes() - before


def _processes() -> set[str]:
    """This process's descendants that are alive."""
    listed = subprocess.run(
        ("ps", "-o", "pid=,stat=,args=", "--ppid", str(os.getpid())), check=True, capture_output=True, text=True
    )
    return {line for line in listed.stdout.splitlines() if "ps -o" not in line}
