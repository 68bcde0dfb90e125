"""The places that the command is run on, and a tree of files to put there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.servers.ceph import CephEndpoint
from tests.servers.swift import SwiftEndpoint


@pytest.fixture(params=["ceph", "local", "swift"])
def shell(request: pytest.FixtureRequest) -> Shell:
    """The command on the real S3 server, a local directory, and Swift."""
    made: Shell = request.getfixturevalue(f"{request.param}_shell")
    return made


@pytest.fixture
def local_shell(tmp_path: Path) -> Shell:
    (tmp_path / "store").mkdir()
    return Shell(base=f"{tmp_path}/store/")


@pytest.fixture
def ceph_shell(ceph: CephEndpoint) -> Iterator[Shell]:
    environment = {
        "AWS_ENDPOINT_URL": ceph.url,
        "AWS_ACCESS_KEY_ID": ceph.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ceph.secret_access_key,
        "AWS_REGION": ceph.region,
    }
    yield from _bucket(Shell(base=f"s3://command-{secrets.token_hex(6)}/", environment=environment))


@pytest.fixture
def swift_shell(swift_s3: SwiftEndpoint) -> Iterator[Shell]:
    environment = {"ST_AUTH": swift_s3.auth_url, "ST_USER": swift_s3.user, "ST_KEY": swift_s3.key}
    yield from _bucket(Shell(base=f"swift://command-{secrets.token_hex(6)}/", environment=environment))


def _bucket(shell: Shell) -> Iterator[Shell]:
    shell.within("mb", shell.base)
    yield shell
    shell.within("rb", "--force", shell.base)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, data in {"a.txt": b"hello\n", "sub/b é.bin": bytes(range(256)) * 40, "sub/deep/c": b""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root
