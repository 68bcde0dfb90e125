"""Deletes: one, or many in as few requests as the service takes."""

from __future__ import annotations

from collections.abc import Sequence

from aiostore._engine import own_write
from aiostore._engine.context import Context
from aiostore._engine.gather import gather
from aiostore._engine.listing import pages
from aiostore.capabilities import Guarantee
from aiostore.errors import (
    NotFoundError,
    NotSupportedError,
    StoreClosedError,
    StoreError,
)
from aiostore.protocol import Driver
from aiostore.types import DeleteOptions, DeleteResult, GetOptions, ListOptions, ObjectVersion


async def delete(context: Context, key: str, options: DeleteOptions, *, best_effort: bool) -> None:
    """Delete one object, on a condition that the service keeps against concurrent writers or not at all."""
    driver = context.driver
    if options.if_match is None:
        await driver.delete(key, options)
        return
    if driver.capabilities.delete.if_match is not Guarantee.ATOMIC and not best_effort:
        raise NotSupportedError(
            "this service does not keep if_match against concurrent writers when it deletes;"
            " pass best_effort=True to take what it does",
            key=key,
            operation="delete",
            store=driver.location,
        )
    try:
        await driver.delete(key, options)
    except StoreError as error:
        if not error.unanswered:
            raise
        # After an attempt without an answer, an object that is gone is what was asked for. One that is there may have
        # been written since.
        unknown = own_write.unknown(context, key, error)
        try:
            await driver.head(key, GetOptions(version=options.version))
        except NotFoundError:
            return
        except StoreError as failure:
            raise unknown from failure
        raise unknown from error


async def delete_many(context: Context, keys: Sequence[str], options: DeleteOptions) -> list[DeleteResult]:
    """Delete all ``keys``; one result for each, in their order. What fails for one key does not stop the others."""
    size = context.driver.capabilities.delete_batch
    if size <= 1:

        async def one(key: str) -> DeleteResult:
            try:
                await context.driver.delete(key, options)
            except StoreClosedError:
                raise
            except StoreError as error:
                return DeleteResult(key=key, error=error)
            return DeleteResult(key=key)

        return await gather(one, keys, context.limits.writes)

    async def batch(some: Sequence[str]) -> Sequence[DeleteResult]:
        try:
            return await context.driver.delete_many(some, options)
        except StoreClosedError:
            raise
        except StoreError as error:
            return [DeleteResult(key=key, error=error) for key in some]

    batches = [keys[first : first + size] for first in range(0, len(keys), size)]
    return [result for results in await gather(batch, batches, context.limits.writes) for result in results]


async def empty(context: Context) -> None:
    """Delete every object, version and unfinished upload of the container, a page at a time.

    Raises:
        StoreError: the first that a delete met, or if what was deleted is listed all the same.
    """
    driver = context.driver
    operations = driver.capabilities.operations
    if "list_multipart" in operations:
        async for page in pages(lambda token: driver.list_multipart("", token), driver.location):
            for upload in page.uploads:
                await driver.abort_multipart(upload)
    deleted: list[str] = []
    while found := await _first_keys(driver):
        if found == deleted:
            raise _listed_again(driver, found[0])
        for result in await delete_many(context, found, DeleteOptions()):
            if result.error is not None:
                raise result.error
        deleted = found
    if "list_versions" in operations:

        async def one(version: ObjectVersion) -> None:
            await driver.delete(version.meta.key, DeleteOptions(version=version.meta.version))

        gone: Sequence[ObjectVersion] = ()
        while versions := (await driver.list_versions("")).versions:
            if versions == gone:
                raise _listed_again(driver, versions[0].meta.key)
            await gather(one, versions, context.limits.writes)
            gone = versions


async def _first_keys(driver: Driver) -> list[str]:
    """The keys of the first page that has any: a service may answer with pages that are empty and not the last."""
    async for page in pages(lambda token: driver.list_page(ListOptions(page_token=token)), driver.location):
        if page.objects:
            return [meta.key for meta in page.objects]
    return []


def _listed_again(driver: Driver, key: str) -> StoreError:
    return StoreError(
        "the service lists what it has just deleted; its listing may show another key than the object's",
        key=key,
        operation="delete_container",
        store=driver.location,
    )
