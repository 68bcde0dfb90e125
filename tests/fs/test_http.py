"""Web servers by URL: what can only be read is read with the same functions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import aiostore
from aiostore import NotSupportedError, StorePath, fs
from tests.servers.nginx import NginxEndpoint


@pytest.fixture
async def site(nginx: NginxEndpoint) -> AsyncIterator[str]:
    """The URL of a directory on nginx with two files below."""
    name = secrets.token_hex(8)
    directory = Path(nginx.root, name, "deep")
    directory.mkdir(parents=True)
    (directory / "a b.txt").write_bytes(b"one\ntwo\n")
    (directory.parent / "index").write_bytes(b"top")
    yield f"{nginx.url}/html/{name}"
    await fs.aclose()


async def test_a_file_is_opened_asked_for_and_copied(site: str, tmp_path: Path) -> None:
    url = fs.join(site, "deep", "a b.txt")
    async with aiostore.open(url) as file:
        assert [line async for line in file] == ["one\n", "two\n"]
    assert (await fs.stat(url)).st_size == 8
    assert await fs.isfile(url)
    assert not await fs.exists(fs.join(site, "missing"))
    await fs.copy(url, tmp_path)
    assert (tmp_path / "a b.txt").read_bytes() == b"one\ntwo\n"
    assert await StorePath(url).read_text() == "one\ntwo\n"
    async with aiostore.local_copy(url) as path:
        assert path.read_bytes() == b"one\ntwo\n"


async def test_what_it_indexes_is_listed(site: str) -> None:
    assert sorted(await fs.listdir(site)) == ["deep", "index"]
    assert await fs.glob(fs.join(site, "**/*.txt"), recursive=True) == [fs.join(site, "deep", "a b.txt")]
    assert await fs.isdir(fs.join(site, "deep"))


async def test_what_it_does_not_take_is_refused(site: str) -> None:
    with pytest.raises(NotSupportedError):
        async with aiostore.open(fs.join(site, "new"), "wb") as file:
            await file.write(b"data")
