"""What is done: every verb, as small as it can be and as large as it must be to take another way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from aiostore import PutResult
from aiostore.types import ListResult, ObjectMeta
from tests.faults.table.backend import PART
from tests.faults.table.backends import BACKENDS, MODELS
from tests.faults.table.cells import SMALL, Cell

SPANS = [(10, 200), (2 * PART, 2 * PART + 100), (4 * PART, 4 * PART + 50)]

ONE_PUT = frozenset({"put"})
PARTS = frozenset({"create_multipart", "put_part", "complete_multipart"})


class Operation(ABC):
    """One verb. ``primitives`` are what it makes of itself, ``of_models`` over models that differ.

    A backend says itself where it uses others.
    """

    name: ClassVar[str]
    primitives: ClassVar[frozenset[str]]
    of_models: ClassVar[Mapping[str, frozenset[str]]] = {}

    def uses(self, driver: str) -> frozenset[str]:
        """The primitives that it uses over this driver."""
        backend = BACKENDS.get(driver)
        found = self.of_models if backend is None else backend.primitives
        return found.get(driver if backend is None else self.name, self.primitives)

    @abstractmethod
    async def prepare(self, cell: Cell) -> None:
        """Make what it needs, beside the fault."""

    @abstractmethod
    async def act(self, cell: Cell) -> object:
        """Do it."""

    @abstractmethod
    async def check_done(self, cell: Cell, result: object) -> None:
        """The result is right, and what it did is visible: once, and whole."""

    @abstractmethod
    async def check_undone(self, cell: Cell) -> None:
        """Everything is as it was before."""


class Read(Operation):
    """Changes nothing."""

    size: ClassVar[str] = "large"

    async def prepare(self, cell: Cell) -> None:
        await cell.put("object", self.data(cell))

    def data(self, cell: Cell) -> bytes:
        return cell.small if self.size == "small" else cell.large

    async def check_done(self, cell: Cell, result: object) -> None:
        assert result == self.expected(cell)

    @abstractmethod
    def expected(self, cell: Cell) -> object: ...

    async def check_undone(self, cell: Cell) -> None:
        assert not [path for path in cell.directory.iterdir() if path.name != "file"]


class GetSmall(Read):
    name = "get small"
    primitives = frozenset({"get"})
    size = "small"

    async def act(self, cell: Cell) -> object:
        return await cell.store.get("object")

    def expected(self, cell: Cell) -> object:
        return cell.small


class GetLarge(Read):
    name = "get large"
    primitives = frozenset({"get", "get_range"})
    of_models: ClassVar[Mapping[str, frozenset[str]]] = {"local": frozenset({"get"})}

    async def act(self, cell: Cell) -> object:
        return await cell.store.get("object")

    def expected(self, cell: Cell) -> object:
        return cell.large


class Stream(GetLarge):
    name = "stream"
    of_models: ClassVar[Mapping[str, frozenset[str]]] = {
        **GetLarge.of_models,
        "memory": frozenset({"get", "get_range", "list_ranges"}),
    }

    async def prepare(self, cell: Cell) -> None:
        if cell.backend is not None:
            await super().prepare(cell)
        else:
            # In parts: memory keeps their checksums.
            await cell.direct.put("object", cell.large, part_size=PART)
            cell.metas["object"] = await cell.direct.head("object")

    async def act(self, cell: Cell) -> object:
        chunks = []
        length = 0
        async for chunk in cell.store.stream("object"):
            length += len(chunk)
            chunks.append(chunk)
            if length == len(cell.large):
                # What was handed out as a whole must be right, whatever is raised afterwards.
                assert b"".join(chunks) == cell.large
        return b"".join(chunks)


class GetRange(Read):
    name = "get_range"
    primitives = frozenset({"get_range"})
    size = "small"

    async def act(self, cell: Cell) -> object:
        return await cell.store.get_range("object", 50, 250)

    def expected(self, cell: Cell) -> object:
        return cell.small[50:250]


class GetRanges(Read):
    name = "get_ranges"
    primitives = frozenset({"get_range"})

    async def act(self, cell: Cell) -> object:
        return await cell.store.get_ranges("object", SPANS)

    def expected(self, cell: Cell) -> object:
        return [cell.large[start:stop] for start, stop in SPANS]


class Download(GetLarge):
    name = "download"

    async def prepare(self, cell: Cell) -> None:
        await super().prepare(cell)
        (cell.directory / "file").write_bytes(b"as it was")

    async def act(self, cell: Cell) -> object:
        await cell.store.download("object", cell.directory / "file")
        return (cell.directory / "file").read_bytes()

    async def check_undone(self, cell: Cell) -> None:
        await super().check_undone(cell)
        assert (cell.directory / "file").read_bytes() == b"as it was"


class Head(Read):
    name = "head"
    primitives = frozenset({"head"})
    size = "small"

    async def act(self, cell: Cell) -> object:
        return await cell.store.head("object")

    def expected(self, cell: Cell) -> object:
        return cell.metas["object"]


class Exists(Read):
    name = "exists"
    primitives = frozenset({"head"})
    size = "small"

    async def act(self, cell: Cell) -> object:
        return await cell.store.exists("object"), await cell.store.exists("missing")

    def expected(self, cell: Cell) -> object:
        return True, False


class List(Read):
    name = "list"
    primitives = frozenset({"list_page"})
    size = "small"

    async def prepare(self, cell: Cell) -> None:
        for key in ("a/1", "a/2", "b"):
            await cell.put(key, cell.old)

    async def act(self, cell: Cell) -> object:
        return [meta.key async for meta in cell.store.list()]

    def expected(self, cell: Cell) -> object:
        return ["a/1", "a/2", "b"]


class ListWithDelimiter(List):
    name = "list_with_delimiter"

    async def act(self, cell: Cell) -> object:
        level: ListResult = await cell.store.list_with_delimiter()
        return [meta.key for meta in level.objects], list(level.common_prefixes)

    def expected(self, cell: Cell) -> object:
        return ["b"], ["a/"]


class GetTags(Read):
    name = "get_tags"
    primitives = frozenset({"get_tags"})
    size = "small"

    async def prepare(self, cell: Cell) -> None:
        await super().prepare(cell)
        await cell.direct.set_tags("object", {"name": "value"})

    async def act(self, cell: Cell) -> object:
        return await cell.store.get_tags("object")

    def expected(self, cell: Cell) -> object:
        return {"name": "value"}


class Sign(Read):
    name = "sign"
    primitives = frozenset()
    size = "small"

    async def act(self, cell: Cell) -> object:
        return (await cell.store.sign("object")).partition(":")[0]

    def expected(self, cell: Cell) -> object:
        return "http"


class Put(Operation):
    """Replaces an object."""

    async def prepare(self, cell: Cell) -> None:
        await cell.put("object", cell.old)

    def data(self, cell: Cell) -> bytes:
        return cell.small

    async def check_done(self, cell: Cell, result: object) -> None:
        assert isinstance(result, PutResult)
        assert await cell.visible("object") == self.data(cell)
        meta: ObjectMeta = await cell.direct.head("object")
        assert result.size == len(self.data(cell))
        assert result.etag == (meta.etag if cell.backend is None or cell.backend.etags_written else None)

    async def check_undone(self, cell: Cell) -> None:
        assert await cell.visible("object") == cell.old


class PutSmall(Put):
    name = "put small"
    primitives = ONE_PUT

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.small)


class PutLarge(Put):
    name = "put large"
    primitives = PARTS

    def data(self, cell: Cell) -> bytes:
        return cell.parts

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.parts, part_size=cell.part_size)


class PutIterator(PutLarge):
    name = "put from an async iterator"

    async def act(self, cell: Cell) -> object:
        data = cell.parts

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 1_000_000):
                yield data[start : start + 1_000_000]

        return await cell.store.put("object", pieces(), part_size=cell.part_size)


class PutFile(PutLarge):
    name = "put from a file"

    async def prepare(self, cell: Cell) -> None:
        await super().prepare(cell)
        (cell.directory / "file").write_bytes(cell.parts)

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.directory / "file", part_size=cell.part_size)


class PutIfAbsent(Put):
    name = "put if_absent"
    primitives = ONE_PUT

    async def prepare(self, cell: Cell) -> None:
        """Nothing: there must be no object."""

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.small, if_absent=True)

    async def check_undone(self, cell: Cell) -> None:
        assert await cell.visible("object") is None


class PutIfMatch(Put):
    name = "put if_match"
    primitives = ONE_PUT

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.small, if_match=cell.metas["object"])


class PutLargeIfAbsent(PutIfAbsent):
    name = "put large if_absent"
    primitives = PARTS

    def data(self, cell: Cell) -> bytes:
        return cell.parts

    async def act(self, cell: Cell) -> object:
        return await cell.store.put("object", cell.parts, if_absent=True, best_effort=True, part_size=cell.part_size)


class Delete(Put):
    name = "delete"
    primitives = frozenset({"delete"})

    async def act(self, cell: Cell) -> object:
        await cell.store.delete("object")
        return None

    async def check_done(self, cell: Cell, result: object) -> None:
        assert await cell.visible("object") is None


class DeleteMany(Operation):
    name = "delete_many"
    primitives = frozenset({"delete_many"})
    keys = ("a", "b", "c")

    async def prepare(self, cell: Cell) -> None:
        for key in (*self.keys, "d"):
            await cell.put(key, cell.old)

    async def act(self, cell: Cell) -> object:
        results = await cell.store.delete_many(self.keys)
        for result in results:
            if result.error is not None:
                raise result.error
        return [result.key for result in results]

    async def check_done(self, cell: Cell, result: object) -> None:
        assert result == list(self.keys)
        assert [meta.key async for meta in cell.direct.list()] == ["d"]

    async def check_undone(self, cell: Cell) -> None:
        assert [meta.key async for meta in cell.direct.list()] == [*self.keys, "d"]


class Copy(Operation):
    name = "copy"
    primitives = frozenset({"copy"})

    async def prepare(self, cell: Cell) -> None:
        await cell.put("source", cell.small)
        await cell.put("target", cell.old)

    async def act(self, cell: Cell) -> object:
        return await cell.store.copy("source", "target")

    async def check_done(self, cell: Cell, result: object) -> None:
        assert await cell.visible("source") == cell.small
        assert await cell.visible("target") == cell.small

    async def check_undone(self, cell: Cell) -> None:
        assert await cell.visible("source") == cell.small
        assert await cell.visible("target") == cell.old


class Rename(Copy):
    name = "rename"
    primitives = frozenset({"head", "copy", "delete"})
    of_models: ClassVar[Mapping[str, frozenset[str]]] = dict.fromkeys(MODELS, frozenset({"head", "rename"}))

    async def act(self, cell: Cell) -> object:
        return await cell.store.rename("source", "target")

    async def check_done(self, cell: Cell, result: object) -> None:
        assert await cell.visible("source") is None
        assert await cell.visible("target") == cell.small


class SetMetadata(Put):
    name = "set_metadata"
    primitives = frozenset({"head", "copy"})
    of_models: ClassVar[Mapping[str, frozenset[str]]] = dict.fromkeys(MODELS, frozenset({"set_metadata"}))

    async def act(self, cell: Cell) -> object:
        return await cell.store.set_metadata("object", metadata={"name": "value"})

    async def check_done(self, cell: Cell, result: object) -> None:
        assert await cell.visible("object") == cell.old
        assert (await cell.direct.head("object")).metadata == {"name": "value"}

    async def check_undone(self, cell: Cell) -> None:
        await super().check_undone(cell)
        assert (await cell.direct.head("object")).metadata == {}


class SetTags(Put):
    name = "set_tags"
    primitives = frozenset({"set_tags"})

    async def act(self, cell: Cell) -> object:
        await cell.store.set_tags("object", {"name": "value"})
        return None

    async def check_done(self, cell: Cell, result: object) -> None:
        assert await cell.direct.get_tags("object") == {"name": "value"}

    async def check_undone(self, cell: Cell) -> None:
        assert await cell.direct.get_tags("object") == {}


class FileRead(Stream):
    """To its end: the first bytes, and then all of it read ahead."""

    name = "open for reading"
    of_models: ClassVar[Mapping[str, frozenset[str]]] = {"memory": Stream.of_models["memory"]}

    async def act(self, cell: Cell) -> object:
        async with cell.store.open("object", "rb") as file:
            return await file.read()


class FileWrite(PutLarge):
    name = "open for writing"

    async def act(self, cell: Cell) -> object:
        file = cell.store.open("object", "wb", part_size=cell.part_size)
        async with file:
            for start in range(0, len(cell.parts), 1_000_000):
                await file.write(cell.parts[start : start + 1_000_000])
        return file.result


class Append(Put):
    name = "open for appending"
    primitives = frozenset({"head", "get", "put"})
    of_models: ClassVar[Mapping[str, frozenset[str]]] = dict.fromkeys(MODELS, frozenset({"head", "append"}))

    def data(self, cell: Cell) -> bytes:
        return cell.old + cell.small

    async def act(self, cell: Cell) -> object:
        file = cell.store.open("object", "ab")
        async with file:
            await file.write(cell.small)
        return file.result


class Update(Put):
    name = "update"
    primitives = frozenset({"get", "put"})

    def data(self, cell: Cell) -> bytes:
        return cell.old + b"changed"

    async def act(self, cell: Cell) -> object:
        return await cell.store.update("object", lambda old: (old or b"") + b"changed")


class Lease(Operation):
    """Taken from whoever left it, and released."""

    name = "lease"
    primitives = frozenset({"get", "put"})

    async def prepare(self, cell: Cell) -> None:
        async with cell.direct.lease("lock") as lease:
            self.token = lease.token

    async def act(self, cell: Cell) -> object:
        async with cell.store.lease("lock", wait=0) as lease:
            lease.check()
            return lease.token

    async def check_done(self, cell: Cell, result: object) -> None:
        async with cell.direct.lease("lock", wait=0) as lease:
            assert isinstance(result, int)
            assert self.token < result < lease.token

    async def check_undone(self, cell: Cell) -> None:
        async with cell.direct.lease("lock", wait=0) as lease:
            assert lease.token > self.token


OPERATIONS: tuple[Operation, ...] = (
    GetSmall(), GetLarge(), Stream(), GetRange(), GetRanges(), Download(),
    Head(), Exists(), List(), ListWithDelimiter(), GetTags(), Sign(),
    PutSmall(), PutLarge(), PutIterator(), PutFile(), PutIfAbsent(), PutIfMatch(), PutLargeIfAbsent(),
    Delete(), DeleteMany(), Copy(), Rename(), SetMetadata(), SetTags(),
    FileRead(), FileWrite(), Append(), Update(), Lease(),
)  # fmt: skip

assert SMALL < PART
