"""Every verb of the command, as a process of its own, on the real S3 server, a local directory and Swift."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.cli.shell import Shell


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_tree_goes_there_and_back(shell: Shell, tree: Path, tmp_path: Path) -> None:
    names = ("a.txt", "sub/b é.bin", "sub/deep/c")
    shell("cp", "-r", str(tree), shell.base + "copy")
    assert shell("ls", "-r", shell.base + "copy").splitlines() == [f"{shell.base}copy/{name}" for name in names]
    assert shell("verify", str(tree), shell.base + "copy") == ""
    assert shell("du", "-s", shell.base + "copy").split("\t")[0] == str(6 + 256 * 40)
    (tree / "a.txt").write_bytes(b"changed and longer\n")
    summary = json.loads(shell("sync", "--delete", "--json", str(tree), shell.base + "copy"))
    assert (summary["replaced"], summary["skipped"], summary["failed"]) == (1, 2, 0)
    shell("mv", shell.base + "copy", shell.base + "moved")
    shell.within("cp", "-r", shell.base + "moved", str(tmp_path / "back"))
    assert files(tmp_path / "back") == files(tree)
    shell("rm", "-r", shell.base + "moved")
    assert shell.within("ls", "-r", shell.base) == ""


def test_one_object_is_written_read_and_described(shell: Shell, tmp_path: Path) -> None:
    path = shell.base + "dir/object.txt"
    shell("cp", "-", path, input=b"0123456789")
    assert shell("cat", "-r", "2-4", path) == "234"
    assert shell.within("cp", path, "-") == "0123456789"
    assert json.loads(shell("head", "--json", path))["size"] == 10
    assert json.loads(shell("stat", "--json", path))["kind"] == "file"
    shell("touch", shell.base + "new", path)
    assert shell.within("cat", shell.base + "new", path) == "0123456789"
    assert shell("uploads", shell.base) == ""
    signed = shell.run("presign", path)
    assert (signed.returncode, signed.stdout.startswith(b"http")) in {(0, True), (1, False)}
    other = shell.base.rstrip("/") + "-other"
    shell("mb", other)
    shell("rb", other)
    named = replace(shell, environment={**shell.environment, "AIOSTORE_CONFIG": str(tmp_path / "config.toml")})
    (tmp_path / "config.toml").touch()
    if "://" in shell.base:
        named("alias", "add", "mine", shell.base.rstrip("/"))
        assert named.within("cat", "mine://dir/object.txt") == "0123456789"
        assert named("alias", "ls").splitlines() == [f"mine\t{shell.base.rstrip('/')}"]
        named("alias", "rm", "mine")
        assert named.within("alias", "ls") == ""
