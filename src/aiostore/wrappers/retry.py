"""The one owner of retries: sends a primitive again when its error says that this may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar, TypeVarTuple

from aiostore.errors import StoreError, TransientError
from aiostore.policies import RetryPolicy
from aiostore.protocol import Driver
from aiostore.types import DeleteOptions, DeleteResult
from aiostore.wrappers.wrapper import Wrapper

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RESENT_ONLY_IF_ANSWERED = frozenset({"append", "restore"})
"""Primitives that do harm when they are carried out twice. They are sent again only after an answer said that nothing
was done. All others may be repeated: reads, listings and signatures change nothing; puts, parts and copies write the
same bytes again; a delete of a missing object succeeds; a repeated create of an upload leaves an empty one behind; and
whoever sends conditional writes and completions looks at ``StoreError.unanswered``."""


class RetryBudget:
    """A bucket of tokens that all retries of a store draw from, so that an outage is not multiplied by its callers."""

    __slots__ = ("_capacity", "_refill", "tokens")

    def __init__(self, policy: RetryPolicy) -> None:
        self._capacity = policy.budget
        self._refill = policy.refill
        self.tokens = policy.budget

    def take(self) -> bool:
        """Take one token for a retry; False if the bucket is empty."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def succeeded(self) -> None:
        """A request succeeded: part of a token comes back."""
        if self.tokens < self._capacity:
            self.tokens += self._refill


class Backoff:
    """The waits between the attempts of one request, or of one transfer that goes on where it was cut."""

    __slots__ = ("_budget", "_failures", "_policy")

    def __init__(self, policy: RetryPolicy, budget: RetryBudget) -> None:
        self._policy = policy
        self._budget = budget
        self._failures = 0

    def progressed(self) -> None:
        """Bytes moved since the last failure: the attempts count anew."""
        self._failures = 0

    async def wait(self, error: TransientError) -> None:
        """Wait before the next attempt.

        Raises:
            TransientError: ``error`` itself, if the attempts or the budget are used up, or the service asks for a
                longer wait than the policy allows.
        """
        policy = self._policy
        self._failures += 1
        if self._failures >= policy.attempts or not self._budget.take():
            raise error
        # The exponent is bounded: a healthy transfer may fail any number of times.
        ceiling = min(policy.max_delay, policy.first_delay * 2.0 ** min(self._failures, 64))
        delay = random.uniform(0, ceiling)  # noqa: S311  # spreads load, guards nothing
        if error.retry_after is not None:
            if error.retry_after > policy.max_retry_after:
                raise error
            delay = max(delay, error.retry_after)
        await asyncio.sleep(delay)


class RetryDriver(Wrapper):
    """Sends each primitive again after a ``TransientError``, with full jitter, while policy and budget allow.

    A final error that follows attempts whose outcome is unknown carries their number in ``unanswered``.
    """

    __slots__ = ("budget", "policy")

    def __init__(self, inner: Driver, policy: RetryPolicy, budget: RetryBudget | None = None) -> None:
        super().__init__(inner)
        self.policy = policy
        self.budget = RetryBudget(policy) if budget is None else budget

    def rewrap(self, inner: Driver) -> Driver:
        return RetryDriver(inner, self.policy, self.budget)

    def delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Coroutine[Any, Any, Sequence[DeleteResult]]:
        return self._delete_many(keys, options)

    async def _delete_many(self, keys: Sequence[str], options: DeleteOptions) -> Sequence[DeleteResult]:
        """A request that succeeds may tell of keys that did not: these alone are sent again."""
        results = list(await super().delete_many(keys, options))
        backoff = Backoff(self.policy, self.budget)
        while failed := [number for number, one in enumerate(results) if isinstance(one.error, TransientError)]:
            error = results[failed[0]].error
            assert isinstance(error, TransientError)  # noqa: S101  # it was chosen for that
            try:
                await backoff.wait(error)
                again = await super().delete_many([keys[number] for number in failed], options)
            except StoreError as refusal:
                if refusal is not error:
                    for number in failed:
                        results[number] = DeleteResult(key=keys[number], error=refusal)
                break
            for number, result in zip(failed, again, strict=True):
                results[number] = result
        return results

    async def around(self, operation: str, key: str | None, call: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
        try:
            result = await call(*arguments)
        except TransientError as error:
            return await self._again(error, operation, key, call, *arguments)
        self.budget.succeeded()
        return result

    async def _again(
        self,
        error: TransientError,
        operation: str,
        key: str | None,
        call: Callable[[*Ts], Awaitable[T]],
        *arguments: *Ts,
    ) -> T:
        backoff = Backoff(self.policy, self.budget)
        unanswered = 0
        while True:
            unanswered += not error.answered
            error.unanswered = unanswered
            if not error.answered and operation in RESENT_ONLY_IF_ANSWERED:
                raise error
            await backoff.wait(error)
            try:
                result = await call(*arguments)
            except TransientError as next_error:
                error = next_error
            except StoreError as refusal:
                refusal.unanswered = unanswered
                raise
            else:
                self.budget.succeeded()
                return result
