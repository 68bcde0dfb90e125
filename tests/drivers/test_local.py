from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiostore import checksums
from aiostore.body import Body, Buffers, FileRegion
from aiostore.capabilities import Conditions, Guarantee
from aiostore.drivers import local_draft
from aiostore.drivers.local import LocalDriver
from aiostore.drivers.local_keys import check_windows_name
from aiostore.errors import (
    AlreadyExistsError,
    ConfigurationError,
    CorruptedError,
    InvalidKeyError,
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
    PutOptions,
    PutResult,
    SignOptions,
    Upload,
)

DRIVER: Driver = LocalDriver(".")
"""The annotation is a test by itself: mypy checks the protocol."""

SHARED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
MIB = 1024**2


class Chunks:
    """A body that does not lie in memory, and sends every piece in the same buffer."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error
        self.size = sum(map(len, chunks))
        self.buffers = None

    async def chunks(self) -> AsyncIterator[Buffer]:
        buffer = bytearray()
        for chunk in self._chunks:
            buffer[:] = chunk
            yield buffer
        if self._error is not None:
            raise self._error


@pytest.fixture
async def driver(tmp_path: Path) -> LocalDriver:
    driver = LocalDriver(tmp_path / "root", fsync=False)
    await driver.create_container()
    return driver


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture(params=["xattr", "sidecar"])
def records(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where records are kept: without these two functions there are only sidecars, as on macOS."""
    if request.param == "sidecar":
        monkeypatch.delattr(os, "setxattr")
        monkeypatch.delattr(os, "getxattr")
    return str(request.param)


async def put(driver: LocalDriver, key: str, data: bytes = b"value", options: PutOptions | None = None) -> PutResult:
    return await driver.put(key, Buffers([data]), options or PutOptions())


async def read(driver: LocalDriver, key: str, options: GetOptions | None = None) -> bytes:
    return await (await driver.get(key, options or GetOptions())).stream.read()


async def pages(driver: LocalDriver, options: ListOptions) -> list[ListPage]:
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


async def keys(driver: LocalDriver, options: ListOptions | None = None) -> list[str]:
    return [meta.key for page in await pages(driver, options or ListOptions()) for meta in page.objects]


def files_below(root: Path) -> list[str]:
    """Everything that is really there, also what is hidden."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def crc(data: bytes) -> str:
    hasher = checksums.new("crc64nvme")
    hasher.update(data)
    return hasher.hexdigest()


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        Buffers([b""]),
        Buffers([b"ab", bytearray(b"c"), memoryview(b"xdx")[1:2], b""]),
        Buffers([b"x"] * 3000),
        Buffers([bytes(5 * MIB + 1), b"end"]),
        Chunks(),
        Chunks(b"a", b"bc", b"", b"def"),
        Chunks(*[bytes([number]) * (MIB + number) for number in range(6)]),
    ],
    ids=["empty", "kinds", "many", "large", "no chunks", "small chunks", "large chunks"],
)
async def test_an_object_is_a_plain_file_with_the_bytes_that_were_put(
    driver: LocalDriver, root: Path, body: Body
) -> None:
    result = await driver.put("a/b.txt", body, PutOptions())
    expected = b"".join([bytes(chunk) async for chunk in body.chunks()])
    assert (root / "a" / "b.txt").read_bytes() == expected
    assert await read(driver, "a/b.txt") == expected
    assert (result.size, result.checksums) == (len(expected), {"crc64nvme": crc(expected)})
    meta = await driver.head("a/b.txt", GetOptions())
    assert (meta.etag, meta.size, meta.checksums) == (result.etag, len(expected), result.checksums)


async def test_a_file_can_be_put(driver: LocalDriver, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(range(256)) * 20_000)
    await driver.put("key", FileRegion(tmp_path / "source", 3, 5_000_000), PutOptions())
    assert await read(driver, "key") == (bytes(range(256)) * 20_000)[3:5_000_003]


async def test_a_large_object_arrives_in_blocks(driver: LocalDriver) -> None:
    data = os.urandom(9 * MIB + 5)
    await put(driver, "key", data)
    stream = (await driver.get("key", GetOptions(start=1))).stream
    blocks = []
    while block := await stream.next_chunk():
        blocks.append(block)
    assert b"".join(blocks) == data[1:]
    assert len(blocks) > 1
    assert await stream.next_chunk() == b""
    assert await stream.read() == b""
    stream = (await driver.get("key", GetOptions())).stream
    first = await stream.next_chunk()
    assert first + await stream.read() == data


@SHARED
@given(data=st.binary(max_size=40), start=st.integers(-60, 60), stop=st.none() | st.integers(0, 60))
async def test_a_range_is_a_slice_or_refused(driver: LocalDriver, data: bytes, start: int, stop: int | None) -> None:
    stop = None if start < 0 else stop
    await put(driver, "key", data)
    options = GetOptions(start=start, stop=stop)
    whole = start == 0 and stop is None
    if not whole and (start >= len(data) or not data or (stop is not None and stop <= start)):
        with pytest.raises(InvalidRangeError):
            await driver.get("key", options)
        return
    answer = await driver.get("key", options)
    assert await answer.stream.read() == data[start:stop] == data[answer.start : answer.stop]
    assert answer.meta.size == len(data)


async def test_a_reader_keeps_the_file_that_it_began_with(driver: LocalDriver) -> None:
    old, new = bytes(9 * MIB), b"\1" * 9 * MIB
    await put(driver, "key", old)
    stream = (await driver.get("key", GetOptions())).stream
    first = await stream.next_chunk()
    await put(driver, "key", new)
    await driver.delete("key", DeleteOptions())
    assert first + await stream.read() == old


async def test_a_file_that_another_program_cuts_short_is_an_error_not_fewer_bytes(
    driver: LocalDriver, root: Path
) -> None:
    await put(driver, "key", bytes(9 * MIB))
    stream = (await driver.get("key", GetOptions())).stream
    await stream.next_chunk()
    os.truncate(root / "key", 5 * MIB)
    with pytest.raises(StoreError, match="became shorter"):
        await stream.read()
    assert await stream.read() == b""


async def test_a_missing_object_is_not_found(driver: LocalDriver) -> None:
    await put(driver, "a/b")
    for key in ("missing", "missing/c", "a", "a/b/c"):
        with pytest.raises(NotFoundError) as caught:
            await driver.get(key, GetOptions())
        assert (caught.value.key, caught.value.operation, caught.value.store) == (key, "get", driver.location)
        with pytest.raises(NotFoundError):
            await driver.head(key, GetOptions())


async def test_a_body_that_fails_publishes_nothing(driver: LocalDriver, root: Path) -> None:
    with pytest.raises(OSError, match="source"):
        await driver.put("a/b/c", Chunks(b"x" * MIB, error=OSError("source")), PutOptions())
    assert files_below(root) == []


async def test_a_stated_checksum_is_verified_before_anything_is_published(driver: LocalDriver, root: Path) -> None:
    right = PutOptions(checksums={"sha256": hashlib.sha256(b"value").hexdigest(), "crc64nvme": crc(b"value")})
    await put(driver, "a/key", b"value", right)
    with pytest.raises(CorruptedError):
        await put(driver, "b/key", b"other", right)
    with pytest.raises(CorruptedError):
        await put(driver, "a/key", b"other", right)
    assert await read(driver, "a/key") == b"value"
    assert files_below(root) == ["a", "a/key"]


# --- what is stored beside the bytes --------------------------------------------------------------------------------

DESCRIBED = PutOptions(
    content_type="text/x",
    content_encoding="x",
    content_disposition="y",
    content_language="de",
    cache_control="no-cache",
    metadata={"name": "ü\n"},
    tags={"t": "u"},
)


async def test_headers_metadata_and_tags_are_kept(driver: LocalDriver, root: Path, records: str) -> None:
    await put(driver, "a/key", b"value", DESCRIBED)
    meta = await driver.head("a/key", GetOptions())
    assert (await driver.get("a/key", GetOptions())).meta == meta
    assert (meta.content_type, meta.content_encoding, meta.content_disposition) == ("text/x", "x", "y")
    assert (meta.content_language, meta.cache_control, meta.metadata) == ("de", "no-cache", {"name": "ü\n"})
    assert await driver.get_tags("a/key") == {"t": "u"}
    assert meta.checksums == {"crc64nvme": crc(b"value")}
    assert await keys(driver) == ["a/key"]
    assert (root / ".aiostore").exists() == (records == "sidecar")


async def test_an_object_without_attributes_has_no_record(root: Path, driver: LocalDriver) -> None:
    plain = LocalDriver(root, fsync=False, checksum=False)
    for again in (plain, pickle.loads(pickle.dumps(plain)), plain.sibling("root")):
        result = await put(again, "key")
        assert result.checksums == {}
        assert os.listxattr(root / "key") == []
    await put(plain, "key", b"value", PutOptions(checksums={"crc64nvme": crc(b"value")}))
    assert (await driver.head("key", GetOptions())).checksums == {"crc64nvme": crc(b"value")}
    with pytest.raises(CorruptedError):
        await put(plain, "key", b"other", PutOptions(checksums={"crc64nvme": crc(b"value")}))
    await put(plain, "key", b"value", DESCRIBED)
    meta = await driver.head("key", GetOptions())
    assert (meta.metadata, meta.checksums) == ({"name": "ü\n"}, {})


async def test_a_new_object_has_none_of_the_old_ones_metadata(driver: LocalDriver, root: Path, records: str) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    await put(driver, "key", b"value")
    meta = await driver.head("key", GetOptions())
    assert (meta.content_type, meta.metadata) == (None, {})
    assert await driver.get_tags("key") == {}
    await driver.delete("key", DeleteOptions())
    assert [path for path in root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("way", ["replaced", "written in place", "appended to"])
async def test_what_another_program_wrote_has_no_stale_metadata(
    driver: LocalDriver, root: Path, records: str, way: str
) -> None:
    before = await put(driver, "key", b"value", DESCRIBED)
    if way == "replaced":
        (root / "new").write_bytes(b"other")
        (root / "new").rename(root / "key")
    elif way == "written in place":
        (root / "key").write_bytes(b"other")
    else:
        with (root / "key").open("ab") as file:
            file.write(b"more")
    meta = await driver.head("key", GetOptions())
    assert meta.etag != before.etag
    assert (meta.content_type, meta.metadata, meta.checksums) == (None, {}, {})
    assert await driver.get_tags("key") == {}


async def test_metadata_moves_with_its_file(driver: LocalDriver, root: Path, records: str) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    (root / "key").rename(root / "moved")
    assert (await driver.head("moved", GetOptions())).metadata == {"name": "ü\n"}


async def test_a_copy_that_keeps_attributes_keeps_the_metadata(driver: LocalDriver, root: Path) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    shutil.copy2(root / "key", root / "copied")
    meta = await driver.head("copied", GetOptions())
    assert (meta.metadata, meta.checksums) == ({"name": "ü\n"}, {"crc64nvme": crc(b"value")})


async def test_metadata_too_long_for_an_attribute_is_kept(driver: LocalDriver) -> None:
    long = PutOptions(metadata={"name": "x" * 300_000})
    await put(driver, "key", b"value", long)
    assert (await driver.head("key", GetOptions())).metadata == long.metadata
    await driver.set_metadata("key", PutOptions(metadata={"name": "short"}))
    assert (await driver.head("key", GetOptions())).metadata == {"name": "short"}
    await driver.set_metadata("key", long)
    assert (await driver.head("key", GetOptions())).metadata == long.metadata


@pytest.mark.parametrize("record", [b"", b"1", b"2 0 0 -", b"1 x y z", b"\xff\xfe", b"@"])
async def test_a_record_that_is_none_of_ours_is_ignored(driver: LocalDriver, root: Path, record: bytes) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    os.setxattr(root / "key", "user.aiostore", record)
    assert (await driver.head("key", GetOptions())).metadata == {}
    assert await read(driver, "key") == b"value"


@pytest.mark.parametrize("tail", [b" []", b" {", b' {"metadata": 1}', b' {"metadata": [1]}'])
async def test_a_record_whose_json_is_broken_is_ignored(driver: LocalDriver, root: Path, tail: bytes) -> None:
    await put(driver, "key", b"value")
    os.setxattr(root / "key", "user.aiostore", os.getxattr(root / "key", "user.aiostore") + tail)
    assert (await driver.head("key", GetOptions())).metadata == {}


async def test_a_file_that_another_program_made_is_an_object(driver: LocalDriver, root: Path) -> None:
    (root / "dir").mkdir()
    (root / "dir" / "file").write_bytes(b"theirs")
    assert await read(driver, "dir/file") == b"theirs"
    meta = await driver.head("dir/file", GetOptions())
    assert (meta.size, meta.content_type, meta.checksums) == (6, None, {})
    assert [listed.etag for page in await pages(driver, ListOptions()) for listed in page.objects] == [meta.etag]


async def test_set_metadata_keeps_what_it_leaves_out(driver: LocalDriver, records: str) -> None:
    before = await put(driver, "key", b"value", DESCRIBED)
    after = await driver.set_metadata("key", PutOptions(content_language="fr"))
    assert after == before
    meta = await driver.head("key", GetOptions())
    assert (meta.content_type, meta.content_language, meta.metadata) == ("text/x", "fr", {"name": "ü\n"})
    assert (meta.etag, meta.checksums) == (before.etag, before.checksums)
    await driver.set_metadata("key", PutOptions(metadata={"c": "d"}, if_match=Match(etag=before.etag)))
    assert (await driver.head("key", GetOptions())).metadata == {"c": "d"}
    assert await driver.get_tags("key") == {"t": "u"}
    with pytest.raises(PreconditionFailedError):
        await driver.set_metadata("key", PutOptions(if_match=Match(etag="other")))
    with pytest.raises(NotFoundError):
        await driver.set_metadata("missing", PutOptions())


async def test_tags_are_replaced_and_removed(driver: LocalDriver, records: str) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    await driver.set_tags("key", {"c": "d"})
    assert await driver.get_tags("key") == {"c": "d"}
    await driver.set_tags("key", {})
    assert await driver.get_tags("key") == {}
    assert (await driver.head("key", GetOptions())).content_type == "text/x"
    with pytest.raises(NotFoundError):
        await driver.set_tags("missing", {})


@pytest.mark.parametrize(
    "options",
    [
        PutOptions(encryption=Encryption(algorithm="AES256")),
        PutOptions(acl="private"),
        PutOptions(storage_class="COLD"),
    ],
)
async def test_an_option_that_files_do_not_have_is_refused(driver: LocalDriver, options: PutOptions) -> None:
    with pytest.raises(NotSupportedError) as caught:
        await put(driver, "key", b"value", options)
    assert caught.value.key == "key"
    assert await keys(driver) == []


async def test_there_are_no_versions(driver: LocalDriver) -> None:
    await put(driver, "key")
    with pytest.raises(NotSupportedError, match="version"):
        await driver.get("key", GetOptions(version="1"))
    with pytest.raises(NotSupportedError, match="version"):
        await driver.delete("key", DeleteOptions(version="1"))


# --- conditions -----------------------------------------------------------------------------------------------------


async def test_create_only_creates_once(driver: LocalDriver) -> None:
    await put(driver, "key", b"first", PutOptions(if_none_match=ANY))
    with pytest.raises(AlreadyExistsError):
        await put(driver, "key", b"second", PutOptions(if_none_match=ANY))
    assert await read(driver, "key") == b"first"


async def test_a_swap_needs_the_state_that_it_names(driver: LocalDriver) -> None:
    first = await put(driver, "key", b"first")
    await put(driver, "key", b"other", PutOptions(if_match=Match(etag=first.etag)))
    for key in ("key", "missing"):
        with pytest.raises(PreconditionFailedError):
            await put(driver, key, b"third", PutOptions(if_match=Match(etag=first.etag)))
    assert await read(driver, "key") == b"other"
    assert await keys(driver) == ["key"]


async def test_the_time_of_an_object_is_the_clocks_to_the_nanosecond(
    driver: LocalDriver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels stamp files with a clock that ticks every few milliseconds, and reuse inodes at once."""
    times = iter([1_700_000_000_000_000_001, 1_700_000_000_000_000_002])
    monkeypatch.setattr(local_draft, "time", SimpleNamespace(time_ns=lambda: next(times)))
    first, second = await put(driver, "key"), await put(driver, "key")
    assert first.etag != second.etag
    assert (root / "key").stat().st_mtime_ns == 1_700_000_000_000_000_002
    meta = await driver.head("key", GetOptions())
    assert meta.last_modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_every_rewrite_has_an_etag_of_its_own(driver: LocalDriver) -> None:
    etags = [(await put(driver, "key", b"same size")).etag for _ in range(300)]
    assert len(set(etags)) == 300


async def test_reads_have_conditions_too(driver: LocalDriver) -> None:
    etag = (await put(driver, "key")).etag
    meta = await driver.head("key", GetOptions(if_match=Match(etag=etag)))
    for call in (driver.get, driver.head):
        with pytest.raises(PreconditionFailedError):
            await call("key", GetOptions(if_match=Match(etag="other")))
        for options in (GetOptions(if_none_match=Match(etag=etag)), GetOptions(if_modified_since=meta.last_modified)):
            with pytest.raises(NotModifiedError):
                await call("key", options)


async def test_a_delete_deletes_only_the_state_that_it_names(driver: LocalDriver) -> None:
    etag = (await put(driver, "key")).etag
    with pytest.raises(PreconditionFailedError):
        await driver.delete("key", DeleteOptions(if_match=Match(etag="other")))
    for _ in range(2):
        await driver.delete("key", DeleteOptions(if_match=Match(etag=etag)))
    assert await keys(driver) == []


# --- keys -----------------------------------------------------------------------------------------------------------

REFUSED = (
    *("a//b", "//", "/", "/a", "a/", ".", "..", "a/..", "../a", "a/../b", "./a", "a/./b", "nul\0", "a" * 256),
    *("\U0001f600" * 64, ".aiostore", ".aiostore/uploads/x", "a/.aiostore-tmp-1", ".AioStore", "\ud800", "a\udfffb"),
)
ODD = (
    *(" ", "a b", "...", ".hidden", "..a", "a\\b", "con", "name.", "tab\t", "line\nfeed", "é", "e\u0301", "%2e%2e"),
    *("\U0001f600" * 63, "a" * 255, "-rf", "~", "*", "?", "a:b", "/".join("a" * 200)),
)


@pytest.mark.parametrize("key", REFUSED, ids=ascii)
async def test_a_key_that_no_file_can_have_is_refused_everywhere(driver: LocalDriver, root: Path, key: str) -> None:
    body = Buffers([b"x"])
    await put(driver, "source")
    before = files_below(root.parent)
    for call in (
        driver.put(key, body, PutOptions()),
        driver.get(key, GetOptions()),
        driver.head(key, GetOptions()),
        driver.delete(key, DeleteOptions()),
        driver.copy("source", key, CopyOptions()),
        driver.rename("source", key, CopyOptions()),
        driver.append(key, body, 0, PutOptions()),
        driver.set_tags(key, {}),
        driver.create_multipart(key, PutOptions()),
    ):
        with pytest.raises(InvalidKeyError) as caught:
            await call
        assert caught.value.key == key
    for call in (driver.copy(key, "target", CopyOptions()), driver.rename(key, "target", CopyOptions())):
        with pytest.raises(InvalidKeyError):
            await call
    (result,) = await driver.delete_many([key], DeleteOptions())
    assert isinstance(result.error, InvalidKeyError)
    assert files_below(root.parent) == before


@pytest.mark.parametrize("key", ODD, ids=ascii)
async def test_an_odd_key_is_a_file_of_that_name(driver: LocalDriver, root: Path, key: str) -> None:
    await put(driver, key)
    assert await read(driver, key) == b"value"
    assert await keys(driver) == [key]
    assert (await pages(driver, ListOptions(prefix=key)))[0].objects[0].key == key
    assert (root / key).is_file()
    await driver.delete(key, DeleteOptions())
    assert files_below(root) == []


async def test_a_very_deep_key_is_possible(driver: LocalDriver, root: Path) -> None:
    key = "a/" * 511 + "ab"
    await put(driver, key)
    assert await keys(driver) == [key]
    assert await read(driver, key) == b"value"
    await driver.delete(key, DeleteOptions())
    assert files_below(root) == []


SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@SHARED
@given(key=st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join))
async def test_any_key_is_kept_as_it_is_or_refused(driver: LocalDriver, root: Path, key: str) -> None:
    try:
        await put(driver, key)
    except InvalidKeyError:
        assert files_below(root) == []
        return
    assert await keys(driver) == [key]
    assert await read(driver, key) == b"value"
    await driver.delete(key, DeleteOptions())
    assert files_below(root) == []


async def test_an_object_cannot_be_a_directory_too(driver: LocalDriver) -> None:
    await put(driver, "a/b")
    for key in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(InvalidKeyError) as caught:
            await put(driver, key)
        assert caught.value.key == key
        with pytest.raises(InvalidKeyError):
            await driver.create_multipart(key, PutOptions())
        await driver.delete(key, DeleteOptions())
    assert await keys(driver) == ["a/b"]


@pytest.mark.parametrize(
    "name", ["con", "NUL.txt", "com1", "LPT9 .x", "a:b", "a\\b", "a*", "a.", "a ", "a\x1f", "x<y", 'a"b', "COM¹"]
)
def test_what_windows_would_understand_differently_is_refused_there(name: str) -> None:
    with pytest.raises(InvalidKeyError, match="Windows"):
        check_windows_name(name, name)


@pytest.mark.parametrize("name", ["console", "nul-1", "a.b", ".a", "com", "com10", "é"])
def test_what_windows_can_hold_is_allowed_there(name: str) -> None:
    check_windows_name(name, name)


# --- listing --------------------------------------------------------------------------------------------------------

NAMES = st.lists(st.text("ab-0é\U0001f600", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)


async def fill(driver: LocalDriver, names: Sequence[str]) -> set[str]:
    """Put all the keys that can exist beside each other."""
    present: set[str] = set()
    for key in names:
        try:
            await put(driver, key, b"")
        except InvalidKeyError:
            continue
        present.add(key)
    return present


@SHARED
@given(
    names=st.lists(NAMES, max_size=25),
    prefix=st.sampled_from(["", "a", "a/", "a/b", "a-", "é", "a//", "../", "b/a/"]),
    after=st.none() | NAMES | st.sampled_from(["a/", "a0", "b/b/"]),
    limit=st.integers(1, 4),
    resumed=st.booleans(),
)
async def test_a_listing_is_the_sorted_keys_after_a_key_below_a_prefix(
    tmp_path_factory: pytest.TempPathFactory,
    names: Sequence[str],
    prefix: str,
    after: str | None,
    limit: int,
    resumed: bool,
) -> None:
    driver = LocalDriver(tmp_path_factory.mktemp("listed"), fsync=False)
    present = await fill(driver, names)
    expected = sorted(
        (key for key in present if key.startswith(prefix) and key > (after or "")), key=lambda key: key.encode()
    )
    options = ListOptions(prefix=prefix, start_after=after, limit=limit)
    listed: list[str] = []
    while True:
        page = await driver.list_page(options)
        assert len(page.objects) <= limit
        listed += [meta.key for meta in page.objects]
        if page.next_token is None:
            break
        assert len(page.objects) == limit
        if not resumed:
            driver = LocalDriver(driver.location.removeprefix("file://"))
        options = ListOptions(prefix=prefix, start_after=after, limit=limit, page_token=page.next_token)
    assert listed == expected


@SHARED
@given(
    names=st.lists(NAMES, max_size=25),
    prefix=st.sampled_from(["", "a", "a/", "b/a"]),
    delimiter=st.sampled_from(["/", "-", "/b", "a/"]),
    after=st.sampled_from([None, "a", "a/", "a/b", "a/b/a", "b"]),
    resumed=st.booleans(),
)
async def test_a_delimiter_groups_keys(
    tmp_path_factory: pytest.TempPathFactory,
    names: Sequence[str],
    prefix: str,
    delimiter: str,
    after: str | None,
    resumed: bool,
) -> None:
    driver = LocalDriver(tmp_path_factory.mktemp("listed"), fsync=False)
    present = await fill(driver, names)
    expected: list[str] = []
    for key in sorted(present):
        if key.startswith(prefix) and key > (after or ""):
            head, found, _ = key[len(prefix) :].partition(delimiter)
            item = prefix + head + found
            if item not in expected:
                expected.append(item)
    options = ListOptions(prefix=prefix, delimiter=delimiter, start_after=after, limit=2)
    listed: list[str] = []
    while True:
        page = await driver.list_page(options)
        listed += sorted([*(meta.key for meta in page.objects), *page.common_prefixes])
        assert all(delimiter not in meta.key[len(prefix) :] for meta in page.objects)
        if page.next_token is None:
            break
        if not resumed:
            driver = LocalDriver(driver.location.removeprefix("file://"))
        options = ListOptions(
            prefix=prefix, delimiter=delimiter, start_after=after, limit=2, page_token=page.next_token
        )
    assert listed == expected


async def test_1500_keys_come_in_pages_of_1000(driver: LocalDriver, root: Path) -> None:
    for number in range(1500):
        path = root / f"{number % 3}" / f"{number:04}"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    listed = await pages(driver, ListOptions())
    assert [len(page.objects) for page in listed] == [1000, 500]
    found = [meta.key for page in listed for meta in page.objects]
    assert found == sorted(found)
    assert len(set(found)) == 1500


async def test_deleting_while_listing_misses_nothing(driver: LocalDriver, root: Path) -> None:
    for number in range(50):
        await put(driver, f"{number % 5}/{number:02}")
    listed, token = [], None
    while True:
        page = await driver.list_page(ListOptions(page_token=token, limit=7))
        listed += [meta.key for meta in page.objects]
        await driver.delete_many([meta.key for meta in page.objects], DeleteOptions())
        token = page.next_token
        if token is None:
            break
    assert len(set(listed)) == len(listed) == 50
    assert files_below(root) == []


async def test_a_token_can_be_used_twice(driver: LocalDriver) -> None:
    for key in "abcdef":
        await put(driver, key)
    token = (await driver.list_page(ListOptions(limit=2))).next_token
    for _ in range(2):
        page = await driver.list_page(ListOptions(limit=2, page_token=token))
        assert [meta.key for meta in page.objects] == ["c", "d"]


async def test_many_unfinished_listings_keep_little(driver: LocalDriver) -> None:
    for key in "abc":
        await put(driver, key)
    tokens = [(await driver.list_page(ListOptions(limit=1))).next_token for _ in range(100)]
    for token in (tokens[0], tokens[-1]):
        page = await driver.list_page(ListOptions(limit=1, page_token=token))
        assert [meta.key for meta in page.objects] == ["b"]


async def test_a_listing_shows_objects_only(driver: LocalDriver, root: Path) -> None:
    await put(driver, "object")
    await driver.create_multipart("pending", PutOptions())
    (root / "empty" / "below").mkdir(parents=True)
    (root / ".aiostore-tmp-0").touch()
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("object")
    (root / "linked").symlink_to("..")
    (root / os.fsdecode(b"not-utf-8-\xff")).touch()
    assert await keys(driver) == ["object"]
    for prefix in (".aiostore", ".aiostore/", ".aiostore/uploads/", "linked/", "linked/root/"):
        assert await keys(driver, ListOptions(prefix=prefix)) == []
    (page,) = await pages(driver, ListOptions(delimiter="/"))
    assert ([meta.key for meta in page.objects], page.common_prefixes) == (["object"], [])
    for key in ("pipe", "empty", "empty/below"):
        with pytest.raises(NotFoundError):
            await driver.get(key, GetOptions())


async def test_a_listing_says_the_same_as_head(driver: LocalDriver) -> None:
    await put(driver, "key", b"value", DESCRIBED)
    meta = await driver.head("key", GetOptions())
    listed = (await driver.list_page(ListOptions())).objects[0]
    assert (listed.key, listed.size, listed.etag, listed.last_modified) == (
        *(meta.key, meta.size, meta.etag),
        meta.last_modified,
    )


# --- directories ----------------------------------------------------------------------------------------------------


async def test_the_last_object_takes_its_directories_with_it(driver: LocalDriver, root: Path) -> None:
    for key in ("a/b/c/1", "a/b/c/2", "a/x"):
        await put(driver, key)
    await driver.delete("a/b/c/1", DeleteOptions())
    assert (root / "a" / "b" / "c").is_dir()
    await driver.delete("a/b/c/2", DeleteOptions())
    assert files_below(root) == ["a", "a/x"]
    await driver.delete_many(["a/x", "a/missing", "b/missing"], DeleteOptions())
    assert files_below(root) == []
    assert root.is_dir()


async def test_deleting_a_missing_object_succeeds_and_creates_nothing(driver: LocalDriver, root: Path) -> None:
    await driver.delete("a/b", DeleteOptions())
    results = await driver.delete_many(["a/b", "c"], DeleteOptions())
    assert [(result.key, result.error) for result in results] == [("a/b", None), ("c", None)]
    assert files_below(root) == []
    with pytest.raises(StoreError, match="send fewer"):
        await driver.delete_many(["x"] * 1001, DeleteOptions())


# --- copies, renames and appends ------------------------------------------------------------------------------------


async def test_a_copy_keeps_bytes_and_metadata(driver: LocalDriver, records: str) -> None:
    data = os.urandom(3 * MIB + 1)
    await put(driver, "a", data, DESCRIBED)
    step = await driver.copy("a", "deep/b", CopyOptions())
    assert step.done
    source, target = await driver.head("a", GetOptions()), await driver.head("deep/b", GetOptions())
    assert (target.metadata, target.content_type, target.checksums) == (
        *(source.metadata, source.content_type),
        source.checksums,
    )
    assert step.result
    assert step.result.etag == target.etag != source.etag
    assert await driver.get_tags("deep/b") == {"t": "u"}
    assert await read(driver, "deep/b") == data


async def test_a_copy_can_replace_the_metadata(driver: LocalDriver) -> None:
    await put(driver, "a", b"value", DESCRIBED)
    await driver.copy("a", "a", CopyOptions(replace=PutOptions(cache_control="no-store")))
    meta = await driver.head("a", GetOptions())
    assert (meta.content_type, meta.metadata, meta.cache_control) == (None, {}, "no-store")
    assert await driver.get_tags("a") == {"t": "u"}


async def test_a_copy_has_conditions_on_both_ends(driver: LocalDriver, root: Path) -> None:
    await put(driver, "a")
    await put(driver, "b")
    with pytest.raises(AlreadyExistsError) as exists:
        await driver.copy("a", "b", CopyOptions(if_none_match=ANY))
    assert exists.value.key == "b"
    with pytest.raises(PreconditionFailedError) as changed:
        await driver.copy("a", "c", CopyOptions(source_if_match=Match(etag="other")))
    assert changed.value.key == "a"
    with pytest.raises(NotFoundError) as missing:
        await driver.copy("missing", "d/c", CopyOptions())
    assert missing.value.key == "missing"
    assert files_below(root) == ["a", "b"]


async def test_a_rotten_source_is_not_copied(driver: LocalDriver, root: Path) -> None:
    await put(driver, "a", b"value")
    status = (root / "a").stat()
    (root / "a").write_bytes(b"vAlue")
    os.utime(root / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(CorruptedError) as caught:
        await driver.copy("a", "b", CopyOptions())
    assert caught.value.key == "a"
    assert await keys(driver) == ["a"]


async def test_a_rename_moves_the_file_itself(driver: LocalDriver, root: Path, records: str) -> None:
    before = await put(driver, "x/y/a", b"value", DESCRIBED)
    await put(driver, "b/c", b"old")
    assert (await driver.rename("x/y/a", "b/c", CopyOptions())).etag == before.etag
    assert await keys(driver) == ["b/c"]
    meta = await driver.head("b/c", GetOptions())
    assert (meta.metadata, meta.etag, meta.checksums) == ({"name": "ü\n"}, before.etag, before.checksums)
    assert not (root / "x").exists()
    await driver.rename("b/c", "b/c", CopyOptions())
    assert await read(driver, "b/c") == b"value"


async def test_a_rename_that_may_only_create_loses_nothing(driver: LocalDriver, root: Path) -> None:
    await put(driver, "a", b"new")
    await put(driver, "b", b"old")
    for target in ("a", "b"):
        with pytest.raises(AlreadyExistsError) as caught:
            await driver.rename("a", target, CopyOptions(if_none_match=ANY))
        assert caught.value.key == target
    with pytest.raises(PreconditionFailedError):
        await driver.rename("a", "b", CopyOptions(source_if_match=Match(etag="other")))
    for target in ("b", "missing", "d/e"):
        with pytest.raises(NotFoundError):
            await driver.rename("missing", target, CopyOptions())
    assert files_below(root) == ["a", "b"]
    await driver.rename("a", "d/c", CopyOptions(if_none_match=ANY))
    assert await keys(driver) == ["b", "d/c"]


async def test_two_names_of_one_file_can_be_renamed_to_each_other(driver: LocalDriver, root: Path) -> None:
    await put(driver, "a")
    os.link(root / "a", root / "b")
    await driver.rename("a", "b", CopyOptions())
    assert await keys(driver) == ["b"]


async def test_appending_needs_the_size_and_keeps_the_metadata(driver: LocalDriver, root: Path, records: str) -> None:
    await driver.append("log", Buffers([b"one"]), 0, DESCRIBED)
    result = await driver.append("log", Chunks(b"t", b"wo"), 3, PutOptions(content_language="fr"))
    assert (result.size, result.checksums) == (6, {"crc64nvme": crc(b"onetwo")})
    assert await read(driver, "log") == b"onetwo"
    meta = await driver.head("log", GetOptions())
    assert (meta.metadata, meta.content_language, meta.checksums) == ({"name": "ü\n"}, "fr", result.checksums)
    before = files_below(root)
    for key, offset in (("log", 3), ("log", 7), ("missing", 1), ("a/missing", 1)):
        with pytest.raises(PreconditionFailedError):
            await driver.append(key, Buffers([b"x"]), offset, PutOptions())
    assert files_below(root) == before


# --- multipart uploads ----------------------------------------------------------------------------------------------


async def upload_parts(driver: LocalDriver, upload: Upload, *pieces: bytes) -> list[int]:
    """Put the parts in the wrong order."""
    offsets = [sum(map(len, pieces[:index])) for index in range(len(pieces))]
    for index in reversed(range(len(pieces))):
        body = Buffers([pieces[index]]) if index % 2 else Chunks(pieces[index][:1], pieces[index][1:])
        await driver.put_part(upload, index + 1, offsets[index], body)
    return offsets


async def test_an_upload_is_invisible_until_it_is_complete(driver: LocalDriver, root: Path, records: str) -> None:
    pieces = [os.urandom(2 * MIB), os.urandom(3), os.urandom(MIB)]
    upload = await driver.create_multipart("a/key", DESCRIBED)
    await upload_parts(driver, upload, *pieces)
    with pytest.raises(NotFoundError):
        await driver.head("a/key", GetOptions())
    assert await keys(driver) == []
    parts = (await driver.list_parts(upload)).parts
    assert [(part.number, part.size, part.etag) for part in parts] == [
        (number, len(piece), crc(piece)) for number, piece in enumerate(pieces, 1)
    ]
    result = await driver.complete_multipart(upload, parts, PutOptions())
    data = b"".join(pieces)
    assert await read(driver, "a/key") == data
    assert (result.size, result.checksums) == (len(data), {"crc64nvme": crc(data)})
    meta = await driver.head("a/key", GetOptions())
    assert (meta.metadata, meta.content_type, meta.etag) == ({"name": "ü\n"}, "text/x", result.etag)
    assert await driver.get_tags("a/key") == {"t": "u"}
    assert (await driver.list_multipart("")).uploads == []
    left = [name for name in files_below(root) if "attributes" not in name]
    assert left == [".aiostore", ".aiostore/uploads", "a", "a/key"]


async def test_an_upload_survives_its_process(driver: LocalDriver, root: Path) -> None:
    upload = await driver.create_multipart("a/key", DESCRIBED)
    await driver.put_part(upload, 1, 0, Buffers([b"one"]))
    again = LocalDriver(root, fsync=False)
    (found,) = (await again.list_multipart("a/")).uploads
    assert (found.key, found.id, found.started) == (upload.key, upload.id, upload.started)
    assert found.options == DESCRIBED
    (part,) = (await again.list_parts(found)).parts
    second = await again.put_part(pickle.loads(pickle.dumps(found)), 2, 3, Buffers([b"two"]))
    await again.complete_multipart(found, [part, second], PutOptions())
    assert await read(driver, "a/key") == b"onetwo"


async def test_parts_that_did_not_reach_the_disk_before_a_crash_are_forgotten(driver: LocalDriver, root: Path) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    await upload_parts(driver, upload, b"one", b"two", b"three")
    state = root / ".aiostore" / "uploads" / upload.id
    _, head, rest = state.read_bytes().split(b"\n", 2)
    head = json.dumps({**json.loads(head), "boot": "before"}).encode()
    state.write_bytes(b"\n".join([b"", head, rest, b'{"torn']))
    data = root / f".aiostore-upload-{upload.id}"
    data.write_bytes(b"one\0\0\0th")
    parts = (await driver.list_parts(upload)).parts
    assert [part.number for part in parts] == [1]
    parts = [*parts, await driver.put_part(upload, 2, 3, Buffers([b"2"]))]
    await driver.complete_multipart(upload, parts, PutOptions())
    assert await read(driver, "key") == b"one2"


async def test_a_part_can_be_sent_again_and_the_last_counts(driver: LocalDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    old = await driver.put_part(upload, 1, 0, Buffers([b"a longer one"]))
    new = await driver.put_part(upload, 1, 0, Buffers([b"short"]))
    with pytest.raises(StoreError, match="not the one"):
        await driver.complete_multipart(upload, [old], PutOptions())
    await driver.complete_multipart(upload, [new], PutOptions())
    assert await read(driver, "key") == b"short"


async def test_completion_is_refused_if_the_parts_make_no_object(driver: LocalDriver) -> None:
    upload = await driver.create_multipart("key", PutOptions())
    one = await driver.put_part(upload, 1, 0, Buffers([b"12345"]))
    two = await driver.put_part(upload, 2, 6, Buffers([b"x"]))
    for parts, reason in (([], "without parts"), ([one, one], "out of order"), ([one, two], "begins at 6")):
        with pytest.raises(StoreError, match=reason):
            await driver.complete_multipart(upload, parts, PutOptions())
    with pytest.raises(CorruptedError):
        await driver.complete_multipart(upload, [one], PutOptions(checksums={"crc64nvme": crc(b"54321")}))
    for number in (0, 10_001):
        with pytest.raises(StoreError, match="numbers 1 to"):
            await driver.put_part(upload, number, 0, Buffers([b"x"]))
    await driver.complete_multipart(upload, [one], PutOptions(checksums={"crc64nvme": crc(b"12345")}))


async def test_completion_has_conditions_and_the_upload_survives_a_refusal(driver: LocalDriver, records: str) -> None:
    await put(driver, "key")
    upload = await driver.create_multipart("key", DESCRIBED)
    part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    with pytest.raises(AlreadyExistsError):
        await driver.complete_multipart(upload, [part], PutOptions(if_none_match=ANY))
    with pytest.raises(PreconditionFailedError):
        await driver.complete_multipart(upload, [part], PutOptions(if_match=Match(etag="other")))
    assert await read(driver, "key") == b"value"
    await driver.complete_multipart(upload, [part], PutOptions(if_match=ANY))
    assert await read(driver, "key") == b"x"
    assert (await driver.head("key", GetOptions())).content_type == "text/x"


async def test_an_aborted_upload_leaves_nothing(driver: LocalDriver, root: Path) -> None:
    upload = await driver.create_multipart("a/b/key", PutOptions())
    part = await driver.put_part(upload, 1, 0, Buffers([b"x"]))
    for _ in range(2):
        await driver.abort_multipart(upload)
    assert files_below(root) == [".aiostore", ".aiostore/uploads"]
    for call in (
        driver.put_part(upload, 1, 0, Buffers([b"x"])),
        driver.list_parts(upload),
        driver.complete_multipart(upload, [part], PutOptions()),
        driver.copy_part(upload, 1, 0, "a", 0, 1, CopyOptions()),
    ):
        with pytest.raises(NotFoundError):
            await call


@pytest.mark.parametrize("name", ["", "x", "../../key", "/etc/passwd", "0" * 31 + "/", "é" * 32])
async def test_an_upload_id_is_no_path(driver: LocalDriver, root: Path, name: str) -> None:
    await put(driver, "key")
    other = await driver.create_multipart("other", PutOptions())
    before = files_below(root)
    upload = Upload(key="key", id=name)
    for call in (
        driver.put_part(upload, 1, 0, Buffers([b"x"])),
        driver.list_parts(upload),
        driver.complete_multipart(upload, [], PutOptions()),
    ):
        with pytest.raises(NotFoundError):
            await call
    await driver.abort_multipart(upload)
    assert files_below(root) == before
    await driver.abort_multipart(other)


async def test_a_part_can_be_copied_from_an_object(driver: LocalDriver) -> None:
    await put(driver, "source", b"0123456789")
    upload = await driver.create_multipart("key", PutOptions())
    parts = [
        await driver.copy_part(upload, 1, 0, "source", 2, 7, CopyOptions()),
        await driver.copy_part(upload, 2, 5, "source", 0, 1, CopyOptions()),
    ]
    await driver.complete_multipart(upload, parts, PutOptions())
    assert await read(driver, "key") == b"234560"
    upload = await driver.create_multipart("key", PutOptions())
    with pytest.raises(InvalidRangeError):
        await driver.copy_part(upload, 3, 6, "source", 5, 11, CopyOptions())
    with pytest.raises(NotFoundError) as caught:
        await driver.copy_part(upload, 3, 6, "missing", 5, 11, CopyOptions())
    assert caught.value.key == "missing"
    await driver.abort_multipart(upload)


async def test_uploads_are_listed_by_key(driver: LocalDriver, root: Path) -> None:
    uploads = [await driver.create_multipart(key, PutOptions()) for key in ("b/x", "a", "b/x", "c")]
    (root / ".aiostore" / "uploads" / "garbage").write_bytes(b"{}")
    found = (await driver.list_multipart("b/")).uploads
    assert sorted(upload.id for upload in found) == sorted([uploads[0].id, uploads[2].id])
    assert [upload.key for upload in (await driver.list_multipart("")).uploads] == ["a", "b/x", "b/x", "c"]


# --- containers and the driver itself -------------------------------------------------------------------------------


async def test_a_missing_root_is_a_missing_container(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path / "missing")
    for call in (
        driver.put("key", Buffers([b"x"]), PutOptions()),
        driver.get("key", GetOptions()),
        driver.delete("key", DeleteOptions()),
        driver.delete_many(["key"], DeleteOptions()),
        driver.list_page(ListOptions()),
        driver.list_multipart(""),
        driver.create_multipart("key", PutOptions()),
        driver.rename("key", "other", CopyOptions()),
    ):
        with pytest.raises(NotFoundError, match="create_container"):
            await call
    assert not (tmp_path / "missing").exists()


async def test_containers_are_directories_beside_each_other(driver: LocalDriver, tmp_path: Path) -> None:
    other = driver.sibling("other")
    await other.create_container()
    with pytest.raises(AlreadyExistsError):
        await other.create_container()
    await put(driver, "key", b"mine")
    await other.copy("key", "copied", CopyOptions(source_container="root"))
    assert (tmp_path / "other" / "copied").read_bytes() == b"mine"
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "link").symlink_to("other")
    assert [container.name for container in (await driver.list_containers()).containers] == ["other", "root"]
    with pytest.raises(PreconditionFailedError, match="copied"):
        await other.delete_container()
    await other.delete("copied", DeleteOptions())
    for _ in range(2):
        await other.delete_container()
    assert not (tmp_path / "other").exists()


async def test_a_deleted_container_takes_what_is_the_drivers_own_with_it(driver: LocalDriver, root: Path) -> None:
    await driver.create_multipart("a/b/key", PutOptions())
    (root / "empty" / "below").mkdir(parents=True)
    await driver.delete_container()
    assert not root.exists()


async def test_a_container_with_files_that_are_no_objects_is_not_deleted(driver: LocalDriver, root: Path) -> None:
    (root / "link").symlink_to("elsewhere")
    with pytest.raises(PreconditionFailedError, match="no objects"):
        await driver.delete_container()
    assert (root / "link").is_symlink()


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/etc", "../etc", ".aiostore", "nul\0"])
async def test_a_container_name_leads_nowhere_else(driver: LocalDriver, name: str) -> None:
    with pytest.raises(InvalidKeyError):
        driver.sibling(name)
    if name:
        with pytest.raises(InvalidKeyError):
            await driver.copy("key", "target", CopyOptions(source_container=name))


async def test_a_driver_can_be_pickled(driver: LocalDriver) -> None:
    await put(driver, "key")
    again: LocalDriver = pickle.loads(pickle.dumps(driver))
    assert await read(again, "key") == b"value"
    assert again.location == driver.location
    await driver.aclose()
    assert await read(driver, "key") == b"value"


async def test_there_is_no_signed_url(driver: LocalDriver) -> None:
    with pytest.raises(NotSupportedError, match="signed"):
        await driver.sign("key", SignOptions())


def test_an_empty_root_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        LocalDriver("")


def test_the_capabilities_are_these() -> None:
    atomic = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)
    found = LocalDriver(".").capabilities
    assert (found.put, found.complete, found.copy) == (atomic, atomic, atomic)
    assert found.delete == Conditions(if_match=Guarantee.ATOMIC)
    assert found.checksums == ("crc64nvme",)
    assert found.operations == {
        *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "rename", "sibling", "append"),
        *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
        *("list_multipart", "set_metadata", "get_tags", "set_tags"),
        *("create_container", "delete_container", "list_containers"),
    }
