"""The pandas example, as its users run it."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.examples.conftest import EXAMPLES, Place


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


async def run(url: str, *arguments: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "pandas_blocking.py"),
        url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment, "PYTHONIOENCODING": "utf-8"},
    )
    async with asyncio.timeout(60):
        output, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
    return output.decode()


async def test_measurements_are_summed_up_by_city(place: Place) -> None:
    output = await run(place.url, "--rows=25000", **place.environment)
    assert sum(int(line.split()[1].replace(",", "")) for line in output.splitlines()) == 25_000
    table = pd.read_csv(io.BytesIO(await place.store.get("measurements.csv")))
    kept = pd.read_parquet(io.BytesIO(await place.store.get("by-city/Bergen.parquet")))
    assert list(kept["celsius"]) == list(table[table["city"] == "Bergen"]["celsius"])


async def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    output = await run(str(tmp_path / "measurements"), "--rows=50")
    assert len(output.splitlines()) == 3
