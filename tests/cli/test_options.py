"""What the options of the verbs do, on the real S3 server, a local directory and Swift."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from tests.cli.shell import Shell, wait_until
from tests.cli.test_command import files
from tests.servers.ceph import CephEndpoint


def put(shell: Shell, tmp_path: Path, **objects: bytes) -> None:
    """Write objects; two underscores are a slash."""
    for name, data in objects.items():
        path = tmp_path / "put"
        path.write_bytes(data)
        shell.within("cp", str(path), shell.base + name.replace("__", "/"))


def test_listings_are_short_long_for_people_and_for_machines(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, a=b"x" * 2048, dir__b=b"1")
    base = shell.base
    assert shell.within("ls", base).splitlines() == [f"{base}a", f"{base}dir/"]
    size, modified, path = shell.within("ls", "-l", f"{base}a").split()
    assert (size, modified[:2], path) == ("2048", "20", f"{base}a")
    assert shell.within("ls", "-l", "--human", base).split()[0] == "2.0K"
    lines = [json.loads(line) for line in shell.within("ls", "--json", base).splitlines()]
    assert [(line["path"], line["directory"], line["size"]) for line in lines] == [
        (f"{base}a", False, 2048), (f"{base}dir/", True, 0),
    ]  # fmt: skip
    assert shell.within("ls", "-r", base).splitlines() == [f"{base}a", f"{base}dir/b"]


def test_patterns_choose_names(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, xa=b"a", xb=b"b", xc=b"c", sub__xa=b"d")
    base = shell.base
    assert shell.within("ls", "-e", f"{base}x[ab]").splitlines() == [f"{base}xa", f"{base}xb"]
    assert shell.within("ls", f"{base}x*").splitlines() == [f"{base}xa", f"{base}xb", f"{base}xc"]
    assert shell.within("ls", f"{base}**/xa").splitlines() in ([f"{base}sub/xa", f"{base}xa"],
                                                               [f"{base}xa", f"{base}sub/xa"])  # fmt: skip
    (tmp_path / "target").mkdir()
    shell.within("cp", f"{base}x[bc]", str(tmp_path / "target"))
    assert files(tmp_path / "target") == {"xb": b"b", "xc": b"c"}
    shell.within("mv", f"{base}x[bc]", f"{base}moved/")
    assert shell.within("ls", "-r", f"{base}moved").splitlines() == [f"{base}moved/xb", f"{base}moved/xc"]
    assert shell.within("du", "-s", f"{base}m*").split("\t")[0] == "2"
    assert "nothing matches" in shell.fails("ls", f"{base}z*")


def test_a_name_that_looks_like_a_pattern_is_its_own_object_first(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a[1]").write_bytes(b"")
    shell.within("cp", str(tmp_path / "a[1]"), shell.base)
    put(shell, tmp_path, a1=b"")
    shell.within("rm", shell.base + "a[1]")
    assert shell.within("ls", "-r", shell.base).splitlines() == [shell.base + "a1"]


def test_sources_come_from_a_file_or_from_standard_input(shell: Shell, tree: Path, tmp_path: Path) -> None:
    put(shell, tmp_path, xa=b"a")
    into = shell.base + "into/"
    shell("cp", "--files-from", "-", into, input=f"{tree}/a.txt\n{shell.base}xa\n".encode())
    assert shell.within("ls", into).splitlines() == [f"{into}a.txt", f"{into}xa"]
    odd = tree / "two\nlines"
    odd.write_bytes(b"odd")
    (tmp_path / "list").write_bytes(f"{odd}\0{tree}/sub/b é.bin\0".encode())
    shell.within("cp", "--null", "--files-from", str(tmp_path / "list"), str(tmp_path / "out"))
    assert set(files(tmp_path / "out")) == {"two\nlines", "b é.bin"}


def test_standard_input_is_one_of_several_sources(local_shell: Shell, tree: Path) -> None:
    local_shell("cp", "-", str(tree / "a.txt"), local_shell.base + "into/", input=b"in")
    assert files(Path(local_shell.base)) == {"into/stdin": b"in", "into/a.txt": b"hello\n"}


def test_what_exists_is_not_replaced_with_if_absent(shell: Shell, tree: Path, tmp_path: Path) -> None:
    put(shell, tmp_path, key=b"first", a__sub__deep__c=b"kept")
    remote = "://" in shell.base
    how = ["--if-absent", "--best-effort"] if remote else ["--if-absent"]
    assert "exists" in shell.fails("cp", *how, sys.executable, shell.base + "key")
    shell.within("cp", "-r", *how, f"{tree}/", shell.base + "a")
    assert shell.within("cat", shell.base + "key", shell.base + "a/sub/deep/c", shell.base + "a/a.txt") == (
        "firstkepthello\n"
    )
    if remote:
        assert "use --best-effort" in shell.fails("cp", "--if-absent", sys.executable, shell.base + "new")


def test_a_sync_makes_both_places_equal(shell: Shell, tree: Path) -> None:
    target = shell.base + "synced"
    assert "copy     a.txt" in shell.within("sync", "--dry-run", str(tree), target)
    planned = [json.loads(line) for line in shell.within("sync", "-n", "--json", str(tree), target).splitlines()]
    assert [line["key"] for line in planned[:-1]] == ["a.txt", "sub/b é.bin", "sub/deep/c"]
    assert (planned[-1]["copied"], planned[-1]["dry_run"]) == (3, True)
    first = json.loads(shell.within("sync", "--json", "--exclude", "*.bin", "--no-progress", str(tree), target))
    assert (first["copied"], first["failed"]) == (2, 0)
    assert "1 copied" in shell.within("sync", "--include", "*.bin", str(tree), target)
    (tree / "a.txt").write_bytes(b"HELLO\n")
    (tree / "sub/deep/c").unlink()
    second = json.loads(shell.within("sync", "--json", "--delete", "--checksum", str(tree), target))
    assert (second["replaced"], second["skipped"], second["deleted"]) == (1, 1, 1)
    assert shell.within("verify", str(tree), target) == ""
    assert shell.within("verify", str(tree / "a.txt"), target + "/a.txt") == ""
    (tree / "a.txt").write_bytes(b"OTHER\n")
    result = shell.invoke("verify", "--json", str(tree), target)
    assert (result.exit_code, json.loads(result.stdout)["key"]) == (1, "a.txt")
    result = shell.invoke("verify", "--no-progress", str(tree / "a.txt"), target + "/a.txt")
    assert (result.exit_code, "other bytes" in result.stdout) == (1, True)


def test_several_processes_share_a_sync(ceph_shell: Shell, tree: Path, tmp_path: Path) -> None:
    ceph_shell.within("sync", "-p", "2", "-c", "zstd", str(tree), ceph_shell.base)
    described = json.loads(ceph_shell.within("head", "--json", ceph_shell.base + "a.txt"))
    assert described["content_encoding"] == "zstd"
    ceph_shell.within("sync", "-c", "none", ceph_shell.base, str(tmp_path / "back"))
    assert files(tmp_path / "back") == files(tree)


def test_sums_are_of_each_directory_and_of_all(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, dir__a=b"x" * 1024, dir__sub__deep__b=b"x" * 1024, other=b"x")
    base = shell.base
    assert shell.within("du", f"{base}dir").splitlines() == [
        f"1024\t{base}dir/sub", f"1024\t{base}dir/sub/deep", f"2048\t{base}dir",
    ]  # fmt: skip
    assert shell.within("du", "-s", "-h", "-c", f"{base}dir", f"{base}other").splitlines() == [
        f"2.0K\t{base}dir", f"1\t{base}other", "2.0K\ttotal",
    ]  # fmt: skip
    assert [json.loads(line)["objects"] for line in shell.within("du", "--json", f"{base}dir").splitlines()] == [
        1,
        1,
        2,
    ]


def test_deletes_can_be_looked_at_first(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, dir__a=b"", dir__sub__b=b"", xa=b"", xb=b"")
    base = shell.base
    assert "use -r" in shell.fails("rm", f"{base}dir")
    assert shell.within("rm", "-r", "--dry-run", f"{base}dir", f"{base}x*").splitlines() == [
        f"{base}dir/a", f"{base}dir/sub/b", f"{base}xa", f"{base}xb",
    ]  # fmt: skip
    shell.within("rm", f"{base}xa", f"{base}xb")
    assert shell.within("ls", "-r", base).splitlines() == [f"{base}dir/a", f"{base}dir/sub/b"]
    shell.within("rm", "-r", "-f", "--no-progress", f"{base}d*")
    assert shell.within("ls", "-r", base) == ""


def test_moving_something_onto_itself_loses_nothing(shell: Shell, tmp_path: Path) -> None:
    put(shell, tmp_path, key=b"value")
    shell.invoke("mv", "--no-progress", shell.base + "key", shell.base + "key")
    assert shell.within("cat", shell.base + "key") == "value"
    assert "are the same" in shell.fails("cp", "--no-progress", shell.base + "key", shell.base + "key")


def test_headers_and_metadata_are_stored_with_copies(ceph_shell: Shell, tree: Path) -> None:
    shell, base = ceph_shell, ceph_shell.base
    flags = ("-m", "colour=blue", "-m", "shape=", "--content-type", "text/x-odd", "--cache-control", "no-store")
    shell.within("cp", *flags, str(tree / "a.txt"), base + "one")
    shell.within("cp", "-r", *flags, str(tree), base + "tree")
    shell.within("cp", "-m", "colour=red", base + "one", base + "one")
    for path, colour in (("one", "red"), ("tree/sub/deep/c", "blue")):
        found = json.loads(shell.within("head", "--json", base + path))
        assert found["metadata"]["colour"] == colour
        assert (found["content_type"], found["cache_control"]) == ("text/x-odd", "no-store")
    assert "local file has no --metadata" in shell.fails("cp", "-m", "a=b", base + "one", "here", code=2)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_copies_change_the_encoding(ceph_shell: Shell, tmp_path: Path, encoding: str) -> None:
    shell, key = ceph_shell, ceph_shell.base + "key"
    text = b"text " * 1000
    (tmp_path / "plain").write_bytes(text)
    shell.within("cp", "-c", encoding, str(tmp_path / "plain"), key)
    assert json.loads(shell.within("head", "--json", key))["content_encoding"] == encoding
    assert shell.within("cat", key).encode() == text
    shell.within("cp", "-c", "none", key, key + "-none")
    assert "content_encoding" not in shell.within("head", key + "-none")
    shell.within("cp", key, key + "-kept")
    assert f"content_encoding: {encoding}" in shell.within("head", key + "-kept")
    shell.within("cp", key, str(tmp_path / "decoded"))
    assert (tmp_path / "decoded").read_bytes() == text
    shell.within("cp", "-c", "same", key, str(tmp_path / "same"))
    assert (tmp_path / "same").read_bytes() == shell.invoke("cat", "--raw", key).stdout_bytes
    shell.within("cp", "-c", "gzip", key, str(tmp_path / "gzip"))
    assert gzip.decompress((tmp_path / "gzip").read_bytes()) == text


def test_signed_urls_say_what_they_allow(ceph_shell: Shell, ceph: CephEndpoint) -> None:
    url = ceph_shell.within("presign", "--method", "put", "--expires-in", "60", ceph_shell.base + "key")
    assert url.startswith(ceph.url)
    assert "X-Amz-Expires=60" in url


def test_abandoned_uploads_are_listed_and_dropped(ceph_shell: Shell) -> None:
    process = ceph_shell.start("cp", "-", ceph_shell.base + "left")
    try:
        assert process.stdin is not None
        process.stdin.write(bytes(20_000_000))
        process.stdin.flush()
        wait_until(lambda: ceph_shell.within("uploads", ceph_shell.base).endswith("left\n"), process)
    finally:
        process.kill()
        process.communicate()
    assert ceph_shell.within("uploads", "--older-than", "1", ceph_shell.base) == ""
    (line,) = ceph_shell.within("uploads", "--abort", "--json", ceph_shell.base).splitlines()
    dropped = json.loads(line)
    assert (dropped["key"], dropped["aborted"]) == ("left", True)
    assert ceph_shell.within("uploads", ceph_shell.base) == ""


def test_a_bucket_is_made_once_and_removed_when_it_is_empty(shell: Shell) -> None:
    other = shell.base.rstrip("/") + "-other"
    shell.within("mb", other)
    shell.within("cp", str(Path(__file__)), other + "/key")
    shell.fails("rb", other)
    shell.within("rb", "--force", other)
    assert "no such bucket" in shell.fails("rb", other)


def test_aliases_stand_for_urls_and_their_options(ceph: CephEndpoint, ceph_shell: Shell, tmp_path: Path) -> None:
    shell = Shell(environment={"XDG_CONFIG_HOME": str(tmp_path)})
    bucket = ceph_shell.base.rstrip("/")
    keys = (f"access_key_id={ceph.access_key_id}", f"secret_access_key={ceph.secret_access_key}")
    shell.within("alias", "add", "mine", bucket, f"endpoint={ceph.url}", f"region={ceph.region}", *keys)
    assert (tmp_path / "aiostore/config.toml").stat().st_mode & 0o777 == 0o600
    shell.within("cp", str(Path(__file__)), "mine://dir/key")
    assert shell.within("ls", "-r", "mine://").splitlines() == ["alias://mine/dir/key"]
    (line,) = shell.within("alias", "ls", "--json").splitlines()
    assert json.loads(line)["options"] == ["access_key_id", "endpoint", "region", "secret_access_key"]
    assert ceph.secret_access_key not in line
    assert "already" in shell.fails("alias", "add", "mine", "s3://bucket")
    assert "meaning of its own" in shell.fails("alias", "add", "s3", "s3://bucket", code=2)
    shell.within("alias", "rm", "mine")
    assert "no alias" in shell.fails("alias", "rm", "mine")
