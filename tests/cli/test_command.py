"""The ``aiostore`` command as a person or a script uses it: a process of its own, on real services and directories."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.ceph import CephEndpoint
from tests.servers.swift import SwiftEndpoint


@dataclass(kw_only=True)
class Shell:
    """Runs the command. ``base`` is an empty place with a slash at its end."""

    base: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "aiostore", *arguments],
            check=False,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=120,
            env={**os.environ, **self.environment},
        )

    def __call__(self, *arguments: str, input: bytes | None = None) -> str:
        result = self.run(*arguments, input=input)
        assert (result.returncode, result.stderr) == (0, b""), result.stderr.decode()
        return result.stdout.decode()

    def fails(self, *arguments: str, code: int = 1) -> str:
        """The one line on standard error."""
        result = self.run(*arguments)
        assert result.returncode == code, result
        assert b"Traceback" not in result.stderr
        return result.stderr.decode()


@pytest.fixture(params=["ceph", "local", "swift"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    name = f"command-{secrets.token_hex(6)}"
    if request.param == "local":
        (tmp_path / "store").mkdir()
        yield Shell(base=f"{tmp_path}/store/")
        return
    if request.param == "ceph":
        ceph: CephEndpoint = request.getfixturevalue("ceph")
        shell = Shell(
            base=f"s3://{name}/",
            environment={
                "AWS_ENDPOINT_URL": ceph.url,
                "AWS_ACCESS_KEY_ID": ceph.access_key_id,
                "AWS_SECRET_ACCESS_KEY": ceph.secret_access_key,
                "AWS_REGION": ceph.region,
            },
        )
    else:
        swift: SwiftEndpoint = request.getfixturevalue("swift_s3")
        shell = Shell(
            base=f"swift://{name}/",
            environment={"ST_AUTH": swift.auth_url, "ST_USER": swift.user, "ST_KEY": swift.key},
        )
    shell("mb", shell.base)
    yield shell
    shell("rb", "--force", shell.base)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, data in {"a.txt": b"hello\n", "sub/b é.bin": bytes(range(256)) * 40, "sub/deep/c": b""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_tree_goes_there_and_back(shell: Shell, tree: Path, tmp_path: Path) -> None:
    shell("cp", "-r", str(tree), shell.base + "copy")
    assert shell("ls", "-r", shell.base + "copy").splitlines() == [
        f"{shell.base}copy/{name}" for name in ("a.txt", "sub/b é.bin", "sub/deep/c")
    ]
    assert shell("ls", shell.base + "copy").splitlines() == [f"{shell.base}copy/sub/", f"{shell.base}copy/a.txt"]
    assert shell("verify", str(tree), shell.base + "copy") == ""
    shell("cp", "-r", "-p", "2", shell.base + "copy", str(tmp_path / "back"))
    assert files(tmp_path / "back") == files(tree)
    assert shell("du", "-s", shell.base + "copy").split("\t")[0] == str(6 + 256 * 40)


def test_one_object_is_written_read_described_moved_and_deleted(shell: Shell, tmp_path: Path) -> None:
    path = shell.base + "dir/object.txt"
    shell("cp", "-", path, input=b"0123456789")
    assert shell("cat", path) == "0123456789"
    assert shell("cat", "-r", "2-4", path) == "234"
    assert shell("cat", "-r", "-3", path) == "789"
    assert shell("cp", path, "-") == "0123456789"
    described = json.loads(shell("head", "--json", path))
    assert (described["path"], described["size"]) == (path, 10)
    assert json.loads(shell("stat", "--json", path))["kind"] == "file"
    assert json.loads(shell("ls", "--json", path))["size"] == 10
    shell("mv", path, shell.base + "moved.txt")
    assert "object.txt" in shell.fails("cat", path)
    shell("cp", shell.base + "moved.txt", str(tmp_path / "local.txt"))
    assert (tmp_path / "local.txt").read_bytes() == b"0123456789"
    shell("touch", shell.base + "new", shell.base + "moved.txt")
    assert (shell("cat", shell.base + "new"), shell("cat", shell.base + "moved.txt")) == ("", "0123456789")
    assert shell("rm", "--dry-run", shell.base + "new").strip() == shell.base + "new"
    shell("rm", shell.base + "new", shell.base + "moved.txt")
    assert shell("ls", "-r", shell.base) == ""


def test_patterns_and_lists_choose_sources(shell: Shell, tree: Path, tmp_path: Path) -> None:
    for name in "abc":
        shell("cp", "-", f"{shell.base}x{name}", input=name.encode())
    assert shell("ls", "-e", shell.base + "x[ab]").splitlines() == [shell.base + "xa", shell.base + "xb"]
    (tmp_path / "target").mkdir()
    shell("cp", shell.base + "x[bc]", str(tmp_path / "target"))
    assert files(tmp_path / "target") == {"xb": b"b", "xc": b"c"}
    shell("cp", "--files-from", "-", shell.base + "into/", input=f"{tree}/a.txt\n{shell.base}xa\n".encode())
    assert shell("ls", shell.base + "into").splitlines() == [shell.base + "into/a.txt", shell.base + "into/xa"]
    shell("rm", "-r", shell.base + "into", shell.base + "x*")
    assert shell("ls", "-r", shell.base) == ""


def test_moving_something_onto_itself_loses_nothing(shell: Shell) -> None:
    shell("cp", "-", shell.base + "key", input=b"value")
    shell.run("mv", shell.base + "key", shell.base + "key")
    assert shell("cat", shell.base + "key") == "value"


def test_a_name_that_looks_like_a_pattern_is_its_own_object_first(shell: Shell) -> None:
    for name in ("a[1]", "a1"):
        shell("cp", "-", shell.base + name, input=name.encode())
    shell("rm", shell.base + "a[1]")
    assert shell("ls", "-r", shell.base).splitlines() == [shell.base + "a1"]


def test_a_sync_makes_both_places_equal(shell: Shell, tree: Path) -> None:
    target = shell.base + "synced"
    assert "copy     a.txt" in shell("sync", "--dry-run", str(tree), target)
    first = json.loads(shell("sync", "--json", str(tree), target))
    assert (first["copied"], first["failed"]) == (3, 0)
    (tree / "a.txt").write_bytes(b"changed and longer\n")
    (tree / "sub/deep/c").unlink()
    second = json.loads(shell("sync", "--json", "--delete", "--checksum", str(tree), target))
    assert (second["replaced"], second["skipped"], second["deleted"]) == (1, 1, 1)
    assert shell("verify", str(tree), target) == ""
    (tree / "a.txt").write_bytes(b"changed and LONGER\n")
    result = shell.run("verify", str(tree), target)
    assert (result.returncode, b"a.txt" in result.stdout) == (1, True)


def test_what_exists_is_not_replaced_with_if_absent(shell: Shell) -> None:
    shell("cp", "-", shell.base + "key", input=b"first")
    assert "key" in shell.fails("cp", "--if-absent", sys.executable, shell.base + "key")
    assert shell("cat", shell.base + "key") == "first"


def test_errors_are_one_line_that_says_what_is_wrong(shell: Shell) -> None:
    for arguments in (
        ("cat", shell.base + "missing"),
        ("ls", shell.base + "missing"),
        ("rm", "-r", shell.base + "missing/"),
        ("cp", "-r", shell.base + "missing/", shell.base + "elsewhere/"),
        ("cp", shell.base + "missing*", shell.base + "elsewhere/"),
    ):
        line = shell.fails(*arguments)
        assert line.count("\n") == 1, line
        assert line.startswith("aiostore: ")
        assert "missing" in line


def test_compressed_objects_are_decoded_where_they_are_read(ceph: CephEndpoint, tmp_path: Path) -> None:
    shell = Shell(
        base=f"s3://command-{secrets.token_hex(6)}/",
        environment={
            "AWS_ENDPOINT_URL": ceph.url, "AWS_ACCESS_KEY_ID": ceph.access_key_id,
            "AWS_SECRET_ACCESS_KEY": ceph.secret_access_key, "AWS_REGION": ceph.region,
        },
    )  # fmt: skip
    shell("mb", shell.base)
    try:
        shell("cp", "-c", "gzip", "-m", "colour=blue", "-", shell.base + "key", input=b"text " * 1000)
        described = json.loads(shell("head", "--json", shell.base + "key"))
        assert (described["content_encoding"], described["metadata"]) == ("gzip", {"colour": "blue"})
        assert shell("cat", shell.base + "key") == "text " * 1000
        assert gzip.decompress(shell.run("cat", "--raw", shell.base + "key").stdout) == b"text " * 1000
        shell("cp", shell.base + "key", str(tmp_path / "plain"))
        assert (tmp_path / "plain").read_bytes() == b"text " * 1000
        shell("cp", "-c", "zstd", shell.base + "key", shell.base + "other")
        assert json.loads(shell("head", "--json", shell.base + "other"))["content_encoding"] == "zstd"
        assert shell("presign", shell.base + "key").startswith(ceph.url)
        assert shell("uploads", shell.base) == ""
    finally:
        shell("rb", "-f", shell.base)


def test_aliases_are_added_used_and_removed(ceph: CephEndpoint, tmp_path: Path) -> None:
    shell = Shell(base="", environment={"XDG_CONFIG_HOME": str(tmp_path)})
    bucket = f"s3://command-{secrets.token_hex(6)}"
    keys = (f"access_key_id={ceph.access_key_id}", f"secret_access_key={ceph.secret_access_key}")
    shell("alias", "add", "mine", bucket, f"endpoint={ceph.url}", f"region={ceph.region}", *keys)
    assert (tmp_path / "aiostore/config.toml").stat().st_mode & 0o777 == 0o600
    shell("mb", "mine://")
    shell("cp", "-", "mine://dir/key", input=b"value")
    assert shell("cat", "mine://dir/key") == "value"
    shell("rb", "-f", "mine://")
    shell("alias", "add", "other", "s3://bucket", "region=eu-west-1")
    assert shell("alias", "ls").splitlines() == [f"mine\t{bucket}", "other\ts3://bucket"]
    assert "already" in shell.fails("alias", "add", "mine", "s3://bucket")
    shell("alias", "rm", "mine")
    assert shell("alias", "ls").splitlines() == ["other\ts3://bucket"]
    assert "no alias" in shell.fails("alias", "rm", "mine")


def test_a_wrong_command_line_says_how_it_is_used() -> None:
    shell = Shell(base="")
    assert "Usage" in shell.fails("cp", code=2)
    assert "not of the form" in shell.fails("cat", "-r", "x", "key", code=2)
    assert "No such command" in shell.fails("explode", code=2)
    assert "Objects in S3" in shell("--help")
    for verb in ("ls", "cp", "mv", "rm", "sync", "cat", "head", "stat", "du", "touch", "verify", "presign", "mb", "rb"):
        assert "Usage" in shell(verb, "--help")


def test_an_interrupted_copy_leaves_nothing_half_written(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "aiostore", "cp", "-", str(target / "key")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"x" * 30_000_000)
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not any(target.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    _, said = b"", process.stderr.read() if process.stderr else b""
    assert process.wait(timeout=30) == 130, said
    assert b"nothing is half written" in said
    assert [path.name for path in target.iterdir()] == []
    assert process.stderr is not None
    process.stderr.close()
