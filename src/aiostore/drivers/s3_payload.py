"""How a body is guarded on its way to S3: by the signature over its hash, or by a checksum beside it.

Over plain HTTP the payload is signed. Over TLS a service that stores checksums gets the body's CRC instead, which is
ten times cheaper and guards it to the disk. Other services that are known to compare the payload with the hash in the
signature get it signed there too: SHA-256 is no slower than the MD5 of Content-MD5, which not every service looks at.
A service of no known dialect gets that under ``integrity="require"``; otherwise TLS alone guards the body.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiostore import checksums
from aiostore.body import Body, Buffers
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_headers import checksum_from_hex
from aiostore.drivers.sigv4 import UNSIGNED_PAYLOAD
from aiostore.types import NOTHING

_LOOP_LIMIT: Final = 256 * 1024
"""Bytes that are hashed in the event loop; more goes to a worker thread."""


class Guard(NamedTuple):
    """``payload`` is what the signature says of the body, ``headers`` go with it.

    ``held`` are the checksums that held once the service has accepted the body; ``md5`` is its MD5 if it is known.
    """

    payload: str
    headers: Mapping[str, str]
    held: Mapping[str, str]
    md5: str | None


_UNGUARDED: Final = Guard(UNSIGNED_PAYLOAD, NOTHING, NOTHING, None)


class Guarding:
    """How the bodies of one driver are guarded, whatever they are."""

    __slots__ = ("_algorithm", "_dialect", "_header", "_md5", "_sign")

    def __init__(self, dialect: Dialect, *, tls: bool, anonymous: bool, wanted: bool, required: bool = False) -> None:
        self._dialect = dialect
        self._algorithm = dialect.checksums[0] if dialect.checksums and wanted else None
        self._header = f"x-amz-checksum-{self._algorithm}"
        # Of an unknown service nobody knows whether it looks at the hash; TLS guards the body on its way all the same.
        hashed = self._algorithm is None and (required or (wanted and bool(dialect.name)))
        self._sign = not anonymous and (not tls or hashed)
        self._md5 = anonymous and wanted and self._algorithm is None

    @property
    def algorithm(self) -> str | None:
        """The checksum that is sent with every body, for the service to store."""
        return self._algorithm

    def at_once(self, body: Body, given: Mapping[str, str]) -> Guard | None:
        """Return what guards a small body, or None if `of` must be awaited."""
        if given or self._md5 or body.size > _LOOP_LIMIT:
            return None
        if not self._sign and self._algorithm is None:
            return _UNGUARDED
        buffers = body.buffers
        if buffers is None or len(buffers) != 1:
            return None
        payload, headers, held = UNSIGNED_PAYLOAD, NOTHING, NOTHING
        if self._sign:
            payload = hashlib.sha256(buffers[0]).hexdigest()
            if self._dialect.payload_checked:
                held = {"sha256": payload}
        if (algorithm := self._algorithm) is not None:
            digest = checksums.of(algorithm, buffers[0])
            headers = {self._header: checksum_from_hex(digest)}
            held = {**held, algorithm: digest}
        return Guard(payload, headers, held, None)

    async def of(self, body: Body, given: Mapping[str, str] = NOTHING) -> Guard:
        """Return what guards ``body``; ``given`` are checksums of it that need not be computed."""
        wanted = []
        if self._sign and "sha256" not in given:
            wanted.append("sha256")
        if self._algorithm is not None and not any(name in given for name in self._dialect.checksums):
            wanted.append(self._algorithm)
        if self._md5 and "md5" not in given:
            wanted.append("md5")
        known = {**given, **await checksums.digests(wanted, body)} if wanted else given
        return self._guard(known)

    def _guard(self, known: Mapping[str, str]) -> Guard:
        dialect = self._dialect
        headers: dict[str, str] = {}
        held: dict[str, str] = {}
        payload = UNSIGNED_PAYLOAD
        if self._sign:
            payload = known["sha256"]
            if dialect.payload_checked:
                held["sha256"] = payload
        # Services take one of these headers at most.
        algorithm = next((name for name in dialect.checksums if name in known and self._algorithm), None)
        if algorithm is not None:
            headers[f"x-amz-checksum-{algorithm}"] = checksum_from_hex(known[algorithm])
            held[algorithm] = known[algorithm]
        md5 = known.get("md5")
        if md5 is not None:
            headers["content-md5"] = checksum_from_hex(md5)
            if dialect.md5_checked:
                held["md5"] = md5
        return Guard(payload, headers, held, md5)


def document(data: bytes) -> tuple[Body, str, dict[str, str]]:
    """Return a small XML body, its payload hash, and the Content-MD5 that some requests demand."""
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return Buffers((data,), len(data)), hashlib.sha256(data).hexdigest(), {"content-md5": md5}
