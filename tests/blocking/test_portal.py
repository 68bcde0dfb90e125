"""Blocking calls over the one event loop of the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from aiostore.blocking import portal


def run(script: str, *, within: float = 30) -> str:
    """Run a script as a user would, every warning an error, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def thread() -> int:
    return threading.get_ident()


def test_all_threads_share_one_loop() -> None:
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(portal.run(thread()))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(seen) == {portal.call(thread)}
    assert threading.get_ident() not in seen


def test_an_error_is_raised_where_the_call_was_made() -> None:
    async def fail() -> None:
        raise LookupError("there is nothing")

    with pytest.raises(LookupError, match="nothing") as caught:
        portal.run(fail())
    assert caught.value.__context__ is None


def test_what_would_end_a_thread_ends_the_call_alone() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        portal.run(leave())
    assert portal.call(thread)


async def test_a_call_on_the_thread_of_a_loop_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await .* asyncio\.to_thread"):
        portal.run(thread())


def test_a_call_on_the_bridge_itself_is_an_error_and_no_deadlock() -> None:
    async def again() -> int:
        return portal.run(thread())

    with pytest.raises(RuntimeError, match="event loop"):
        portal.run(again())


async def test_a_worker_thread_of_a_running_loop_may_call() -> None:
    assert await asyncio.to_thread(portal.call, thread) != threading.get_ident()


class Numbers:
    """Counts up to ``stop``, and knows how far it was asked and whether it was closed."""

    def __init__(self, stop: int) -> None:
        self.asked = 0
        self.closed = threading.Event()
        self._stop = stop

    async def count(self) -> AsyncIterator[int]:
        try:
            for number in range(self._stop):
                self.asked = number + 1
                yield number
            raise LookupError("no more")
        finally:
            self.closed.set()


def test_an_iterator_brings_all_items_then_the_error() -> None:
    items = []
    with pytest.raises(LookupError, match="no more"):
        for item in portal.iterate(Numbers(50).count(), ahead=9):
            items.append(item)  # noqa: PERF402  # what came before the error
    assert items == list(range(50))


def test_an_iterator_asks_for_no_more_than_it_may() -> None:
    numbers = Numbers(1000)
    iterator = portal.iterate(numbers.count(), ahead=9)
    assert next(iterator) == 0
    assert numbers.asked == 1
    for _ in range(100):
        next(iterator)
    assert numbers.asked <= 101 + 9
    iterator.close()


@pytest.mark.parametrize("leave", ["close", "with", "drop"])
def test_an_iterator_that_is_left_early_releases_what_it_holds(leave: str) -> None:
    numbers = Numbers(1000)
    if leave == "drop":
        for _ in portal.iterate(numbers.count()):
            break
    elif leave == "close":
        iterator = portal.iterate(numbers.count())
        next(iterator)
        iterator.close()
        assert list(iterator) == []
    else:
        with portal.iterate(numbers.count()) as iterator:
            next(iterator)
    assert numbers.closed.wait(10)


def test_a_real_interrupt_cancels_the_coroutine_and_waits_for_its_end() -> None:
    out = run(
        """
        import asyncio, os, signal, threading, time
        from aiostore.blocking import portal

        async def work():
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.2)
                print("cleaned up", flush=True)

        try:
            portal.run(work())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert out.split("\n") == ["cleaned up", "interrupted", ""]


def test_a_second_interrupt_ends_the_wait() -> None:
    run(
        """
        import asyncio, os, signal, threading, time
        from aiostore.blocking import portal

        async def work():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(60)
            finally:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
                await asyncio.sleep(60)

        begun = time.monotonic()
        try:
            portal.run(work())
        except KeyboardInterrupt:
            assert time.monotonic() - begun < 9
        else:
            raise AssertionError
        """
    )


def test_a_call_that_was_interrupted_before_it_began_is_never_carried_out() -> None:
    begun = []

    async def work() -> None:
        begun.append(True)

    call = portal._Call(work())
    loop = portal.current()._loop

    async def at_once() -> None:
        call.begin()
        call.cancel()

    portal.run(at_once())
    assert call.done.acquire(timeout=10)
    assert isinstance(call.error, asyncio.CancelledError)
    assert not begun
    assert loop.is_running()


def test_a_child_process_has_a_bridge_of_its_own_and_the_parent_keeps_its() -> None:
    out = run(
        """
        import os
        from aiostore.blocking import portal

        async def numbers():
            while True:
                yield os.getpid()

        async def pid():
            return os.getpid()

        iterator = portal.iterate(numbers())
        assert next(iterator) == portal.run(pid()) == os.getpid()
        child = os.fork()
        if not child:
            assert portal.run(pid()) == os.getpid()
            try:
                next(iterator)
            except RuntimeError as error:
                assert "fork" in str(error), error
            else:
                os._exit(1)
            del iterator
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert next(iterator) == portal.run(pid()) == os.getpid()
        print("both")
        """
    )
    assert out == "both\n"


def test_exit_waits_for_nothing() -> None:
    begun = time.monotonic()
    run(
        """
        import asyncio, threading
        from aiostore.blocking import portal

        async def begin():
            keep.append(asyncio.create_task(asyncio.sleep(3600)))

        async def forever():
            while True:
                await asyncio.sleep(0.01)
                yield 1

        class Late:
            def __del__(self):
                try:
                    portal.run(asyncio.sleep(0))
                except RuntimeError:
                    pass

        keep = [Late()]
        portal.run(begin())
        iterator = portal.iterate(forever())
        next(iterator)
        threading.Thread(target=lambda: portal.run(asyncio.sleep(3600)), daemon=True).start()
        """
    )
    assert time.monotonic() - begun < 10


def test_what_a_call_raised_is_not_kept_alive() -> None:
    import gc
    import weakref

    class FailedError(Exception):
        pass

    async def fail() -> None:
        raise FailedError

    gc.disable()
    try:
        try:
            portal.run(fail())
        except FailedError as error:
            left = weakref.ref(error)
        until(lambda: left() is None)
    finally:
        gc.enable()
