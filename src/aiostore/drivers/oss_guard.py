"""How bodies are guarded on their way: by Content-MD5 before they are published, by the service's CRC-64 after.

https://www.alibabacloud.com/help/en/oss/user-guide/check-data-integrity
"""

from __future__ import annotations

from collections.abc import Mapping

from aiostore import checksums
from aiostore.body import Body
from aiostore.drivers.oss_headers import from_hex, stored_crc64
from aiostore.errors import UnavailableError
from aiostore.types import NOTHING

_CRC64 = "crc64"


class Guarding:
    """How the bodies of one driver are guarded. The CRC needs a native library; without one, parts get an MD5 too."""

    __slots__ = ("_crc", "_wanted")

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._crc = wanted and checksums.best((_CRC64,)) is not None

    async def of(self, body: Body, given: Mapping[str, str] = NOTHING, *, published: bool) -> dict[str, str]:
        """Return the checksums of ``body``. ``published``: readers see it at once, so that damage must be refused."""
        if not self._wanted:
            return {}
        wanted = [_CRC64] if self._crc else []
        if published or not self._crc:
            wanted.append("md5")
        known = {name: given[name] for name in wanted if name in given}
        missing = [name for name in wanted if name not in known]
        return {**known, **await checksums.digests(missing, body)} if missing else known

    @staticmethod
    def headers(known: Mapping[str, str]) -> dict[str, str]:
        """The headers that go with a body of these checksums."""
        return {"content-md5": from_hex(known["md5"])} if "md5" in known else {}

    @staticmethod
    def held(known: Mapping[str, str], answered: Mapping[str, str]) -> Mapping[str, str]:
        """Return the checksums that held, now that the service has answered.

        Raises:
            UnavailableError: if it stored other bytes than were sent.
        """
        stored = stored_crc64(answered)
        if stored is None:
            return {name: value for name, value in known.items() if name == "md5"}
        if known.get(_CRC64, stored) != stored:
            raise UnavailableError("the service stored other bytes than were sent: their CRC-64 differs")
        return {**known, _CRC64: stored}
