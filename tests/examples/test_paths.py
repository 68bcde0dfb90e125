"""The examples that take URLs of objects: the log tailer and the zip reader, as their users run them."""

from __future__ import annotations

import asyncio
import io
import os
import re
import secrets
import signal
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from aiostore import fs
from examples import tail
from tests.examples.conftest import EXAMPLES, Place

DEADLINE = 30.0


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


async def start(
    example: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / example),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


async def run(example: str, place: Place, *arguments: str) -> tuple[int | None, bytes, str]:
    process = await start(example, *arguments, environment=place.environment)
    async with asyncio.timeout(DEADLINE):
        output, complaint = await process.communicate()
    return process.returncode, output, complaint.decode()


async def test_a_tail_is_the_last_lines(place: Place) -> None:
    lines = [b"line %d\n" % number for number in range(50_000)]
    await place.store.put("today.log", b"".join(lines))
    url = fs.join(place.url, "today.log")
    assert await run("tail.py", place, "-n", "9000", url) == (0, b"".join(lines[-9000:]), "")


@pytest.mark.parametrize("lines", [0, 1, 2, 5])
@pytest.mark.parametrize(
    "text", [b"", b"\n", b"one\nno newline", b"one\n\n", b"1\n2\n3\n4\n", b"x" * 200_000 + b"\ny\n"]
)
async def test_a_tail_has_as_many_lines_as_there_are(tmp_path: Path, text: bytes, lines: int) -> None:
    (tmp_path / "log").write_bytes(text)
    expected = b"".join(text.splitlines(keepends=True)[-lines:]) if lines else b""
    assert await tail.tail(str(tmp_path / "log"), lines) == (expected, len(text))


async def test_lines_are_counted_in_all_that_match(place: Place) -> None:
    await place.store.put("logs/a.log", b"1\n2\n3")
    await place.store.put("logs/old/b.log", b"1\n")
    await place.store.put("logs/c.txt", b"1\n")
    status, output, complaint = await run("tail.py", place, "--count", fs.join(place.url, "logs/**/*.log"))
    assert (status, complaint) == (0, "")
    assert sorted(re.findall(r"(\d+)  .*?(a\.log|b\.log|total)$", output.decode(), re.MULTILINE)) == [
        ("1", "b.log"), ("3", "a.log"), ("4", "total"),
    ]  # fmt: skip
    assert "endpoint" not in output.decode()


async def test_what_is_appended_is_followed_until_an_interrupt(place: Place) -> None:
    await place.store.put("today.log", b"one\n")
    arguments = ("--follow", "--interval", "0.05", fs.join(place.url, "today.log"))
    process = await start("tail.py", *arguments, environment=place.environment)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        assert await process.stdout.readline() == b"one\n"
        await place.store.put("today.log", b"one\ntwo\n")
        assert await process.stdout.readline() == b"two\n"
        await place.store.put("today.log", b"new\n")
        assert await process.stdout.readline() == b"new\n"
        process.send_signal(signal.SIGINT)
        output, complaint = await process.communicate()
    assert (process.returncode, output, complaint) == (130, b"", b"")


async def test_one_member_of_an_archive_costs_its_bytes_and_the_directory_s(place: Place) -> None:
    members = {f"data/{number:03}.bin": secrets.token_bytes(100_000) for number in range(100)}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    await place.store.put("archive.zip", archive.getvalue())
    url = fs.join(place.url, "archive.zip")
    status, output, complaint = await run("zip_member.py", place, url, "data/042.bin")
    assert (status, output) == (0, members["data/042.bin"])
    fetched, size = (int(text.replace(",", "")) for text in re.findall(r"[\d,]{4,}", complaint))
    assert size == len(archive.getvalue())
    assert 100_000 < fetched < 300_000
    status, output, complaint = await run("zip_member.py", place, url)
    assert (status, output.decode().split()[1::2]) == (0, list(members))


@pytest.mark.parametrize(
    ("example", "arguments", "says"),
    [
        ("tail.py", ["missing.log"], "no such object"),
        ("zip_member.py", ["missing.zip"], "no such object"),
        ("zip_member.py", ["text.zip"], "not a zip file"),
        ("zip_member.py", ["empty.zip", "nothing"], "no item named 'nothing'"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    directory: Place, example: str, arguments: list[str], says: str
) -> None:
    await directory.store.put("text.zip", b"text")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    await directory.store.put("empty.zip", empty.getvalue())
    url = fs.join(directory.url, arguments[0])
    status, output, complaint = await run(example, directory, url, *arguments[1:])
    assert (status, output) == (1, b"")
    assert says in complaint
    assert complaint.count("\n") == 1
