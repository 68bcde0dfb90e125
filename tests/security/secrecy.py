"""Everything a program shows of a failure, to be searched for what must not be in it."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from aiostore import Store
from aiostore.wrappers.observe import Event


class Memory(logging.Handler):
    """Every log record, formatted with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        self._format = logging.Formatter("%(name)s %(message)s %(args)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self._format.format(record), repr(record.args)]


@contextmanager
def all_logs() -> Iterator[Memory]:
    """What any logger says meanwhile, at every level."""
    memory, root = Memory(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in list(root.manager.loggerDict)}
    before = root.level
    root.addHandler(memory)
    root.setLevel(logging.DEBUG)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield memory
    finally:
        root.removeHandler(memory)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def shown(error: BaseException) -> Iterator[str]:
    """All texts of an error and of those that it came from, and what its pickle holds."""
    yield "".join(traceback.format_exception(error))
    yield pickle.dumps(error).decode("latin-1")
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield from (str(link), repr(link), repr(link.args), repr(vars(link)), repr(getattr(link, "__notes__", "")))
        chain += [link.__cause__, None if link.__suppress_context__ else link.__context__]
        if isinstance(link, BaseExceptionGroup):
            chain += link.exceptions


def of_event(event: Event) -> Iterator[str]:
    """What an observer would print."""
    yield repr(event)
    if event.error is not None:
        yield from shown(event.error)


async def failures(calls: Iterable[Callable[[], Awaitable[object]]]) -> list[Exception]:
    """The errors of the calls, each of which must end by itself."""
    errors = []
    for call in calls:
        try:
            async with asyncio.timeout(20):
                await call()
        except Exception as error:
            errors.append(error)
    return errors


def of_store(store: Store) -> Iterator[str]:
    """The representations of a store and of all that it is made of."""
    yield from (repr(store), str(store), store.location, repr(store.capabilities))
    raw = store._raw
    yield repr(raw)
    client = getattr(raw, "_client", None)
    if client is not None:
        service = client.service
        yield from map(repr, (client, service, service.transport, service.transport._options))
        for owner in (service, client):
            yield from (
                repr(getattr(owner, name))
                for name in ("credentials", "endpoint", "address", "authorizer")
                if hasattr(owner, name)
            )


def assert_secret(texts: Iterable[str], secrets: Iterable[str]) -> None:
    """No text holds any of the secrets."""
    wanted = [secret for secret in secrets if secret]
    for text in texts:
        for secret in wanted:
            assert secret not in text, f"{secret!r} is shown in {text[:3000]!r}"
