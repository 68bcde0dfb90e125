from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aiostore import RetryPolicy, Store
from aiostore.body import Body, Buffers
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    ConnectionLostError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitedError,
    StoreError,
    TransientError,
    UnavailableError,
)
from aiostore.types import DeleteOptions, DeleteResult, GetOptions, ObjectMeta, PutOptions, PutResult
from aiostore.wrappers.retry import Backoff, RetryBudget, RetryDriver

QUICK = RetryPolicy(first_delay=0)


class Failing(MemoryDriver):
    """Raises the given errors, one for each head, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.calls = 0

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return ObjectMeta(key=key, size=1)

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return PutResult()


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits asked for, none of which is waited."""
    waited: list[float] = []

    async def sleep(delay: float) -> None:
        waited.append(delay)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


async def test_transient_errors_are_retried_until_the_request_succeeds() -> None:
    driver = Failing(UnavailableError("a"), ConnectionLostError("b", answered=False))
    meta = await RetryDriver(driver, QUICK).head("k", GetOptions())
    assert (meta.size, driver.calls) == (1, 3)


async def test_an_error_that_is_not_transient_is_raised_at_once() -> None:
    driver = Failing(NotFoundError("no"))
    with pytest.raises(NotFoundError):
        await RetryDriver(driver, QUICK).head("k", GetOptions())
    assert driver.calls == 1


async def test_the_last_error_is_raised_when_the_attempts_are_used_up() -> None:
    driver = Failing(*[UnavailableError(str(number)) for number in range(9)])
    with pytest.raises(UnavailableError, match="2"):
        await RetryDriver(driver, RetryPolicy(first_delay=0, attempts=3)).head("k", GetOptions())
    assert driver.calls == 3


async def test_a_refusal_tells_how_many_attempts_before_it_were_not_answered() -> None:
    driver = Failing(
        ConnectionLostError("lost", answered=False),
        UnavailableError("answered"),
        ConnectionLostError("lost", answered=False),
        PreconditionFailedError("no"),
    )
    with pytest.raises(PreconditionFailedError) as raised:
        await RetryDriver(driver, QUICK).head("k", GetOptions())
    assert raised.value.unanswered == 2


async def test_an_append_without_an_answer_is_not_sent_again() -> None:
    driver = Failing(ConnectionLostError("lost", answered=False))
    with pytest.raises(ConnectionLostError):
        await RetryDriver(driver, QUICK).append("k", Buffers((b"x",)), 0, PutOptions())
    assert driver.calls == 1


async def test_an_append_that_was_refused_for_the_moment_is_sent_again() -> None:
    driver = Failing(UnavailableError("busy"))
    await RetryDriver(driver, QUICK).append("k", Buffers((b"x",)), 0, PutOptions())
    assert driver.calls == 2


async def test_waits_are_jittered_below_a_doubling_ceiling(delays: list[float]) -> None:
    policy = RetryPolicy(first_delay=0.1, max_delay=1, attempts=20)
    driver = Failing(*[UnavailableError("x")] * 15)
    await RetryDriver(driver, policy).head("k", GetOptions())
    ceilings = [min(1, 0.1 * 2 ** (number + 1)) for number in range(15)]
    assert all(0 <= delay <= ceiling for delay, ceiling in zip(delays, ceilings, strict=True))
    assert len(set(delays)) == 15


async def test_the_wait_is_at_least_what_the_service_asks_for(delays: list[float]) -> None:
    await RetryDriver(Failing(RateLimitedError("slow", retry_after=7)), QUICK).head("k", GetOptions())
    assert delays == [7]


async def test_a_service_that_asks_for_too_long_a_wait_is_an_error_at_once(delays: list[float]) -> None:
    driver = Failing(RateLimitedError("slow", retry_after=3600))
    with pytest.raises(RateLimitedError) as raised:
        await RetryDriver(driver, QUICK).head("k", GetOptions())
    assert (raised.value.retry_after, delays, driver.calls) == (3600, [], 1)


async def test_an_empty_budget_stops_retries_and_successes_fill_it_again() -> None:
    policy = RetryPolicy(first_delay=0, budget=2, refill=0.5, attempts=100)
    driver = Failing(*[UnavailableError("x")] * 3)
    retrying = RetryDriver(driver, policy)
    with pytest.raises(UnavailableError):
        await retrying.head("k", GetOptions())
    assert driver.calls == 3
    for _ in range(2):
        await retrying.head("k", GetOptions())
    driver.errors = [UnavailableError("x")]
    assert (await retrying.head("k", GetOptions())).size == 1


async def test_progress_starts_the_count_of_attempts_anew() -> None:
    policy = RetryPolicy(first_delay=0, attempts=2)
    backoff = Backoff(policy, RetryBudget(policy))
    for _ in range(50):
        await backoff.wait(UnavailableError("x"))
        backoff.progressed()
    await backoff.wait(UnavailableError("x"))
    with pytest.raises(UnavailableError):
        await backoff.wait(UnavailableError("x"))


async def test_a_timeout_ends_the_retries() -> None:
    driver = Failing(*[UnavailableError("x", retry_after=60)] * 5)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await RetryDriver(driver, QUICK).head("k", GetOptions())
    assert driver.calls == 1


async def test_siblings_draw_from_one_budget() -> None:
    retrying = RetryDriver(MemoryDriver(), QUICK)
    sibling: Any = retrying.sibling("other")
    assert sibling.budget is retrying.budget


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"first_delay": -1.0}, {"max_delay": 0}, {"budget": -1.0}, {"refill": -1.0}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


async def test_a_store_uses_the_policy_it_was_given() -> None:
    driver = Failing(UnavailableError("x"), UnavailableError("x"))
    async with Store(driver, retry=RetryPolicy(attempts=2, first_delay=0)) as store:
        with pytest.raises(TransientError):
            await store.head("k")
    assert driver.calls == 2


class Half(MemoryDriver):
    """Deletes a key only when it is asked as often as its error list is long; notes what it was asked."""

    def __init__(self, **errors: list[StoreError]) -> None:
        super().__init__()
        self.errors = errors
        self.asked: list[list[str]] = []

    async def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        self.asked.append(list(keys))
        if self.errors.get("all"):
            raise self.errors["all"].pop(0)
        return [DeleteResult(key=key, error=self.errors[key].pop(0) if self.errors.get(key) else None) for key in keys]


async def test_of_a_bulk_delete_what_may_help_is_sent_again() -> None:
    busy, never = UnavailableError("busy"), PermissionDeniedError("never")
    driver = Half(b=[busy], c=[never], d=[busy, RateLimitedError("slower")])
    results = await RetryDriver(driver, QUICK).delete_many(["a", "b", "c", "d"], DeleteOptions())
    assert [(result.key, result.error) for result in results] == [("a", None), ("b", None), ("c", never), ("d", None)]
    assert driver.asked == [["a", "b", "c", "d"], ["b", "d"], ["d"]]


async def test_a_bulk_delete_gives_up_key_by_key(delays: list[float]) -> None:
    errors: list[StoreError] = [UnavailableError(str(number)) for number in range(9)]
    driver = Half(b=errors)
    results = await RetryDriver(driver, RetryPolicy(attempts=3)).delete_many(["a", "b"], DeleteOptions())
    assert [str(result.error) for result in results] == ["None", "2"]
    assert (len(driver.asked), len(delays)) == (3, 2)


async def test_a_bulk_delete_that_fails_as_a_whole_later_keeps_what_is_known() -> None:
    driver = Half(b=[UnavailableError("busy")])
    first = await RetryDriver(driver, RetryPolicy(attempts=1)).delete_many(["a", "b"], DeleteOptions())
    assert [str(result.error) for result in first] == ["None", "busy"]
    driver = Half(b=[UnavailableError("busy")])

    async def refuse(keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        results = await Half.delete_many(driver, keys, options)
        driver.errors["all"] = [PermissionDeniedError("revoked")]
        return results

    driver.delete_many = refuse  # type: ignore[method-assign]  # what answers first refuses then
    results = await RetryDriver(driver, QUICK).delete_many(["a", "b"], DeleteOptions())
    assert [str(result.error) for result in results] == ["None", "revoked"]
