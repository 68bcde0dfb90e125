"""One state of one object: what keeps the requests of one read from mixing two."""

from __future__ import annotations

from aiostore.errors import (
    CorruptedError,
    InvalidRangeError,
    NotFoundError,
    ObjectChangedError,
    PreconditionFailedError,
)
from aiostore.protocol import Driver
from aiostore.types import GetOptions, GetResult, Match, ObjectMeta


def state_of(meta: ObjectMeta) -> Match | None:
    """The condition that only the object which ``meta`` describes fulfils; None if there is none."""
    return Match(etag=meta.etag, version=meta.version) if meta.etag or meta.version else None


def is_another(meta: ObjectMeta, first: ObjectMeta) -> bool:
    """Whether an answer tells another state than the first: not every service honours If-Match, or has ETags."""
    return (
        meta.etag != first.etag
        or meta.size != first.size
        or (first.etag is None and meta.last_modified != first.last_modified)
    )


class Pin:
    """The state that the first answer of a read described; later ranges are asked of exactly this state."""

    __slots__ = ("_match", "_options", "key", "meta")

    def __init__(self, key: str, options: GetOptions, meta: ObjectMeta) -> None:
        self.key = key
        self.meta = meta
        self._options = options
        self._match = state_of(meta)

    @property
    def unknown(self) -> bool:
        """Whether nothing tells this state from another."""
        return self._match is None and self.meta.last_modified is None

    async def get(self, driver: Driver, start: int | None, stop: int | None) -> GetResult:
        """Ask for ``[start, stop)``, None and None for all; the answer may begin earlier if ranges are ignored.

        Raises:
            ObjectChangedError: if the object is no longer what it was.
            CorruptedError: if it is, but has another size than the first answer said.
        """
        options = self._options
        try:
            result = await driver.get(
                self.key,
                GetOptions(
                    start=start,
                    stop=stop,
                    if_match=self._match,
                    version=options.version,
                    encryption=options.encryption,
                    headers=options.headers,
                ),
            )
        except (PreconditionFailedError, NotFoundError) as error:
            raise self._changed(driver, "replaced or deleted") from error
        except InvalidRangeError as error:
            raise await self._shrunk(driver) from error
        meta, first = result.meta, self.meta
        if meta.size != first.size and meta.etag == first.etag is not None:
            await result.stream.aclose()
            raise self._contradiction(driver, meta.size)
        if is_another(meta, first):
            await result.stream.aclose()
            raise self._changed(driver, "replaced")
        return result

    async def _shrunk(self, driver: Driver) -> CorruptedError | ObjectChangedError:
        """What it means that a range lies past the end, although the first answer said that it does not."""
        options = self._options
        try:
            meta = await driver.head(self.key, GetOptions(version=options.version, encryption=options.encryption))
        except NotFoundError:
            return self._changed(driver, "deleted")
        if meta.etag == self.meta.etag is not None:
            return self._contradiction(driver, meta.size)
        return self._changed(driver, "replaced")

    def _contradiction(self, driver: Driver, size: int) -> CorruptedError:
        return CorruptedError(
            f"the service said that the object has {self.meta.size} bytes, and then {size}; read again",
            key=self.key,
            operation="get",
            store=driver.location,
        )

    def _changed(self, driver: Driver, how: str) -> ObjectChangedError:
        return ObjectChangedError(
            f"the object was {how} while it was being read; begin again",
            key=self.key,
            operation="get",
            store=driver.location,
        )
