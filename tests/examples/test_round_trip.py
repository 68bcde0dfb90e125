"""A tree to two stores and back, as a user runs it."""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples import round_trip
from tests.examples.conftest import EXAMPLES, Place

JSON = str(Path(sysconfig.get_path("stdlib")) / "json")
"""A small part of the standard library."""


async def run(*arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "round_trip.py"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    async with asyncio.timeout(60):
        output, complaint = await process.communicate()
    return process.returncode, output.decode(), complaint.decode()


async def test_a_tree_comes_back_from_two_directories(tmp_path: Path) -> None:
    status, output, complaint = await run("--tree", JSON, environment={"TMPDIR": str(tmp_path)})
    assert (status, complaint) == (0, "")
    assert output.endswith("The tree came back as it was sent.\n")
    assert output.count("copy ") == 3
    assert list(tmp_path.iterdir()) == []


async def test_a_tree_comes_back_from_s3_and_swift(bucket: Place, swift_container: Place) -> None:
    environment = {**bucket.environment, **swift_container.environment}
    status, output, complaint = await run("--tree", JSON, bucket.url, swift_container.url, environment=environment)
    assert (status, complaint) == (0, "")
    assert "-> swift://" in output
    assert await bucket.keys() == await swift_container.keys() == []


def test_a_byte_that_is_another_is_noticed(tmp_path: Path) -> None:
    for name in ("sent", "received"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub/file").write_bytes(name[:1].encode())
    with pytest.raises(round_trip.MismatchError, match="sub/file"):
        round_trip.compare(tmp_path / "sent", tmp_path / "received")
