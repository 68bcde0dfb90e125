"""Listings: pages one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from aiostore._engine import own_write
from aiostore._engine.context import Context
from aiostore.errors import UnavailableError
from aiostore.types import ListOptions, ListPage, ListResult, ObjectMeta


class Page(Protocol):
    """What all pages have: the token of the next one, None on the last."""

    @property
    def next_token(self) -> str | None: ...


P = TypeVar("P", bound=Page)


async def pages(call: Callable[[str | None], Awaitable[P]], location: str) -> AsyncIterator[P]:
    """Every page, beginning with that of the token None.

    Raises:
        UnavailableError: if the service answers with the token that it was given, which would never end.
    """
    token: str | None = None
    while True:
        page = await call(token)
        yield page
        if page.next_token is None:
            return
        if page.next_token == token:
            raise UnavailableError(
                "the service repeats a page of the listing for ever", operation="list", store=location
            )
        token = page.next_token


async def objects(context: Context, prefix: str, start_after: str | None) -> AsyncIterator[ObjectMeta]:
    """Every object below ``prefix`` whose key sorts after ``start_after``."""
    driver = context.driver

    def call(token: str | None) -> Awaitable[ListPage]:
        return driver.list_page(ListOptions(prefix=prefix, start_after=start_after, page_token=token))

    async for page in pages(call, driver.location):
        for meta in page.objects:
            yield own_write.hide(meta) if meta.metadata else meta


async def list_pages(
    context: Context, prefix: str, delimiter: str | None, start_after: str | None, limit: int | None
) -> AsyncGenerator[ListPage, None]:
    """The pages of a listing, as the service makes them."""
    driver = context.driver

    def call(token: str | None) -> Awaitable[ListPage]:
        options = ListOptions(
            prefix=prefix, delimiter=delimiter, start_after=start_after, page_token=token, limit=limit
        )
        return driver.list_page(options)

    async for page in pages(call, driver.location):
        yield replace(page, objects=[own_write.hide(meta) if meta.metadata else meta for meta in page.objects])


async def level(context: Context, prefix: str, delimiter: str) -> ListResult:
    """The objects and common prefixes of one level."""
    found: list[ObjectMeta] = []
    common_prefixes: list[str] = []
    async for page in list_pages(context, prefix, delimiter, None, None):
        found.extend(page.objects)
        common_prefixes.extend(page.common_prefixes)
    return ListResult(objects=found, common_prefixes=common_prefixes)
