"""The first thing that a new user runs, as they run it."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

import aiostore
from aiostore.drivers.memory import MemoryDriver
from aiostore.testing import FaultyDriver, Flip
from examples import quickstart
from tests.examples.conftest import EXAMPLES, Place

DEADLINE = 60.0


async def start(*arguments: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "quickstart.py"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


async def run(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int | None, str, str]:
    process = await start(*arguments, environment=environment)
    async with asyncio.timeout(DEADLINE):
        output, complaint = await process.communicate()
    return process.returncode, output.decode(), complaint.decode()


def steps(output: str) -> list[str]:
    return re.findall(r"^([a-z]+) .+: .*\d s(?: \(\d+ MiB/s\))?$", output, re.MULTILINE)


ALL_STEPS = ["put", "list", "get", "stream", "ranges", "put", "stream", "delete"]


async def test_it_works_without_arguments_and_leaves_nothing(tmp_path: Path) -> None:
    status, output, complaint = await run(environment={"TMPDIR": str(tmp_path)})
    assert (status, complaint) == (0, "")
    assert steps(output) == ALL_STEPS
    assert f"on file://{tmp_path}" in output
    assert output.count("verified against the stored crc64nvme") == 2
    assert list(tmp_path.iterdir()) == []


async def test_it_works_on_a_real_gateway_and_leaves_nothing(bucket: Place) -> None:
    status, output, complaint = await run(bucket.url, environment=bucket.environment)
    assert (status, complaint) == (0, "")
    assert steps(output) == ALL_STEPS
    assert await bucket.keys() == []
    assert [upload async for upload in bucket.store.uploads()] == []


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the library, for services that take some 20 ms of CPU for each file."""
    some = Path(sysconfig.get_path("stdlib")) / "email"
    monkeypatch.setattr("examples.quickstart.sysconfig.get_path", lambda _: str(some))


async def run_here(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    await quickstart.run(place.url)
    assert steps(capsys.readouterr().out) == ALL_STEPS
    assert await place.keys() == []


@pytest.mark.usefixtures("few_files")
async def test_it_works_on_azurite_and_leaves_nothing(
    container: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_here(container, monkeypatch, capsys)


@pytest.mark.usefixtures("few_files")
async def test_it_works_on_swift_and_leaves_nothing(
    swift_container: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_here(swift_container, monkeypatch, capsys)
    assert [upload async for upload in swift_container.store.uploads()] == []


async def test_it_works_on_google_cloud_storage_and_leaves_nothing(google: Place) -> None:
    status, output, complaint = await run(google.url, environment=google.environment)
    assert (status, complaint) == (0, "")
    assert steps(output) == ALL_STEPS
    assert await google.keys() == []
    assert [upload async for upload in google.store.uploads()] == []


async def test_it_works_on_oss_and_leaves_nothing(alibaba: Place) -> None:
    status, output, complaint = await run(alibaba.url, environment=alibaba.environment)
    assert (status, complaint) == (0, "")
    assert steps(output) == ALL_STEPS
    assert await alibaba.keys() == []
    assert [upload async for upload in alibaba.store.uploads()] == []


async def test_it_works_in_memory() -> None:
    status, output, complaint = await run("memory://quickstart")
    assert (status, complaint) == (0, "")
    assert steps(output) == ALL_STEPS


async def test_an_interrupt_removes_what_was_written(bucket: Place) -> None:
    process = await start(bucket.url, environment=bucket.environment)
    async with asyncio.timeout(DEADLINE):
        while len(await bucket.keys()) < 50:
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        _, complaint = await process.communicate()
    assert process.returncode == 130
    assert complaint.decode() == "quickstart: interrupted; what was written has been removed\n"
    assert await bucket.keys() == []
    assert [upload async for upload in bucket.store.uploads()] == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/path", "unknown scheme 'ftp'"),
        ("memory://name?nonsense=1", "unknown option 'nonsense'"),
        ("s3://bucket?endpoint=http://127.0.0.1:9", "no connection to http://127.0.0.1:9"),
    ],
)
async def test_an_error_is_one_clear_line(url: str, says: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    status, _, complaint = await run(url, environment=keys)
    assert status == 1
    assert says in complaint
    assert complaint.startswith("quickstart: ")
    assert len(complaint.splitlines()) == 1


async def test_a_missing_bucket_is_named(bucket: Place) -> None:
    status, _, complaint = await run(bucket.url.replace("s3://", "s3://not-"), environment=bucket.environment)
    assert status == 1
    assert "there is no such bucket" in complaint
    assert len(complaint.splitlines()) == 1


@pytest.fixture
def small_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    library = tmp_path / "library"
    (library / "__pycache__").mkdir(parents=True)
    (library / "__pycache__" / "module.pyc").write_bytes(b"skipped")
    (library / "module.py").write_bytes(bytes(range(256)) * 16)
    monkeypatch.setattr("examples.quickstart.sysconfig.get_path", lambda _name: str(library))
    return library


async def test_what_is_there_already_stays(small_library: Path, directory: Place) -> None:
    await directory.store.put("mine.txt", b"mine")
    await quickstart.run(directory.url)
    assert await directory.keys() == ["mine.txt"]


async def test_one_wrong_byte_is_noticed_and_nothing_is_left(
    small_library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = FaultyDriver(MemoryDriver(), [Flip(at=1000)])
    store = aiostore.Store(driver, integrity="off")
    monkeypatch.setattr("examples.quickstart.aiostore.connect", lambda _url, **_options: store)
    with pytest.raises(quickstart.MismatchError, match=r"module\.py: the bytes are not those of the file"):
        await quickstart.run("memory://")
    assert [meta.key async for meta in aiostore.Store(driver).list()] == []


@pytest.mark.parametrize(("terminal", "expected"), [(True, "\r"), (False, "\n")])
def test_progress_is_one_line_on_a_terminal(terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(output, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", output)
    for done in range(8 * quickstart.MIB, quickstart.LARGE + 1, 8 * quickstart.MIB):
        quickstart.show_progress(done, None)
    text = output.getvalue()
    assert text.count("\n") == (1 if terminal else 4)
    assert text.count(expected) == (8 if terminal else 4)
    assert text.endswith("64 of 64 MiB\n")
