"""Several coroutines of one operation at once, at most so many, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def gather(call: Callable[[T], Awaitable[R]], items: Sequence[T], limit: int) -> list[R]:
    """``[await call(item) for item in items]``, at most ``limit`` at a time.

    The first error cancels the others, waits for them, and is raised as it is: an ExceptionGroup never leaves one
    operation.
    """
    results: list[R | None] = [None] * len(items)
    left = iter(range(len(items)))

    async def work() -> None:
        for index in left:
            results[index] = await call(items[index])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise first(errors) from None
    return results  # type: ignore[return-value]  # every index was filled, or an error was raised


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that came first, out of however many groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
