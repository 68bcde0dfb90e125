"""Signed URLs: what they allow, for how long, and what they do not show."""
# ruff: noqa: D102, S101  # a test's name says what it shows

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import pytest

from aiostore.errors import NotSupportedError
from aiostore.store import Store
from aiostore.testing.conformance.suite import Suite, lacks, payload, requires, supports


async def _send(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    # The URL is sent as it is: quoting it again would break the signature.
    from yarl import URL

    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), data=body, headers=headers) as response,
    ):
        return response.status, await response.read()


class Signing(Suite):
    """Tests of ``sign``."""

    @requires(supports("sign"))
    @pytest.mark.parametrize("key", ["key", "a b/é+%\U0001f600&?#='\"", "a//b", "a/../b"])
    async def test_a_signed_url_reads_the_object(self, store: Store, key: str) -> None:
        if key in self.refused_keys:
            return
        await store.put(key, payload(1000))
        assert await _send("GET", await store.sign(key)) == (200, payload(1000))
        assert await _send("HEAD", await store.sign(key, method="HEAD")) == (200, b"")

    @requires(supports("sign"))
    async def test_a_signed_url_writes_and_deletes_the_object(self, store: Store) -> None:
        status, _ = await _send("PUT", await store.sign("key", method="PUT"), payload(1000), self.upload_headers)
        assert status in {200, 201}
        assert await store.get("key") == payload(1000)
        status, _ = await _send("DELETE", await store.sign("key", method="DELETE"))
        assert status in {200, 202, 204}
        assert not await store.exists("key")

    @requires(supports("sign"))
    async def test_a_signed_url_shows_no_secret(self, store: Store) -> None:
        url = await store.sign("key", expires_in=60)
        assert [secret for secret in self.secrets if secret in url] == []

    @requires(supports("sign"))
    @pytest.mark.parametrize("seconds", [0, -1, 10**9, float("nan")])
    async def test_a_lifetime_that_no_service_grants_is_refused(self, store: Store, seconds: float) -> None:
        with pytest.raises(ValueError, match="expires_in"):
            await store.sign("key", expires_in=seconds)

    @requires(lacks("sign"))
    async def test_signing_is_refused_where_there_are_no_urls(self, store: Store) -> None:
        await store.put("key", b"value")
        with pytest.raises(NotSupportedError):
            await store.sign("key")
