from __future__ import annotations

import asyncio
import hashlib
import pickle
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiostore import checksums
from aiostore.body import Buffers
from aiostore.capabilities import Conditions, Guarantee, PartLimits
from aiostore.drivers import memory
from aiostore.drivers.base_conditions import check_write
from aiostore.drivers.memory import MemoryDriver
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    CorruptedError,
    InvalidRangeError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionFailedError,
    StoreError,
)
from aiostore.protocol import Driver
from aiostore.types import (
    ANY,
    Buffer,
    CopyOptions,
    DeleteOptions,
    Encryption,
    GetOptions,
    ListOptions,
    ListPage,
    Match,
    ObjectMeta,
    PutOptions,
    PutResult,
    SignOptions,
)

DRIVER: Driver = MemoryDriver()
"""The annotation is a test by itself: mypy checks the protocol."""

TINY = PartLimits(min_size=4, max_size=10, max_count=3)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Chunks:
    """A body that does not lie in memory."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.size = sum(map(len, chunks))
        self.buffers = None

    async def chunks(self) -> AsyncIterator[Buffer]:
        for chunk in self._chunks:
            yield chunk


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver(parts=TINY)


async def put(driver: MemoryDriver, key: str, data: bytes = b"value", options: PutOptions | None = None) -> PutResult:
    return await driver.put(key, Buffers([data]), options or PutOptions())


async def read(driver: MemoryDriver, key: str, options: GetOptions | None = None) -> bytes:
    return await (await driver.get(key, options or GetOptions())).stream.read()


async def pages(driver: MemoryDriver, options: ListOptions) -> list[ListPage]:
    found = [await driver.list_page(options)]
    while found[-1].next_token is not None:
        options = ListOptions(
            prefix=options.prefix,
            delimiter=options.delimiter,
            start_after=options.start_after,
            limit=options.limit,
            page_token=found[-1].next_token,
        )
        found.append(await driver.list_page(options))
    return found


async def keys(driver: MemoryDriver, options: ListOptions | None = None) -> list[str]:
    return [meta.key for page in await pages(driver, options or ListOptions()) for meta in page.objects]


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [Buffers([b"ab", bytearray(b"c"), memoryview(b"xdx")[1:2]]), Chunks(b"ab", b"cd")])
async def test_what_was_put_is_read(driver: MemoryDriver, body: Buffers | Chunks) -> None:
    result = await driver.put("key", body, PutOptions())
    assert await read(driver, "key") == b"abcd"
    assert result.size == 4
    assert result.etag == hashlib.md5(b"abcd").hexdigest()
    assert (await driver.head("key", GetOptions())).etag == result.etag


async def test_bytes_are_kept_and_handed_out_without_a_copy(driver: MemoryDriver) -> None:
    data = bytes(3 * 1024**2)
    await put(driver, "key", data)
    answer = await driver.get("key", GetOptions())
    assert await answer.stream.next_chunk() is data
    assert await answer.stream.next_chunk() == b""


async def test_a_caller_may_change_its_buffer_once_it_was_put(driver: MemoryDriver) -> None:
    buffer = bytearray(b"before")
    await driver.put("key", Buffers([buffer]), PutOptions())
    buffer[:] = b"after!"
    assert await read(driver, "key") == b"before"


async def test_a_large_range_arrives_in_blocks(driver: MemoryDriver) -> None:
    data = bytes(range(256)) * 12_000
    await put(driver, "key", data)
    stream = (await driver.get("key", GetOptions(start=1))).stream
    blocks = []
    while block := await stream.next_chunk():
        blocks.append(block)
    assert b"".join(blocks) == data[1:]
    assert len(blocks) == 3


async def test_a_closed_stream_has_ended(driver: MemoryDriver) -> None:
    await put(driver, "key")
    stream = (await driver.get("key", GetOptions())).stream
    await stream.aclose()
    await stream.aclose()
    assert await stream.next_chunk() == b""
    assert await stream.read() == b""


async def test_a_reader_keeps_the_state_that_it_began_with(driver: MemoryDriver) -> None:
    await put(driver, "key", b"old")
    answer = await driver.get("key", GetOptions())
    await put(driver, "key", b"new")
    assert await answer.stream.read() == b"old"


@SLOW
@given(data=st.binary(max_size=40), start=st.integers(-60, 60), stop=st.none() | st.integers(0, 60))
async def test_a_range_is_a_slice_or_refused(driver: MemoryDriver, data: bytes, start: int, stop: int | None) -> None:
    stop = None if start < 0 else stop
    await put(driver, "key", data)
    options = GetOptions(start=start, stop=stop)
    whole = start == 0 and stop is None
    if not whole and (start >= len(data) or not data or (stop is not None and stop <= start)):
        with pytest.raises(InvalidRangeError):
            await driver.get("key", options)
        return
    answer = await driver.get("key", options)
    body = await answer.stream.read()
    assert body == data[start:stop] == data[answer.start : answer.stop]
    assert answer.meta.size == len(data)


async def test_a_missing_object_is_not_found(driver: MemoryDriver) -> None:
    with pytest.raises(NotFoundError) as caught:
        await driver.get("missing", GetOptions())
    assert (caught.value.key, caught.value.operation, caught.value.store) == ("missing", "get", "memory://memory")


# --- what is stored beside the bytes --------------------------------------------------------------------------------


async def test_headers_metadata_and_tags_are_kept(driver: MemoryDriver) -> None:
    options = PutOptions(content_type="text/x", cache_control="no-cache", metadata={"a": "b"}, tags={"t": "u"})
    await put(driver, "key", b"value", options)
    meta = await driver.head("key", GetOptions())
    assert (meta.content_type, meta.cache_control, meta.metadata) == ("text/x", "no-cache", {"a": "b"})
    assert await driver.get_tags("key") == {"t": "u"}


async def test_checksums_are_of_the_bytes(driver: MemoryDriver) -> None:
    await put(driver, "key", b"value")
    hasher = checksums.new("crc64nvme")
    hasher.update(b"value")
    found = (await driver.head("key", GetOptions())).checksums
    assert found == {"md5": hashlib.md5(b"value").hexdigest(), "crc64nvme": hasher.hexdigest()}


@pytest.mark.parametrize("size", [5, 2 * 1024**2])
async def test_a_stated_checksum_is_verified(driver: MemoryDriver, size: int) -> None:
    data = bytes(size)
    right = PutOptions(checksums={"sha256": hashlib.sha256(data).hexdigest().upper()})
    await put(driver, "key", data, right)
    with pytest.raises(CorruptedError):
        await put(driver, "key", data + b"x", right)
    assert (await driver.head("key", GetOptions())).size == size


async def test_set_metadata_keeps_what_it_leaves_out(driver: MemoryDriver) -> None:
    before = await put(driver, "key", b"value", PutOptions(content_type="text/x", metadata={"a": "b"}, tags={"t": "u"}))
    after = await driver.set_metadata("key", PutOptions(content_language="de"))
    meta = await driver.head("key", GetOptions())
    assert (meta.content_type, meta.content_language, meta.metadata) == ("text/x", "de", {"a": "b"})
    assert after.etag == before.etag
    await driver.set_metadata("key", PutOptions(metadata={"c": "d"}))
    assert (await driver.head("key", GetOptions())).metadata == {"c": "d"}
    assert await driver.get_tags("key") == {"t": "u"}


async def test_tags_are_replaced_and_removed(driver: MemoryDriver) -> None:
    await put(driver, "key", b"value", PutOptions(tags={"a": "b"}))
    await driver.set_tags("key", {"c": "d"})
    assert await driver.get_tags("key") == {"c": "d"}
    await driver.set_tags("key", {})
    assert await driver.get_tags("key") == {}


@pytest.mark.parametrize("options", [PutOptions(encryption=Encryption(algorithm="AES256")), PutOptions(acl="private")])
async def test_an_option_that_memory_does_not_have_is_refused(driver: MemoryDriver, options: PutOptions) -> None:
    with pytest.raises(NotSupportedError):
        await put(driver, "key", b"value", options)


# --- conditions -----------------------------------------------------------------------------------------------------


async def test_create_only_creates_once(driver: MemoryDriver) -> None:
    await put(driver, "key", b"first", PutOptions(if_none_match=ANY))
    with pytest.raises(AlreadyExistsError):
        await put(driver, "key", b"second", PutOptions(if_none_match=ANY))
    assert await read(driver, "key") == b"first"


async def test_a_swap_needs_the_state_that_it_names(driver: MemoryDriver) -> None:
    first = await put(driver, "key", b"first")
    await put(driver, "key", b"second", PutOptions(if_match=Match(etag=first.etag)))
    for key in ("key", "missing"):
        with pytest.raises(PreconditionFailedError):
            await put(driver, key, b"third", PutOptions(if_match=Match(etag=first.etag)))
    assert await read(driver, "key") == b"second"


async def test_a_write_may_demand_that_the_object_is_another_one(driver: MemoryDriver) -> None:
    first = await put(driver, "key", b"first")
    with pytest.raises(PreconditionFailedError):
        await put(driver, "key", b"second", PutOptions(if_none_match=Match(etag=first.etag)))
    await put(driver, "key", b"second", PutOptions(if_none_match=Match(etag="other")))


async def test_reads_have_conditions_too(driver: MemoryDriver) -> None:
    etag = (await put(driver, "key")).etag
    meta = await driver.head("key", GetOptions(if_match=Match(etag=etag), if_none_match=Match(etag="other")))
    with pytest.raises(PreconditionFailedError):
        await driver.get("key", GetOptions(if_match=Match(etag="other")))
    for options in (
        GetOptions(if_none_match=Match(etag=etag)),
        GetOptions(if_none_match=ANY),
        GetOptions(if_modified_since=meta.last_modified),
    ):
        with pytest.raises(NotModifiedError):
            await driver.head("key", options)
    # RFC 9110: if_modified_since does not count beside if_none_match.
    options = GetOptions(if_none_match=Match(etag="other"), if_modified_since=meta.last_modified)
    assert await read(driver, "key", options) == b"value"


async def test_a_delete_deletes_only_the_state_that_it_names(driver: MemoryDriver) -> None:
    etag = (await put(driver, "key")).etag
    with pytest.raises(PreconditionFailedError):
        await driver.delete("key", DeleteOptions(if_match=Match(etag="other")))
    for _ in range(2):
        await driver.delete("key", DeleteOptions(if_match=Match(etag=etag)))
    assert await keys(driver) == []


def test_one_of_many_threads_creates_and_one_swaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_slowly(*arguments: Match | ObjectMeta | None) -> None:
        check_write(*arguments)  # type: ignore[arg-type]  # handed on
        time.sleep(0.01)

    monkeypatch.setattr(memory, "check_write", check_slowly)
    driver = MemoryDriver()
    first = asyncio.run(put(driver, "swapped", b"first"))
    creation, swap = PutOptions(if_none_match=ANY), PutOptions(if_match=Match(etag=first.etag))
    won: list[str] = []
    start = threading.Barrier(8)

    async def contend(name: bytes) -> None:
        for key, options in (("created", creation), ("swapped", swap)):
            try:
                await put(driver, key, name, options)
            except (AlreadyExistsError, PreconditionFailedError):
                continue
            won.append(key)

    def run(number: int) -> None:
        start.wait()
        asyncio.run(contend(str(number).encode()))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == ["created", "swapped"]


def test_many_threads_write_and_list_at_once() -> None:
    driver = MemoryDriver(page_size=7)

    async def work(name: str) -> None:
        for number in range(100):
            await put(driver, f"{name}/{number:03}")
            if number % 3 == 0:
                await driver.delete(f"{name}/{number:03}", DeleteOptions())
            await driver.list_page(ListOptions())

    threads = [threading.Thread(target=lambda name=name: asyncio.run(work(name))) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(keys(driver)) == [
        f"{name}/{number:03}" for name in "abcd" for number in range(100) if number % 3
    ]


# --- listing --------------------------------------------------------------------------------------------------------

KEYS = st.lists(st.text("ab/-0é\U0001f600\uffff", min_size=1, max_size=6), max_size=30)


@SLOW
@given(
    names=KEYS,
    removed=KEYS,
    prefix=st.sampled_from(["", "a", "a/", "a/b", "é", "-"]),
    after=st.none() | st.text("ab/-", max_size=4),
    limit=st.integers(1, 5),
)
async def test_a_listing_is_the_sorted_keys_after_a_key_below_a_prefix(
    names: Sequence[str], removed: Sequence[str], prefix: str, after: str | None, limit: int
) -> None:
    driver = MemoryDriver(page_size=3)
    for index, key in enumerate(names):
        await put(driver, key)
        if index % 4 == 0:
            await driver.list_page(ListOptions())
    for key in removed:
        await driver.delete(key, DeleteOptions())
    expected = sorted(
        {key for key in names if key not in removed and key.startswith(prefix) and key > (after or "")},
        key=str.encode,
    )
    options = ListOptions(prefix=prefix, start_after=after, limit=limit)
    assert await keys(driver, options) == expected
    assert all(len(page.objects) <= min(3, limit) for page in await pages(driver, options))


@SLOW
@given(names=KEYS, prefix=st.sampled_from(["", "a", "a/", "b/a"]), delimiter=st.sampled_from(["/", "-", "/b"]))
async def test_a_delimiter_groups_keys(names: Sequence[str], prefix: str, delimiter: str) -> None:
    driver = MemoryDriver(page_size=2)
    for key in names:
        await put(driver, key)
    objects, prefixes = set(), set()
    for key in names:
        if key.startswith(prefix):
            head, found, _ = key[len(prefix) :].partition(delimiter)
            if found:
                prefixes.add(prefix + head + delimiter)
            else:
                objects.add(key)
    listed = await pages(driver, ListOptions(prefix=prefix, delimiter=delimiter))
    assert [meta.key for page in listed for meta in page.objects] == sorted(objects)
    assert [name for page in listed for name in page.common_prefixes] == sorted(prefixes)


async def test_1500_keys_come_in_pages_of_1000() -> None:
    driver = MemoryDriver()
    for number in range(1500):
        await put(driver, f"{number:04}", b"")
    listed = await pages(driver, ListOptions())
    assert [len(page.objects) for page in listed] == [1000, 500]


async def test_objects_deleted_between_pages_are_not_listed_and_none_is_missed() -> None:
    driver = MemoryDriver(page_size=10)
    for number in range(50):
        await put(driver, f"{number:02}")
    listed, token = [], None
    while True:
        page = await driver.list_page(ListOptions(page_token=token))
        listed += [meta.key for meta in page.objects]
        for meta in page.objects:
            await driver.delete(meta.key, DeleteOptions())
        token = page.next_token
        if token is None:
            break
    assert listed == [f"{number:02}" for number in range(50)]
    assert await keys(driver) == []


class CountingKey(str):
    """A key that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other: str) -> bool:
        CountingKey.compared += 1
        return str.__lt__(self, other)


async def test_listing_all_keys_compares_each_less_than_once() -> None:
    driver = MemoryDriver(page_size=100)
    for number in range(5000):
        await put(driver, CountingKey(f"{number * 7919 % 5000:04}"))
    await driver.list_page(ListOptions())
    CountingKey.compared = 0
    assert len(await keys(driver)) == 5000
    assert CountingKey.compared < 5000


# --- copies ---------------------------------------------------------------------------------------------------------


async def test_a_copy_keeps_bytes_metadata_and_tags(driver: MemoryDriver) -> None:
    await put(driver, "a", b"value", PutOptions(content_type="text/x", metadata={"m": "n"}, tags={"t": "u"}))
    step = await driver.copy("a", "b", CopyOptions())
    assert step.done
    meta = await driver.head("b", GetOptions())
    assert (meta.key, meta.content_type, meta.metadata) == ("b", "text/x", {"m": "n"})
    assert await driver.get_tags("b") == {"t": "u"}
    assert await read(driver, "b") == b"value"


async def test_a_copy_can_replace_the_metadata(driver: MemoryDriver) -> None:
    await put(driver, "a", b"value", PutOptions(content_type="text/x", metadata={"m": "n"}))
    await driver.copy("a", "b", CopyOptions(replace=PutOptions(cache_control="no-store"), storage_class="COLD"))
    meta = await driver.head("b", GetOptions())
    assert (meta.content_type, meta.metadata, meta.cache_control, meta.storage_class) == (None, {}, "no-store", "COLD")


async def test_a_copy_has_conditions_on_both_ends(driver: MemoryDriver) -> None:
    etag = (await put(driver, "a")).etag
    await put(driver, "b")
    with pytest.raises(AlreadyExistsError) as exists:
        await driver.copy("a", "b", CopyOptions(if_none_match=ANY))
    assert exists.value.key == "b"
    with pytest.raises(PreconditionFailedError) as changed:
        await driver.copy("a", "c", CopyOptions(source_if_match=Match(etag="other")))
    assert changed.value.key == "a"
    with pytest.raises(NotFoundError) as missing:
        await driver.copy("missing", "c", CopyOptions())
    assert missing.value.key == "missing"
    await driver.copy("a", "c", CopyOptions(source_if_match=Match(etag=etag), if_none_match=ANY))


async def test_a_copy_larger_than_one_copy_is_refused() -> None:
    driver = MemoryDriver(max_copy=3, max_put=5)
    await put(driver, "a", b"12345")
    with pytest.raises(StoreError, match="one copy"):
        await driver.copy("a", "b", CopyOptions())
    with pytest.raises(StoreError, match="one put"):
        await put(driver, "a", b"123456")


async def test_a_rename_is_one_step(driver: MemoryDriver) -> None:
    before = await put(driver, "a", b"value", PutOptions(metadata={"m": "n"}))
    await put(driver, "b")
    with pytest.raises(AlreadyExistsError):
        await driver.rename("a", "b", CopyOptions(if_none_match=ANY))
    assert (await driver.rename("a", "b", CopyOptions())).etag == before.etag
    assert await keys(driver) == ["b"]
    assert (await driver.head("b", GetOptions())).metadata == {"m": "n"}
    await driver.rename("b", "b", CopyOptions())
    assert await read(driver, "b") == b"value"


# --- multipart uploads ----------------------------------------------------------------------------------------------


async def test_an_upload_is_invisible_until_it_is_complete(driver: MemoryDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions(content_type="text/x", tags={"t": "u"}))
    second = await driver.put_part(upload, 2, 5, Chunks(b"5", b"67"))
    first = await driver.put_part(upload, 1, 0, Buffers([b"01234"]))
    with pytest.raises(NotFoundError):
        await driver.head("key", GetOptions())
    assert [part.number for part in (await driver.list_parts(upload)).parts] == [1, 2]
    assert [item.id for item in (await driver.list_multipart("k")).uploads] == [upload.id]
    result = await driver.complete_multipart(upload, [first, second], PutOptions())
    assert await read(driver, "key") == b"01234567"
    digests = hashlib.md5(b"01234").digest() + hashlib.md5(b"567").digest()
    assert result.etag == f"{hashlib.md5(digests).hexdigest()}-2"
    meta = await driver.head("key", GetOptions())
    assert (meta.content_type, list(meta.checksums)) == ("text/x", ["crc64nvme"])
    assert await driver.get_tags("key") == {"t": "u"}
    assert (await driver.list_multipart("")).uploads == []


async def test_an_upload_under_way_can_be_pickled(driver: MemoryDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions(metadata={"a": "b"}))
    upload = pickle.loads(pickle.dumps(upload))
    part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    await driver.complete_multipart(upload, [part], PutOptions())
    assert (await driver.head("key", GetOptions())).metadata == {"a": "b"}


async def test_parts_beyond_the_limits_are_refused(driver: MemoryDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    for number in (0, 4):
        with pytest.raises(StoreError, match="numbers 1 to 3"):
            await driver.put_part(upload, number, 0, Buffers([b"x"]))
    with pytest.raises(StoreError, match="one part"):
        await driver.put_part(upload, 1, 0, Buffers([bytes(11)]))
    small = await driver.put_part(upload, 1, 0, Buffers([b"123"]))
    last = await driver.put_part(upload, 2, 3, Buffers([b"4"]))
    with pytest.raises(StoreError, match="only the last part"):
        await driver.complete_multipart(upload, [small, last], PutOptions())


async def test_parts_must_be_equal_where_the_limits_say_so() -> None:
    driver = MemoryDriver(parts=PartLimits(min_size=1, equal=True))
    upload = await driver.create_multipart("key", PutOptions())
    sizes, offset, parts = (2, 3, 1), 0, []
    for number, size in enumerate(sizes, 1):
        parts.append(await driver.put_part(upload, number, offset, Buffers([bytes(size)])))
        offset += size
    with pytest.raises(StoreError, match="part 2"):
        await driver.complete_multipart(upload, parts, PutOptions())


async def test_completion_is_refused_if_a_part_is_not_what_it_was(driver: MemoryDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    old = await driver.put_part(upload, 1, 0, Buffers([b"12345"]))
    new = await driver.put_part(upload, 1, 0, Buffers([b"54321"]))
    two = await driver.put_part(upload, 2, 6, Buffers([b"x"]))
    for parts, reason in (
        ([], "without parts"),
        ([old], "not the one"),
        ([new, new], "out of order"),
        ([new, two], "begins at 6"),
    ):
        with pytest.raises(StoreError, match=reason):
            await driver.complete_multipart(upload, parts, PutOptions())
    await driver.complete_multipart(upload, [new], PutOptions())


async def test_completion_has_conditions_and_the_upload_survives_a_refusal(driver: MemoryDriver) -> None:
    await put(driver, "key")
    upload = await driver.create_multipart("key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    with pytest.raises(AlreadyExistsError):
        await driver.complete_multipart(upload, [part], PutOptions(if_none_match=ANY))
    with pytest.raises(PreconditionFailedError):
        await driver.complete_multipart(upload, [part], PutOptions(if_match=Match(etag="other")))
    assert await read(driver, "key") == b"value"
    await driver.complete_multipart(upload, [part], PutOptions())
    assert await read(driver, "key") == b"x"


async def test_an_upload_that_is_over_is_not_found(driver: MemoryDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    await driver.abort_multipart(upload)
    await driver.abort_multipart(upload)
    with pytest.raises(NotFoundError):
        await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    with pytest.raises(NotFoundError):
        await driver.list_parts(upload)
    with pytest.raises(NotFoundError):
        await driver.complete_multipart(upload, [part], PutOptions())


async def test_a_part_can_be_copied_from_an_object(driver: MemoryDriver) -> None:
    await put(driver, "source", b"0123456789")
    upload = await driver.create_multipart("key", PutOptions())
    parts = [
        await driver.copy_part(upload, 1, 0, "source", 2, 7, CopyOptions()),
        await driver.copy_part(upload, 2, 5, "source", 0, 1, CopyOptions()),
    ]
    await driver.complete_multipart(upload, parts, PutOptions())
    assert await read(driver, "key") == b"234560"
    with pytest.raises(InvalidRangeError):
        await driver.copy_part(upload, 3, 6, "source", 5, 11, CopyOptions())
    with pytest.raises(PreconditionFailedError):
        await driver.copy_part(upload, 3, 6, "source", 0, 1, CopyOptions(source_if_match=Match(etag="other")))


async def test_parts_and_uploads_come_in_pages() -> None:
    driver = MemoryDriver(page_size=2)
    uploads = [await driver.create_multipart(key, PutOptions()) for key in ("b", "a", "b", "c")]
    found, token = [], None
    while True:
        page = await driver.list_multipart("", token)
        found += [(upload.key, upload.id) for upload in page.uploads]
        token = page.next_token
        if token is None:
            break
    assert found == sorted((upload.key, upload.id) for upload in uploads)
    for number in (3, 1, 2):
        await driver.put_part(uploads[0], number, 0, Buffers([b""]))
    first = await driver.list_parts(uploads[0])
    second = await driver.list_parts(uploads[0], first.next_token)
    assert [part.number for part in (*first.parts, *second.parts)] == [1, 2, 3]
    assert second.next_token is None


async def test_appending_needs_the_size_and_keeps_the_metadata(driver: MemoryDriver) -> None:
    await driver.append("log", Buffers([b"one"]), 0, PutOptions(content_type="text/x", tags={"t": "u"}))
    result = await driver.append("log", Buffers([b"two"]), 3, PutOptions())
    assert result.size == 6
    assert await read(driver, "log") == b"onetwo"
    assert (await driver.head("log", GetOptions())).content_type == "text/x"
    assert await driver.get_tags("log") == {"t": "u"}
    for key, offset in (("log", 3), ("log", 7), ("missing", 1)):
        with pytest.raises(PreconditionFailedError):
            await driver.append(key, Buffers([b"x"]), offset, PutOptions())


# --- versions -------------------------------------------------------------------------------------------------------


async def test_every_version_stays_readable() -> None:
    driver = MemoryDriver(versioning=True)
    first = await put(driver, "key", b"first")
    second = await put(driver, "key", b"second")
    assert await read(driver, "key", GetOptions(version=first.version)) == b"first"
    assert await read(driver, "key") == b"second"
    await driver.delete("key", DeleteOptions())
    with pytest.raises(NotFoundError):
        await driver.head("key", GetOptions())
    assert await keys(driver) == []
    listed = (await driver.list_versions("")).versions
    assert [(item.is_latest, item.is_delete_marker) for item in listed] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert [item.meta.version for item in listed[1:]] == [second.version, first.version]
    with pytest.raises(NotFoundError):
        await driver.get("key", GetOptions(version=listed[0].meta.version))


async def test_deleting_the_delete_marker_brings_the_object_back() -> None:
    driver = MemoryDriver(versioning=True)
    await put(driver, "key", b"first")
    await driver.delete("key", DeleteOptions())
    marker = (await driver.list_versions("")).versions[0].meta.version
    await driver.delete("key", DeleteOptions(version=marker))
    assert await read(driver, "key") == b"first"
    assert await keys(driver) == ["key"]


async def test_deleting_the_only_version_leaves_nothing() -> None:
    driver = MemoryDriver(versioning=True)
    version = (await put(driver, "key")).version
    await driver.delete("key", DeleteOptions(version=version))
    assert (await driver.list_versions("")).versions == []
    await driver.delete_container()


@pytest.mark.parametrize("named", [True, False])
async def test_an_older_version_can_be_restored(named: bool) -> None:
    driver = MemoryDriver(versioning=True)
    version = (await put(driver, "key", b"first", PutOptions(tags={"t": "u"}))).version
    if named:
        await put(driver, "key", b"second")
    else:
        await driver.delete("key", DeleteOptions())
    await driver.restore("key", version if named else None, None)
    assert await read(driver, "key") == b"first"
    assert await driver.get_tags("key") == {"t": "u"}


async def test_there_is_no_archive_to_restore_from() -> None:
    driver = MemoryDriver(versioning=True)
    await put(driver, "key")
    with pytest.raises(NotSupportedError, match="archive"):
        await driver.restore("key", None, 1)
    with pytest.raises(NotFoundError):
        await driver.restore("missing", None, None)


async def test_a_version_is_a_stricter_condition_than_an_etag() -> None:
    driver = MemoryDriver(versioning=True)
    first = await put(driver, "key", b"same")
    await put(driver, "key", b"same")
    await put(driver, "key", b"same", PutOptions(if_match=Match(etag=first.etag)))
    with pytest.raises(PreconditionFailedError):
        await put(driver, "key", b"same", PutOptions(if_match=Match(etag=first.etag, version=first.version)))


async def test_tags_belong_to_a_version() -> None:
    driver = MemoryDriver(versioning=True)
    first = await put(driver, "key", b"same")
    await put(driver, "key", b"same")
    await driver.set_tags("key", {"old": "yes"}, first.version)
    assert await driver.get_tags("key") == {}
    assert await driver.get_tags("key", first.version) == {"old": "yes"}


async def test_version_pages_keep_the_versions_of_a_key_together() -> None:
    driver = MemoryDriver(versioning=True, page_size=2)
    for key in ("a", "a", "a", "b", "c"):
        await put(driver, key)
    listed, token = [], None
    while True:
        page = await driver.list_versions("", token)
        listed.append([item.meta.key for item in page.versions])
        token = page.next_token
        if token is None:
            break
    assert listed == [["a", "a", "a"], ["b", "c"]]


async def test_without_versioning_there_is_one_version_without_a_name(driver: MemoryDriver) -> None:
    await put(driver, "key")
    assert (await put(driver, "key")).version is None
    assert [item.is_latest for item in (await driver.list_versions("")).versions] == [True]
    with pytest.raises(NotFoundError):
        await driver.get("key", GetOptions(version="1"))
    with pytest.raises(NotSupportedError):
        await driver.restore("key", None, None)


# --- deleting, containers, and the driver itself --------------------------------------------------------------------


async def test_deleting_many_answers_in_order(driver: MemoryDriver) -> None:
    await put(driver, "a")
    results = await driver.delete_many(["b", "a"], DeleteOptions())
    assert [(result.key, result.error) for result in results] == [("b", None), ("a", None)]
    with pytest.raises(StoreError, match="send fewer"):
        await driver.delete_many(["x"] * 1001, DeleteOptions())


async def test_siblings_share_one_account(driver: MemoryDriver) -> None:
    other = driver.sibling("other")
    with pytest.raises(NotFoundError, match="create_container"):
        await other.put("key", Buffers([b"x"]), PutOptions())
    with pytest.raises(NotFoundError):
        await other.delete("key", DeleteOptions())
    with pytest.raises(NotFoundError):
        await other.delete_many(["key"], DeleteOptions())
    await other.create_container()
    with pytest.raises(AlreadyExistsError):
        await driver.sibling("other").create_container()
    await put(driver, "key", b"mine")
    await driver.sibling("other").copy("key", "copied", CopyOptions(source_container="memory"))
    assert await read(other, "copied") == b"mine"
    assert [container.name for container in (await driver.list_containers()).containers] == ["memory", "other"]
    with pytest.raises(PreconditionFailedError, match="not empty"):
        await other.delete_container()
    await other.delete("copied", DeleteOptions())
    for _ in range(2):
        await other.delete_container()
    with pytest.raises(NotFoundError):
        await other.list_page(ListOptions())


async def test_containers_come_in_pages() -> None:
    driver = MemoryDriver("a", page_size=1)
    await driver.sibling("b").create_container()
    first = await driver.list_containers()
    assert [container.name for container in (await driver.list_containers(first.next_token)).containers] == ["b"]


async def test_an_object_in_memory_has_no_url(driver: MemoryDriver) -> None:
    with pytest.raises(NotSupportedError, match="no URL"):
        await driver.sign("key", SignOptions())


def test_a_driver_in_memory_cannot_be_sent_elsewhere(driver: MemoryDriver) -> None:
    with pytest.raises(NotSupportedError, match="LocalStore"):
        pickle.dumps(driver)


def test_the_capabilities_are_these() -> None:
    atomic = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)
    found = MemoryDriver(versioning=True).capabilities
    assert (found.put, found.complete, found.copy) == (atomic, atomic, atomic)
    assert found.delete == Conditions(if_match=Guarantee.ATOMIC)
    assert found.operations == {
        *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "rename", "sibling", "append"),
        *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
        *("list_multipart", "list_ranges", "set_metadata", "get_tags", "set_tags", "list_versions", "restore"),
        *("create_container", "delete_container", "list_containers"),
    }
    assert MemoryDriver().capabilities.operations == found.operations - {"restore"}


@pytest.mark.parametrize("arguments", [{"container": ""}, {"page_size": 0}])
def test_a_wrong_argument_is_refused(arguments: dict[str, str | int]) -> None:
    with pytest.raises(ConfigurationError):
        MemoryDriver(**arguments)  # type: ignore[arg-type]  # the point of this test


async def test_closing_keeps_the_objects(driver: MemoryDriver) -> None:
    await put(driver, "key")
    await driver.aclose()
    assert await read(driver, "key") == b"value"
