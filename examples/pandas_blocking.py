"""Pandas over objects, without `await`: a table of measurements as CSV, summed up by city, kept as Parquet.

    python examples/pandas_blocking.py /tmp/measurements
    python examples/pandas_blocking.py 's3://bucket/measurements?endpoint=http://127.0.0.1:9000'

It needs pandas and pyarrow. Credentials and region come from the AWS_* environment.
"""

from __future__ import annotations

import argparse
import random

import pandas as pd

import aiostore
from aiostore.blocking import BlockingStore

CITIES = ["Bergen", "Kraków", "Málaga"]


def record(store: BlockingStore, rows: int) -> None:
    """Write measurements as CSV; nothing is published if this fails half-way."""
    dice = random.Random(1)
    with store.open("measurements.csv", "w", content_type="text/csv") as file:
        file.write("city,celsius\n")
        for _ in range(rows):
            file.write(f"{dice.choice(CITIES)},{dice.gauss(12, 8):.1f}\n")


def summarize(store: BlockingStore) -> None:
    """Read the CSV, as it arrives and a part at a time, and write one Parquet file for each city."""
    parts: dict[str, list[pd.DataFrame]] = {city: [] for city in CITIES}
    with store.open("measurements.csv") as file:
        for part in pd.read_csv(file, chunksize=10_000):
            for city, rows in part.groupby("city"):
                parts[city].append(rows)
    for city, frames in parts.items():
        with store.open(f"by-city/{city}.parquet", "wb") as target:
            pd.concat(frames).to_parquet(target, index=False)


def report(store: BlockingStore) -> None:
    """Read one column of each Parquet file: only its bytes, and the file's footer, are fetched."""
    for meta in store.list("by-city/"):
        with store.open(meta.key, "rb") as source:
            celsius = pd.read_parquet(source, columns=["celsius"])["celsius"]
        print(f"{meta.key:24} {len(celsius):>8,} rows, mean {celsius.mean():5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where to put the objects: a URL or a directory")
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    with aiostore.blocking.connect(options.url) as store:
        try:
            record(store, options.rows)
        except aiostore.NotFoundError:
            store.create_container()  # the directory or bucket was not there yet
            record(store, options.rows)
        summarize(store)
        report(store)


if __name__ == "__main__":
    main()
