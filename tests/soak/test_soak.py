from __future__ import annotations

import secrets

from tests.soak import backends
from tests.soak.soak import soak


async def test_a_store_that_fails_at_random_equals_its_model_and_keeps_nothing() -> None:
    seed = secrets.randbelow(10**6)
    try:
        async with backends.memory(seed) as backend:
            report = await soak(backend, seconds=5, seed=seed, allowance=16 * 1024)
    except BaseException as error:
        error.add_note(f"again: python -m tests.soak --on memory --seconds 5 --seed {seed}")
        raise
    wanted = {"put large", "put stream", "create", "create refused", "get ranges", "stream left", "copy", "rename"}
    assert wanted <= set(report.operations)
    assert report.unknown.total() > 0
