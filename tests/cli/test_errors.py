"""What is wrong is said in one line, with what to do; what could not be done is told, and the rest is done."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import PermissionDeniedError
from aiostore.types import DeleteOptions, DeleteResult
from tests.cli.shell import Shell
from tests.cli.test_command import files

SHELL = Shell()


def test_what_is_missing_is_named(shell: Shell) -> None:
    for arguments in (
        ("cat", shell.base + "missing"),
        ("head", shell.base + "missing"),
        ("stat", shell.base + "missing"),
        ("ls", shell.base + "missing"),
        ("du", shell.base + "missing"),
        ("rm", shell.base + "missing"),
        ("rm", "-r", shell.base + "missing/"),
        ("mv", shell.base + "missing", shell.base + "elsewhere"),
        ("cp", shell.base + "missing", shell.base + "elsewhere"),
        ("cp", "-r", shell.base + "missing/", shell.base + "elsewhere/"),
        ("cp", shell.base + "missing*", shell.base + "elsewhere/"),
        ("verify", shell.base + "missing", shell.base + "elsewhere"),
        ("sync", "--delete", shell.base + "missing", shell.base + "elsewhere"),
    ):
        assert "missing" in shell.fails(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explode"], "No such command"),
        (["cp"], "Missing argument"),
        (["cp", "one"], "give a SOURCE and a TARGET"),
        (["cp", "--metadata", "x", "a", "b"], "NAME=VALUE"),
        (["cp", "--best-effort", "a", "b"], "--if-absent"),
        (["cp", "-p", "0", "a", "b"], "range"),
        (["cp", "", "b"], "empty path"),
        (["cp", "--files-from", "-", "-", "b"], "cannot be a source and"),
        (["cp", "--null", "a", "b"], "--files-from"),
        (["mv", "-", "b"], "neither of them '-'"),
        (["cat", "-r", "x", "key"], "not of the form"),
        (["cat", "--range", "5-2", "key"], "stops before it starts"),
        (["cat", "s3://bucket"], "names a whole bucket"),
        (["rm", "-r", "/"], "holds the working directory"),
        (["sync", "--checksum", "-c", "gzip", "a", "b"], "leave one of them out"),
        (["alias", "add", "mine", "s3://bucket", "secret"], "NAME=VALUE"),
        (["presign", "--method", "POST", "s3://bucket/key"], "POST"),
    ],
)
def test_a_wrong_command_line_is_refused_with_2(arguments: list[str], said: str) -> None:
    line = SHELL.fails(*arguments, code=2)
    assert said in line
    assert "--help" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ls", "foo://bucket"], "unknown scheme"),
        (["ls", "s3://"], "names no bucket"),
        (["ls", "s3://bucket?colour=blue"], "unknown option"),
        (["ls", "file://elsewhere/directory"], "three slashes"),
        (["presign", "key"], "no signed URLs"),
        (["touch", "no/such/directory/key"], "No such file or directory"),
    ],
)
def test_an_address_that_leads_nowhere_is_explained(arguments: list[str], said: str) -> None:
    assert said in SHELL.fails(*arguments)


@pytest.mark.parametrize("end", [".", "..", "../", "./."])
def test_a_directory_by_another_name_is_not_removed(tmp_path: Path, end: str) -> None:
    """What ends in dots is easily a directory above the one that is meant."""
    (tmp_path / "outer/inner").mkdir(parents=True)
    (tmp_path / "outer/kept").touch()
    line = SHELL.fails("rm", "-r", "-f", f"{tmp_path}/outer/inner/{end}", code=2)
    assert "name the directory itself" in line
    assert sorted(path.name for path in (tmp_path / "outer").iterdir()) == ["inner", "kept"]


def test_a_broken_configuration_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("secret = oops")
    shell = Shell(environment={"AIOSTORE_CONFIG": str(tmp_path / "config.toml")})
    assert "is not TOML" in shell.fails("alias", "ls")
    assert "does not exist" in Shell(environment={"AIOSTORE_CONFIG": "/nowhere"}).fails("alias", "ls")


@pytest.mark.parametrize("place", ["before", "behind"])
def test_a_traceback_is_shown_on_request(place: str) -> None:
    arguments = ["--debug", "ls", "missing"] if place == "before" else ["ls", "missing", "--debug"]
    result = SHELL.invoke(*arguments)
    assert (result.exit_code, "Traceback" in result.stderr) == (1, True)
    assert result.stderr.splitlines()[-1].startswith("aiostore: missing: ")


def test_a_name_cannot_control_the_terminal_or_begin_a_line(tmp_path: Path) -> None:
    line = SHELL.fails("cat", str(tmp_path / "odd\n\x1b[31mname"))
    assert "odd\\x0a\\x1b[31mname" in line


def test_names_that_are_no_text_are_printed_as_they_are(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(name)).touch()
    assert SHELL.invoke("ls", str(tmp_path)).stdout_bytes == name + b"\n"
    assert r"\udcff" in SHELL.within("ls", "--json", str(tmp_path))


def test_a_directory_goes_nowhere_into_itself(shell: Shell, tree: Path) -> None:
    shell.within("cp", "-r", str(tree), shell.base + "dir")
    for verb in (["cp", "-r"], ["sync", "--delete"]):
        assert "apart" in shell.fails(*verb, shell.base + "dir", shell.base + "dir/inner")
    assert "itself" in shell.fails("mv", shell.base + "dir", shell.base + "dir/inner")
    assert shell.within("verify", str(tree), shell.base + "dir") == ""


def test_a_directory_needs_to_be_asked_for(shell: Shell, tree: Path, tmp_path: Path) -> None:
    assert "use -r" in shell.fails("cp", str(tree), shell.base)
    shell.within("cp", "-r", f"{tree}/", shell.base)
    assert "use -r" in shell.fails("cp", shell.base + "sub", str(tmp_path / "elsewhere"))


def test_a_key_that_no_file_can_have_is_told_and_the_rest_is_copied(ceph_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for key in ("fine", "a//b", "../up"):
        ceph_shell.within("cp", str(tmp_path / "x"), ceph_shell.base + "dir/" + key)
    (tmp_path / "x").unlink()
    result = ceph_shell.invoke("cp", "-r", ceph_shell.base + "dir", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert [line.count("aiostore: ") for line in result.stderr.splitlines()] == [1, 1, 1]
    assert "a//b" in result.stderr
    assert "../up" in result.stderr
    assert "1 copied, 0 left as they were, 0 deleted, 2 failed" in result.stderr
    assert files(tmp_path) == {"out/fine": b"x"}


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody whom permissions bind."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_must_not_be_read_or_written_is_told_and_the_rest_is_done() -> None:
    with tempfile.TemporaryDirectory(prefix="aiostore-test-", dir="/tmp") as name:
        root = Path(name)
        for directory in (root, root / "source", root / "closed"):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o755)
        for file in ("source/fine", "source/secret", "closed/kept"):
            (root / file).write_bytes(b"x")
        (root / "source/secret").chmod(0o600 if os.geteuid() == 0 else 0)
        (root / "target").mkdir(mode=0o777)
        (root / "target").chmod(0o777)
        (root / "closed").chmod(0o555)
        SHELL.within("cp", "-r", str(root / "source"), str(root / "warm-up")) if os.geteuid() == 0 else None
        with nobody():
            result = SHELL.invoke("cp", "-r", f"{root}/source/", str(root / "target"))
            removed = SHELL.invoke("rm", "-r", "-f", str(root / "closed"))
        assert result.exit_code == 1
        assert "secret" in result.stderr
        assert "1 copied, 0 left as they were, 0 deleted, 1 failed" in result.stderr
        assert files(root / "target") == {"fine": b"x"}
        assert removed.exit_code == 1
        assert "Permission denied" in removed.stderr
        assert files(root / "closed") == {"kept": b"x"}


def test_a_full_disk_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/large").write_bytes(bytes(3_000_000))
    (tmp_path / "source/small").write_bytes(b"x")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        result = SHELL.invoke("cp", "-r", f"{tmp_path}/source", f"{tmp_path}/target")
        single = SHELL.fails("cp", f"{tmp_path}/source/large", f"{tmp_path}/one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.exit_code == 1
    assert "large" in result.stderr
    assert "1 copied, 0 left as they were, 0 deleted, 1 failed" in result.stderr
    assert files(tmp_path / "target") == {"small": b"x"}
    assert "one: File too large" in single
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


@pytest.mark.parametrize("named", ["dir/*", "dir/link", "dir/link/", "dir", "dir/**"])
def test_what_a_link_leads_to_is_not_removed_with_it(tmp_path: Path, named: str) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/kept").touch()
    (tmp_path / "dir/link").symlink_to(tmp_path / "other")
    SHELL.within("rm", "-r", "-f", f"{tmp_path}/{named}")
    assert (tmp_path / "other/kept").exists()
    assert not (tmp_path / "dir/link").is_symlink()


def test_a_source_does_not_replace_another_one_of_its_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text(name)
    result = SHELL.invoke("cp", f"{tmp_path}/a/same", f"{tmp_path}/b/same", f"{tmp_path}/into/")
    assert (result.exit_code, "another source has this name too" in result.stderr) == (1, True)
    assert (tmp_path / "into/same").read_text() == "a"


def test_devices_are_written_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    SHELL.within("cp", str(tmp_path / "a"), os.devnull)
    assert Path(os.devnull).is_char_device()
    assert "No space left on device; make room" in SHELL.fails("cp", str(tmp_path / "a"), "/dev/full")


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "new").write_bytes(b"new")
    assert SHELL.within("cat", str(tmp_path / "link")) == "old"
    SHELL.within("cp", str(tmp_path / "new"), str(tmp_path / "link"))
    assert ((tmp_path / "real").read_bytes(), (tmp_path / "link").is_symlink()) == (b"new", True)


def test_many_objects_are_deleted_in_batches_and_what_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = MemoryDriver.delete_many

    async def delete_many(self: MemoryDriver, keys: list[str], options: DeleteOptions) -> list[DeleteResult]:
        calls.append(len(keys))
        kept = [key for key in keys if key.endswith("7")]
        done = await plain(self, [key for key in keys if key not in kept], options)
        return [*done, *(DeleteResult(key=key, error=PermissionDeniedError("locked")) for key in kept)]

    for number in range(20):
        SHELL.within("touch", f"memory://batches/dir/{number}")
    monkeypatch.setattr(MemoryDriver, "delete_many", delete_many)
    result = SHELL.invoke("rm", "-r", "memory://batches/dir")
    assert (result.exit_code, calls) == (1, [20])
    assert result.stderr.splitlines()[-1] == "aiostore: 18 deleted, 2 failed; run the same command again for those"
    assert all("dir/" in line for line in result.stderr.splitlines()[:-1])
    assert SHELL.within("ls", "-r", "memory://batches").splitlines() == [
        f"memory://batches/dir/{number}" for number in (17, 7)
    ]
    monkeypatch.undo()
    SHELL.within("rm", "-rf", "memory://batches/dir")
