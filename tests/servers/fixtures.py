"""Servers as session fixtures, started when the first test asks, and the closing table of what ran against what."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import pytest

from tests.servers import SERVERS
from tests.servers.apache import Apache, ApacheEndpoint
from tests.servers.azurite import Azurite, AzuriteEndpoint
from tests.servers.ceph import Ceph, CephEndpoint
from tests.servers.fake_gcs import FakeGCS, GCSEndpoint
from tests.servers.gcs import GCS, StrictGCSEndpoint
from tests.servers.install import NotInstalledError
from tests.servers.keystone import Keystone, KeystoneEndpoint
from tests.servers.localstack import LocalStack
from tests.servers.nginx import Nginx, NginxEndpoint
from tests.servers.oss import OSS, OSSEndpoint
from tests.servers.running import required, shared, variable
from tests.servers.server import Endpoint, S3Endpoint, Server, ServerStartError
from tests.servers.swift import Swift, SwiftEndpoint

E = TypeVar("E", bound=Endpoint)

NO_SERVER = "no server"


@dataclass(slots=True)
class Row:
    """One server's line in the closing table."""

    title: str
    outcomes: Counter[str] = field(default_factory=Counter)
    trouble: str = ""
    logs: str = ""


ROWS = pytest.StashKey[dict[str, Row]]()


@pytest.fixture(scope="session")
def ceph(request: pytest.FixtureRequest) -> Iterator[CephEndpoint]:
    """Ceph's RADOS Gateway."""
    yield from _provide(Ceph, request)


@pytest.fixture(scope="session")
def localstack(request: pytest.FixtureRequest) -> Iterator[S3Endpoint]:
    """LocalStack's S3."""
    yield from _provide(LocalStack, request)


@pytest.fixture(scope="session")
def swift_s3(request: pytest.FixtureRequest) -> Iterator[SwiftEndpoint]:
    """Swift's s3api."""
    yield from _provide(Swift, request)


@pytest.fixture(scope="session")
def keystone(request: pytest.FixtureRequest) -> Iterator[KeystoneEndpoint]:
    """Keystone, and Swift behind it."""
    yield from _provide(Keystone, request)


@pytest.fixture(scope="session")
def nginx(request: pytest.FixtureRequest) -> Iterator[NginxEndpoint]:
    """nginx serving a directory."""
    yield from _provide(Nginx, request)


@pytest.fixture(scope="session")
def apache(request: pytest.FixtureRequest) -> Iterator[ApacheEndpoint]:
    """Apache serving a directory."""
    yield from _provide(Apache, request)


@pytest.fixture(scope="session")
def gcs(request: pytest.FixtureRequest) -> Iterator[StrictGCSEndpoint]:
    """Google Cloud Storage as its documents describe it."""
    yield from _provide(GCS, request)


@pytest.fixture(scope="session")
def fake_gcs(request: pytest.FixtureRequest) -> Iterator[GCSEndpoint]:
    """fake-gcs-server."""
    yield from _provide(FakeGCS, request)


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> Iterator[AzuriteEndpoint]:
    """Azurite."""
    yield from _provide(Azurite, request)


@pytest.fixture(scope="session")
def oss(request: pytest.FixtureRequest) -> Iterator[OSSEndpoint]:
    """Alibaba Cloud OSS as its documents describe it."""
    yield from _provide(OSS, request)


def _provide(kind: type[Server[E]], request: pytest.FixtureRequest) -> Iterator[E]:
    row = request.config.stash[ROWS][kind.name]
    running = shared(kind)
    if running is not None:
        row.title = f"{running.server} {running.version} ({variable(kind)})"
        yield running
        return
    server = kind()
    try:
        endpoint = server.start()
    except (NotInstalledError, ServerStartError) as error:
        _give_up(row, f"{kind.covers} goes untested: {error}")
    row.title = f"{endpoint.server} {endpoint.version}"
    try:
        yield endpoint
    finally:
        failed = row.outcomes["failed"] > 0
        row.logs = f"kept in {server.logs}\n{server.tail(lines=10)}" if failed else ""
        server.stop(keep_logs=failed)


def _give_up(row: Row, reason: str) -> NoReturn:
    row.trouble = reason
    if required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    rows = {kind.name: Row(kind.name) for kind in SERVERS}
    config.stash[ROWS] = {**rows, NO_SERVER: Row(NO_SERVER)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or not report.passed:
        rows = item.config.stash[ROWS]
        for name in _servers_of(item) or [NO_SERVER]:
            rows[name].outcomes[report.outcome] += 1
    return report


def _servers_of(item: pytest.Item) -> list[str]:
    asked = set(getattr(item, "fixturenames", ()))
    # Fixtures that were asked for while the test ran, by request.getfixturevalue().
    asked |= set(getattr(getattr(item, "_request", None), "_fixture_defs", ()))
    return [kind.name for kind in SERVERS if kind.name in asked]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand over what ran here."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        rows = session.config.stash[ROWS].values()
        output["servers"] = [{**dataclasses.asdict(row), "outcomes": dict(row.outcomes)} for row in rows]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what ran in a worker to what ran in the others. One that crashed hands over nothing."""
    rows = node.config.stash[ROWS]
    for name, theirs in zip(rows, getattr(node, "workeroutput", {}).get("servers", ()), strict=False):
        row = rows[name]
        if theirs["outcomes"]:
            row.title = theirs["title"]
        row.outcomes.update(theirs["outcomes"])
        row.trouble = row.trouble or theirs["trouble"]
        row.logs = "\n".join(filter(None, (row.logs, theirs["logs"])))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    used = [row for row in config.stash[ROWS].values() if row.outcomes]
    if not used:
        return
    terminalreporter.section("what ran against what")
    width = max(len(row.title) for row in used)
    for row in used:
        counts = ", ".join(f"{row.outcomes[name]} {name}" for name in ("passed", "failed", "skipped"))
        terminalreporter.write_line(f"{row.title:{width}}  {counts}")
    for row in used:
        if row.trouble:
            terminalreporter.write_line(f"{row.title}: {row.trouble}", yellow=True)
        if row.logs:
            terminalreporter.section(f"logs of {row.title}", sep="-")
            terminalreporter.write_line(row.logs)
