"""What a type checker sees of files. It is checked, never run."""

from __future__ import annotations

from typing import assert_type

from aiostore import AsyncBinaryFile, AsyncObjectStore, AsyncTextFile, MemoryStore, ObjectMeta, PutResult


async def binary_files(store: AsyncObjectStore, meta: ObjectMeta, array: bytearray) -> None:
    async with store.open("key", "rb", buffer_size=1024, version=None, if_match=meta) as reader:
        assert_type(reader, AsyncBinaryFile)
        assert_type(await reader.read(10), bytes)
        assert_type(await reader.readlines(), list[bytes])
        assert_type(await reader.readinto(array), int)
        assert_type(await reader.seek(-5, 2), int)
        assert_type(reader.tell(), int)
        assert_type(reader.meta, ObjectMeta)
        async for line in reader:
            assert_type(line, bytes)
    async with store.open("key", "xb", content_type="text/plain", metadata={"name": "value"}) as writer:
        assert_type(await writer.write(memoryview(array)), int)
        await writer.writelines([b"a", array])
        await writer.abort()
    assert_type(writer.result, PutResult)


async def text_files(store: AsyncObjectStore) -> None:
    async with store.open("key") as reader:
        assert_type(reader, AsyncTextFile)
        assert_type(await reader.readline(), str)
        assert_type(reader.buffer, AsyncBinaryFile)
        async for line in reader:
            assert_type(line, str)
    async with store.open("key", "at", encoding="utf-8", errors="replace", newline="\r\n", part_size=2**23) as writer:
        assert_type(await writer.write("text"), int)
        await writer.writelines(["a", "b"])


def files_of_a_store_are_the_same() -> None:
    store = MemoryStore()
    assert_type(store.open("key", "r"), AsyncTextFile)
    assert_type(store.open("key", "rb"), AsyncBinaryFile)
    store.open("key", "rw")  # type: ignore[call-overload]  # no mode
    store.open("key", "rb", encoding="utf-8")  # type: ignore[call-overload]  # bytes have none
    store.open("key", "wb", buffering=0)  # type: ignore[call-overload]  # no option
