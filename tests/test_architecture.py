"""The layers: a module imports only from the rows above it. Found by reading the source, without running it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import aiostore

ROOT: Final = Path(aiostore.__file__).parent
LONGEST: Final = 450
VAGUE: Final = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
SDKS: Final = {"aiobotocore", "azure", "boto3", "botocore", "gcloud", "google", "oss2", "swiftclient"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table of layers. Names end with a dot where they stand for a whole package."""

    modules: tuple[str, ...]
    may_import: tuple[str, ...] = ()
    third_party: frozenset[str] = frozenset()
    siblings: bool = True
    """Whether modules of this row may import each other."""


CONTRACT: Final = (
    "protocol",
    "types",
    "errors",
    "policies",
    "keys",
    "budget",
    "body",
    "capabilities",
    "handles",
)
TRANSPORT: Final = ("_http.", "checksums", "room")
STORE: Final = ("core", "bulk", "store", "services.", "url", "address", "location", "schemes", "aliases", "secrets")

ROWS: Final[Mapping[str, Row]] = {
    "contract": Row(modules=CONTRACT),
    "transport": Row(
        modules=TRANSPORT,
        may_import=CONTRACT,
        third_party=frozenset({"aiohttp", "awscrt", "multidict", "yarl"}),
    ),
    "drivers": Row(
        modules=("drivers.",),
        may_import=(*CONTRACT, *TRANSPORT),
        third_party=frozenset({"aiofiles", "aiohttp", "anyio", "cryptography", "multidict", "yarl", *SDKS}),
    ),
    "wrappers": Row(modules=("wrappers.",), may_import=CONTRACT),
    "engine": Row(
        modules=("_engine.",),
        may_import=(*CONTRACT, "checksums", "wrappers."),
        third_party=frozenset({"aiofiles", "anyio"}),
    ),
    "progress": Row(modules=("progress",), may_import=CONTRACT, third_party=frozenset({"rich"})),
    "files": Row(modules=("files.",), may_import=(*CONTRACT, "_engine.")),
    "store": Row(
        modules=STORE,
        may_import=(*CONTRACT, *TRANSPORT, "drivers.", "wrappers.", "_engine.", "files."),
        third_party=frozenset({"yarl"}),
    ),
    "transfer": Row(
        modules=("transfer.",),
        may_import=(
            *CONTRACT,
            *STORE,
            "files.",
            "checksums",
            "_engine.bulk",
            "_engine.codecs",
            "_engine.gather",
            "_engine.object_stream",
            "_engine.options",
            "_engine.own_write",
            "_engine.read",
            "_engine.resumable",
            "_engine.transcode",
            "_engine.write",
        ),
    ),
    "fs": Row(
        modules=("fs.",),
        may_import=(*CONTRACT, *STORE, "files.", "transfer.", "_engine.gather", "_engine.codecs"),
    ),
    "blocking": Row(
        modules=("blocking.",),
        may_import=(
            *(*CONTRACT, *TRANSPORT, *STORE, "drivers.", "wrappers.", "_engine."),
            *("files.", "transfer.", "fs."),
        ),
        third_party=frozenset({"anyio"}),
    ),
}
EDGES: Final = ("cli.", "integrations.", "testing.", "__main__")
"""May import anything, and nothing imports them."""

DRIVER_FAMILIES: Final = ("base", "memory", "local", "http", "s3", "gcs", "azure", "swift", "oss")
"""Modules of one driver may import each other; ``base`` is everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import statement: whether it is carried out when the module is imported, and where it stands."""

    name: str
    line: int
    eager: bool


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        if any(part.startswith(".") for part in relative.parts):
            continue
        parts = relative.with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES: Final = dict(modules())
PROPER: Final = sorted(name for name in MODULES if name)
"""All modules but the package itself, which names what is public and may import all of it, lazily."""


def imports(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text())
    lazy: set[ast.AST] = set()
    for node in ast.walk(tree):
        type_checking = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or type_checking:
            lazy.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module
            names = [
                submodule if (submodule := f"{node.module}.{alias.name}").removeprefix("aiostore.") in MODULES
                else node.module
                for alias in node.names
            ]  # fmt: skip
        else:
            continue
        for name in names:
            yield Import(name=name, line=node.lineno, eager=node not in lazy)


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or (name.endswith(".") and (module + ".").startswith(name)) for name in names)


def row_of(module: str) -> Row | None:
    return next((row for row in ROWS.values() if within(module, row.modules)), None)


def own_imports(module: str) -> Iterator[tuple[str, int]]:
    for found in imports(MODULES[module]):
        if found.name == "aiostore" or found.name.startswith("aiostore."):
            yield found.name.removeprefix("aiostore").removeprefix("."), found.line


@pytest.mark.parametrize("module", PROPER)
def test_every_module_has_a_row(module: str) -> None:
    assert row_of(module) is not None or within(module, EDGES), f"{module} is in no row of the table"


@pytest.mark.parametrize("module", [name for name in PROPER if row_of(name)])
def test_a_module_imports_only_from_the_rows_above_it(module: str) -> None:
    row = row_of(module)
    assert row is not None
    allowed = (*row.may_import, *row.modules)
    wrong = [f"line {line}: {name or 'aiostore'}" for name, line in own_imports(module) if not within(name, allowed)]
    assert wrong == []


@pytest.mark.parametrize("module", [name for name in PROPER if row_of(name)])
def test_a_module_imports_only_the_packages_of_its_row(module: str) -> None:
    row = row_of(module)
    assert row is not None
    foreign = {found.name.partition(".")[0] for found in imports(MODULES[module])}
    foreign -= {"aiostore", "_typeshed", *sys.stdlib_module_names}  # the second is there for type checkers alone
    assert sorted(foreign - row.third_party) == []


@pytest.mark.parametrize("module", [name for name in PROPER if within(name, ("drivers.",)) and name != "drivers"])
def test_drivers_never_import_each_other(module: str) -> None:
    wrong = [
        f"line {line}: {name}"
        for name, line in own_imports(module)
        if within(name, ("drivers.",)) and family(name) is not None and family(name) not in {"base", family(module)}
    ]
    assert wrong == []


def family(module: str) -> str | None:
    """The driver that a module of ``drivers`` is or belongs to by its name; None for a module that none owns."""
    name = module.partition(".")[2].partition("_")[0]
    return name if name in DRIVER_FAMILIES else None


@pytest.mark.parametrize("module", [name for name in PROPER if within(name, ("drivers.",))])
def test_a_driver_imports_vendor_sdks_only_when_it_needs_them(module: str) -> None:
    eager = {found.name.partition(".")[0] for found in imports(MODULES[module]) if found.eager}
    assert sorted(eager & SDKS) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_has_a_vague_name(module: str) -> None:
    assert not VAGUE & {part.strip("_") for part in module.split(".")}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_is_too_long_to_have_one_responsibility(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("module", ["aiostore", "aiostore.testing", "aiostore.protocol"])
def test_importing_the_package_is_light(module: str) -> None:
    heavy = sorted({"aiohttp", "pytest", "hypothesis", "awscrt", *SDKS} - {"google"})
    code = f"import sys, {module}; print(*sorted(set({heavy}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_the_table_notices_what_it_forbids(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        "import aiohttp.web\n"
        "from aiostore.drivers.base import BaseDriver\n"
        "from aiostore import errors, open\n"
        "def use() -> None:\n    import boto3\n"
    )
    assert [(found.name, found.line, found.eager) for found in imports(source)] == [
        ("aiohttp.web", 1, True),
        ("aiostore.drivers.base", 2, True),
        ("aiostore.errors", 3, True),
        ("aiostore", 3, True),
        ("boto3", 5, False),
    ]
    assert not within("drivers.base", ROWS["wrappers"].may_import)
    assert within("drivers.base", ROWS["store"].may_import)
    assert family("drivers.s3_dialect") == "s3"
