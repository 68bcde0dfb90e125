"""One state of one object: what keeps the requests of one read from mixing two."""

from __future__ import annotations

from aiostore.errors import NotFoundError, ObjectChangedError, PreconditionFailedError
from aiostore.protocol import Driver
from aiostore.types import GetOptions, GetResult, Match, ObjectMeta


class Pin:
    """The state that the first answer of a read described; later ranges are asked of exactly this state."""

    __slots__ = ("_match", "_options", "key", "meta")

    def __init__(self, key: str, options: GetOptions, meta: ObjectMeta) -> None:
        self.key = key
        self.meta = meta
        self._options = options
        self._match = Match(etag=meta.etag, version=meta.version) if meta.etag or meta.version else None

    async def get(self, driver: Driver, start: int | None, stop: int | None) -> GetResult:
        """Ask for ``[start, stop)``, None and None for all; the answer may begin earlier if ranges are ignored.

        Raises:
            ObjectChangedError: if the object is no longer what it was.
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
        meta, first = result.meta, self.meta
        # Not every service honours If-Match on reads, and not every one has ETags.
        if (
            meta.etag != first.etag
            or meta.size != first.size
            or (first.etag is None and meta.last_modified != first.last_modified)
        ):
            await result.stream.aclose()
            raise self._changed(driver, "replaced")
        return result

    def _changed(self, driver: Driver, how: str) -> ObjectChangedError:
        return ObjectChangedError(
            f"the object was {how} while it was being read; begin again",
            key=self.key,
            operation="get",
            store=driver.location,
        )
