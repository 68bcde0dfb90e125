"""Terminals, pipes and signals: bars and questions where somebody looks, silence elsewhere, and order at the end."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from aiostore.cli.command import VERBS
from tests.cli.shell import DEADLINE, Shell, wait_until

SHELL = Shell()
HELP = 0.25
"""Seconds within which help is there."""


def on_a_terminal(*arguments: str, typed: bytes = b"", terminal: str = "xterm") -> tuple[int, str]:
    """Run the command on a terminal of its own; its exit code, and all that was shown."""
    master, slave = pty.openpty()
    environment = {**SHELL.variables, "TERM": terminal, "COLUMNS": "200"}
    process = subprocess.Popen(SHELL.command(*arguments), stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    try:
        os.write(master, typed)
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                block = os.read(master, 65536)
            except OSError:  # so the end of the last writer is told
                break
            if not block:
                break
            shown += block
        return process.wait(DEADLINE), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_bar_is_drawn_on_a_terminal_only(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(10_000_000))
    code, shown = on_a_terminal("cp", str(tmp_path / "large"), str(tmp_path / "copy"))
    assert code == 0
    assert "large -> " in shown
    assert "MB" in shown or "MiB" in shown
    code, shown = on_a_terminal("cp", "--no-progress", str(tmp_path / "large"), str(tmp_path / "copy"))
    assert (code, shown) == (0, "")
    assert SHELL("cp", str(tmp_path / "large"), str(tmp_path / "copy")) == ""


def test_a_question_is_asked_on_a_terminal_before_many_are_deleted(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    files = [str(tmp_path / name) for name in ("a", "b")]
    code, shown = on_a_terminal("rm", *files, typed=b"n\n")
    assert (code, "Delete 2 objects?" in shown, "nothing was done" in shown) == (1, True, True)
    assert on_a_terminal("rm", files[0])[0] == 0
    code, shown = on_a_terminal("rm", "-r", str(tmp_path), typed=b"y\n")
    assert (code, "Delete 2 objects?" in shown) == (0, True)
    assert not tmp_path.exists()
    tmp_path.mkdir()


def test_names_do_not_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "odd\x1b[31m").touch()
    code, shown = on_a_terminal("ls", str(tmp_path))
    assert (code, "\x1b" in shown, "odd\\x1b[31m" in shown) == (0, False, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_leaves_nothing(ceph_shell: Shell, number: signal.Signals) -> None:
    process = ceph_shell.start("cp", "-", ceph_shell.base + "key")
    try:
        assert process.stdin is not None
        process.stdin.write(bytes(20_000_000))
        process.stdin.flush()
        wait_until(lambda: ceph_shell.within("uploads", ceph_shell.base), process)
        process.send_signal(number)
        # Standard input stays open: nothing waits for its end.
        assert process.wait(DEADLINE) == 128 + number
    finally:
        process.kill()
        _, said = process.communicate()
    assert said.decode() == (
        "aiostore: interrupted; nothing is half written. For the rest: run the same command again, or aiostore sync,"
        " which skips what is there\n"
    )
    assert ceph_shell.within("ls", ceph_shell.base) == ""
    assert ceph_shell.within("uploads", ceph_shell.base) == ""


def test_an_interrupted_copy_to_a_file_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    process = SHELL.start("cp", "-", str(target / "key"))
    try:
        assert process.stdin is not None
        process.stdin.write(bytes(3_000_000))
        process.stdin.flush()
        wait_until(lambda: any(target.iterdir()), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    finally:
        process.kill()
        process.communicate()
    assert list(target.iterdir()) == []


def test_an_interrupted_tree_says_how_to_go_on(tmp_path: Path, ceph_shell: Shell) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    for number in range(1000):
        (source / f"{number:04}").write_bytes(b"x")
    process = ceph_shell.start("cp", "-r", "-p", "2", str(source), ceph_shell.base + "photos")
    try:
        wait_until(lambda: ceph_shell.within("ls", "-r", ceph_shell.base), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    finally:
        process.kill()
        _, said = process.communicate()
    assert said.count(b"\n") == 1, said.decode()
    assert f"aiostore sync {source} {ceph_shell.base}photos copies what is missing" in said.decode()
    assert "copied" in ceph_shell.within("sync", str(source), f"{ceph_shell.base}photos")
    assert len(ceph_shell.within("ls", "-r", ceph_shell.base).splitlines()) == 1000
    ceph_shell.within("rm", "-rf", ceph_shell.base + "photos")


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:04} with a name that is long enough to fill a pipe").touch()
    process = SHELL.start("ls", str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(DEADLINE)) == (b"", 1)
    for pipe in (process.stderr, process.stdin):
        if pipe is not None:
            pipe.close()


@pytest.mark.parametrize("verb", ["", *sorted(VERBS)])
def test_help_is_there_at_once(verb: str) -> None:
    def seconds() -> float:
        process = SHELL.start(*([verb] if verb else []), "--help")
        for pipe in (process.stdin, process.stderr):
            assert pipe is not None
            pipe.close()
        assert process.stdout is not None
        assert b"Usage: aiostore" in process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # Not by the clock, which tells more of what else the machine does.
        return usage.ru_utime + usage.ru_stime

    assert any(seconds() < HELP for _ in range(3))


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_shells_complete_verbs_options_and_files(name: str) -> None:
    def answer(*words: str) -> str:
        asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": words[-1] if name == "fish" else str(len(words) - 1)}
        return Shell(environment={"_AIOSTORE_COMPLETE": f"{name}_complete", **asked}).invoke().stdout

    assert "sync" in answer("aiostore", "sy")
    assert "--exclude" in answer("aiostore", "sync", "--ex")
    assert "file" in answer("aiostore", "ls", "READ")
    assert "file" not in answer("aiostore", "ls", "s3://b")
    assert f"_AIOSTORE_COMPLETE={name}_complete" in Shell(environment={"_AIOSTORE_COMPLETE": f"{name}_source"})()
