"""The same tree by URL on every kind of store: memory, a local directory, a bucket on the real gateway."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from aiostore import S3Store, fs
from tests.servers.ceph import CephEndpoint


@pytest.fixture
async def _fs() -> AsyncIterator[None]:
    yield
    await fs.aclose()


@pytest.fixture
def memory(_fs: None) -> str:
    """The URL of an empty container in memory."""
    return f"memory://fs-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def gateway(ceph: CephEndpoint) -> Iterator[str]:
    """The URL of a bucket on the real gateway, with its options but its credentials."""
    name = f"fs-{secrets.token_hex(4)}"

    async def use(step: Callable[[S3Store], Awaitable[None]]) -> None:
        async with S3Store(
            name,
            endpoint=ceph.url,
            region=ceph.region,
            access_key_id=ceph.access_key_id,
            secret_access_key=ceph.secret_access_key,
        ) as store:
            await step(store)

    asyncio.run(use(lambda store: store.create_container()))
    yield f"s3://{name}{{}}?endpoint={ceph.url}&region={ceph.region}&dialect=ceph"
    asyncio.run(use(lambda store: store.delete_container(force=True)))


@pytest.fixture
def s3(gateway: str, ceph: CephEndpoint, monkeypatch: pytest.MonkeyPatch, _fs: None) -> str:
    """The URL of a new folder on the real gateway; credentials come from the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.secret_access_key)
    return gateway.format(f"/{secrets.token_hex(4)}")


@pytest.fixture(params=["memory", "local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, _fs: None) -> str:
    """A URL or path below which there is nothing yet; in memory and on the gateway not even a directory."""
    if request.param == "local":
        directory = tmp_path / "root"
        directory.mkdir()
        return str(directory)
    url: str = request.getfixturevalue(request.param)
    return url if request.param == "s3" else f"{url}/root"
