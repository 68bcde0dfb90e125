from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import ClassVar

import pytest

from aiostore.body import Buffers
from aiostore.capabilities import Capabilities
from aiostore.drivers.base import ADVICE, BaseDriver
from aiostore.errors import NotSupportedError
from aiostore.protocol import Driver
from aiostore.types import (
    CopyOptions,
    DeleteOptions,
    GetOptions,
    GetResult,
    ListOptions,
    ObjectMeta,
    PostOptions,
    PutOptions,
    PutResult,
    SignOptions,
    Upload,
)


class OnlyHeads(BaseDriver):
    advice: ClassVar[Mapping[str, str]] = {"append": "write logs elsewhere"}

    @property
    def location(self) -> str:
        return "heads://only"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(operations=self.operations)

    async def aclose(self) -> None: ...

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        return ObjectMeta(key=key, size=0)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        raise NotImplementedError


class Deleting:
    async def delete(self, key: str, options: DeleteOptions) -> None: ...


class AlsoWrites(Deleting, OnlyHeads):
    async def put(self, key: str, body: object, options: PutOptions) -> PutResult:
        return PutResult()


DRIVER: Driver = OnlyHeads()
"""The annotation is a test by itself: mypy checks that a minimal driver satisfies the protocol."""

UPLOAD = Upload(key="k", id="1")
BODY = Buffers([b""])

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "put": ("k", BODY, PutOptions()),
    "delete": ("k", DeleteOptions()),
    "delete_many": (["k"], DeleteOptions()),
    "list_page": (ListOptions(prefix="k"),),
    "copy": ("k", "t", CopyOptions()),
    "rename": ("k", "t", CopyOptions()),
    "create_multipart": ("k", PutOptions()),
    "put_part": (UPLOAD, 1, 0, BODY),
    "copy_part": (UPLOAD, 1, 0, "s", 0, 1, CopyOptions()),
    "list_parts": (UPLOAD,),
    "list_ranges": ("k", ObjectMeta(key="k", size=1), GetOptions()),
    "complete_multipart": (UPLOAD, [], PutOptions()),
    "abort_multipart": (UPLOAD,),
    "list_multipart": ("k",),
    "append": ("k", BODY, 0, PutOptions()),
    "set_metadata": ("k", PutOptions()),
    "get_tags": ("k",),
    "set_tags": ("k", {}),
    "list_versions": ("k",),
    "restore": ("k", None, None),
    "sign": ("k", SignOptions()),
    "sign_post": ("k", PostOptions()),
    "create_container": (),
    "delete_container": (),
    "list_containers": (),
}


@pytest.mark.parametrize("operation", sorted(ARGUMENTS))
async def test_an_unwritten_primitive_is_refused_by_name(operation: str) -> None:
    with pytest.raises(NotSupportedError) as caught:
        await getattr(DRIVER, operation)(*ARGUMENTS[operation])
    assert caught.value.operation == operation
    assert caught.value.store == "heads://only"
    assert caught.value.key == (None if "container" in operation else "k")
    assert operation in str(caught.value)


async def test_a_missing_sibling_is_refused_at_once() -> None:
    with pytest.raises(NotSupportedError, match="make another store"):
        DRIVER.sibling("other")


async def test_a_driver_may_give_better_advice() -> None:
    with pytest.raises(NotSupportedError, match="write logs elsewhere"):
        await DRIVER.append("k", BODY, 0, PutOptions())


def test_operations_name_what_was_written_also_in_a_mixin() -> None:
    assert OnlyHeads().capabilities.operations == {"head", "get"}
    assert AlsoWrites().capabilities.operations == {"head", "get", "put", "delete"}


def test_every_optional_method_of_the_protocol_is_refused() -> None:
    methods = {name for name, value in vars(Driver).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert set(ADVICE) == methods - {"head", "get", "aclose"}
    assert set(ARGUMENTS) == set(ADVICE) - {"sibling"}


def test_a_driver_without_the_mandatory_methods_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseDriver()  # type: ignore[abstract]  # that it is refused is the point
