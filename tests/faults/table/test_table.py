"""Operation x fault x driver: every cell has a rule, and is as the rule says."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.table.backend import Backend, Bucket, Settings
from tests.faults.table.backends import BACKENDS, MODELS
from tests.faults.table.cells import Cell, behind_faulty_driver, behind_proxy, cell_on, model_cell
from tests.faults.table.expectation import Heals, NoRuleError, NotApplicable, Raises, Rule
from tests.faults.table.faults import FAULTS, Clean, Forked, LoopClosed, Status500, TableFault
from tests.faults.table.operations import OPERATIONS, GetSmall, Operation
from tests.faults.table.rules import CONTENDED, MADE_OF_OTHERS, RULES, deciding, expectation

DRIVERS = (*BACKENDS, *MODELS)

IN_ONE_LOOP = tuple(fault for fault in FAULTS if fault not in {Forked, LoopClosed})


def cells(*faults: type[TableFault]) -> list[object]:
    """Every cell of these faults in which something happens."""
    return [
        pytest.param(operation, fault, driver, id=f"{operation.name}-{fault.name}-{driver}")
        for driver in DRIVERS
        for fault in faults
        for operation in OPERATIONS
        if not isinstance(expectation(operation, fault, driver), NotApplicable)
    ]


def test_no_cell_is_blank() -> None:
    for operation in OPERATIONS:
        for fault in FAULTS:
            for driver in DRIVERS:
                found = expectation(operation, fault, driver)
                assert not isinstance(found, NotApplicable) or len(found.reason.split()) >= 3


class Defragment(GetSmall):
    name = "defragment"


class Meteorite(Clean):
    name = "meteorite"


@pytest.mark.parametrize(
    ("operation", "fault", "driver"),
    [(Defragment(), Status500, "ceph"), (GetSmall(), Meteorite, "ceph"), (GetSmall(), Status500, "floppy")],
    ids=["operation", "fault", "driver"],
)
def test_what_is_new_has_no_rule(operation: Operation, fault: type[TableFault], driver: str) -> None:
    with pytest.raises(NoRuleError):
        expectation(operation, fault, driver)


def test_every_rule_decides_a_cell() -> None:
    decisive = {
        id(deciding(operation, fault, driver)) for operation in OPERATIONS for fault in FAULTS for driver in DRIVERS
    }
    of_backends = [rule for backend in BACKENDS.values() for rule in backend.rules]
    assert [rule for rule in (*RULES, *of_backends) if id(rule) not in decisive] == []


def test_a_fault_that_can_happen_is_not_called_impossible_by_a_common_rule() -> None:
    for operation in OPERATIONS:
        for fault in FAULTS:
            for name, backend in BACKENDS.items():
                found = deciding(operation, fault, name)
                if (
                    isinstance(found, Rule)
                    and isinstance(found.expectation, NotApplicable)
                    and found not in backend.rules
                    and found.expectation not in (MADE_OF_OTHERS, CONTENDED)
                    and fault.strikes(backend) & operation.uses(name)
                ):
                    pytest.fail(f"{operation.name!r} under {fault.name!r} on {name!r}: {found.expectation.reason}?")


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_a_backend_speaks_of_operations_and_faults_that_there_are(backend: Backend) -> None:
    operations = {operation.name for operation in OPERATIONS}
    faults = {fault.name for fault in FAULTS}
    assert backend.primitives.keys() <= operations
    assert backend.scenes.keys() <= faults
    for rule in backend.rules:
        assert rule.operations <= operations
        assert rule.faults is None or rule.faults <= faults


# --- the cells --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _small_collections() -> Iterator[None]:
    """What pytest has noted of some thousand cells would be looked through after each of them."""
    yield
    gc.freeze()


@pytest.fixture
def bucket(driver: str, request: pytest.FixtureRequest) -> Bucket | None:
    """A bucket for the cell's driver, if it is one that needs it."""
    if driver in MODELS:
        return None
    found: Bucket = request.getfixturevalue(f"{driver}_bucket")
    return found


@asynccontextmanager
async def cell_of(driver: str, bucket: Bucket | None, directory: Path, settings: Settings) -> AsyncIterator[Cell]:
    if bucket is None:
        async with behind_faulty_driver(driver, directory, settings) as cell:
            yield cell
    else:
        async with behind_proxy(bucket, directory, settings) as cell:
            yield cell


@pytest.mark.parametrize(("operation", "kind", "driver"), cells(*IN_ONE_LOOP))
async def test_cell(
    operation: Operation, kind: type[TableFault], driver: str, bucket: Bucket | None, tmp_path: Path
) -> None:
    expected = expectation(operation, kind, driver)
    fault = kind()
    settings = fault.settings(bucket)
    if isinstance(expected, Raises):
        settings = replace(settings, integrity=expected.integrity)
    primitives = operation.uses(driver)
    async with cell_of(driver, bucket, tmp_path, settings) as cell:
        await operation.prepare(cell)
        tasks = asyncio.all_tasks()
        if isinstance(expected, Heals):
            async with fault.during(cell, primitives):
                result = await operation.act(cell)
            await operation.check_done(cell, result)
        else:
            assert isinstance(expected, Raises)
            async with fault.during(cell, primitives):
                with pytest.raises(expected.error):
                    await operation.act(cell)
            await operation.check_undone(cell)
        fault.assert_struck(cell, primitives, every=isinstance(expected, Heals))
        await cell.assert_nothing_is_left(tasks)


# --- another event loop -----------------------------------------------------------------------------------------------


def plain_cell(driver: str, bucket: Bucket | None, directory: Path) -> Cell:
    """A cell without a proxy, which would belong to one event loop."""
    if bucket is None:
        return model_cell(driver, directory, Settings())
    prefix = f"{secrets.token_hex(6)}/"
    backend = bucket.backend
    store, direct = backend.store(bucket, prefix, Settings()), backend.direct(bucket, prefix)
    return cell_on(bucket, store, direct, directory, prefix)


async def warm(operation: Operation, cell: Cell) -> None:
    """Use the store, so that it has connections."""
    await operation.prepare(cell)
    await cell.store.exists("warm")


async def carry_out(operation: Operation, cell: Cell) -> None:
    """One operation, checked."""
    tasks = asyncio.all_tasks()
    await operation.check_done(cell, await operation.act(cell))
    await cell.assert_nothing_is_left(tasks)


@pytest.mark.parametrize(("operation", "kind", "driver"), cells(LoopClosed))
def test_cell_in_another_loop(
    operation: Operation, kind: type[TableFault], driver: str, bucket: Bucket | None, tmp_path: Path
) -> None:
    with asyncio.Runner() as first:
        cell = plain_cell(driver, bucket, tmp_path)
        first.run(warm(operation, cell))
    asyncio.run(_then_close(carry_out(operation, cell), cell))


@pytest.fixture(scope="module")
def forked() -> dict[str, dict[str, str]]:
    """By driver, what went wrong with each operation in the child: forking takes a while, so it is done once."""
    return {}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(("operation", "kind", "driver"), cells(Forked))
def test_cell_in_a_child(
    operation: Operation,
    kind: type[TableFault],
    driver: str,
    bucket: Bucket | None,
    tmp_path: Path,
    forked: dict[str, dict[str, str]],
) -> None:
    if driver not in forked:
        forked[driver] = in_child(driver, bucket, tmp_path)
    assert forked[driver][operation.name] == ""


def in_child(driver: str, bucket: Bucket | None, directory: Path) -> dict[str, str]:
    """Warm a store for each operation, fork, and carry all of them out there; then the parent's connections still work.

    Returns what went wrong by operation, nothing where nothing did.
    """
    cells: list[tuple[Operation, Cell]] = []
    with asyncio.Runner() as first:
        for number, operation in enumerate(OPERATIONS):
            if not isinstance(expectation(operation, Forked, driver), NotApplicable):
                place = directory / str(number)
                place.mkdir()
                cells.append((operation, plain_cell(driver, bucket, place)))
                first.run(warm(*cells[-1]))
        outcomes = in_fork(lambda: {operation.name: trouble_of(operation, cell) for operation, cell in cells})
        for _, cell in cells:
            first.run(cell.store.exists("warm"))
            first.run(_close(cell))
    return outcomes


def trouble_of(operation: Operation, cell: Cell) -> str:
    try:
        asyncio.run(carry_out(operation, cell))
    except BaseException:
        return traceback.format_exc()[-2000:]
    return ""


async def _then_close(step: Coroutine[None, None, None], cell: Cell) -> None:
    await step
    await _close(cell)


async def _close(cell: Cell) -> None:
    await cell.store.aclose()
    await cell.direct.aclose()


def in_fork(work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What ``work`` returns in a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(writer, "w", encoding="utf-8") as pipe:
                json.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        written = pipe.read()
    os.waitpid(child, 0)
    outcomes: dict[str, str] = json.loads(written)
    return outcomes
