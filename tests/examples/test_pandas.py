"""The pandas example, as its users run it."""

from __future__ import annotations

import asyncio
import io
import os
import sys

import pandas as pd
import pytest

from tests.examples.conftest import EXAMPLES, Place


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


async def test_measurements_are_summed_up_by_city(place: Place) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "pandas_blocking.py"),
        place.url,
        "--rows=25000",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **place.environment, "PYTHONIOENCODING": "utf-8"},
    )
    async with asyncio.timeout(60):
        output, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
    assert sum(int(line.split()[1].replace(",", "")) for line in output.decode().splitlines()) == 25_000
    table = pd.read_csv(io.BytesIO(await place.store.get("measurements.csv")))
    kept = pd.read_parquet(io.BytesIO(await place.store.get("by-city/Bergen.parquet")))
    assert list(kept["celsius"]) == list(table[table["city"] == "Bergen"]["celsius"])
