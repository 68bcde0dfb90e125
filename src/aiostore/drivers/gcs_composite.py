"""Uploads in parts that are objects of their own until they are composed: parallel composite uploads.

They take conditions and tags, which multipart uploads of the XML API do not, and work where there is no XML API. Parts
lie under :data:`HIDDEN`, which listings leave out. https://docs.cloud.google.com/storage/docs/parallel-composite-uploads
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from aiostore import checksums
from aiostore.body import Body, Buffers
from aiostore.drivers.gcs_client import encode_key, object_url
from aiostore.drivers.gcs_conditions import GCSConditions, check_match
from aiostore.drivers.gcs_resource import (
    FIELDS,
    Resource,
    customer_key,
    from_resource,
    kms_key,
    predefined_acl,
    to_meta,
    to_metas,
    to_resource,
    to_result,
)
from aiostore.errors import CorruptedError, NotFoundError, PreconditionFailedError, StoreError, TransientError
from aiostore.types import (
    NOTHING,
    DeleteOptions,
    Encryption,
    Match,
    Part,
    PartPage,
    PutOptions,
    PutResult,
    Upload,
    UploadPage,
)

HIDDEN: Final = "aiostore-uploads/"
"""Where the parts of uploads under way lie."""

SOURCES: Final = 32
"""Objects that one request composes, at most."""

_GRACE: Final = 2.0
"""Seconds that a part under way gets to be answered when its upload is given up."""

_KEY: Final = "aiostore-upload-key"


def prefix_of(upload: Upload) -> str:
    """What the names of an upload's objects begin with."""
    return f"{HIDDEN}{upload.id}"


class GCSComposite(GCSConditions):
    """Uploads as parts that are composed."""

    async def append(self, key: str, body: Body, offset: int, options: PutOptions) -> PutResult:
        """Compose the object with what is added: ask for it, put the bytes beside it, compose, delete these.

        What the object is stored with is kept, but for access lists. If the last request fails, :meth:`list_multipart`
        knows of what is left. If it is not clear what became of the composition, the object is looked at once.
        """
        client = self._client
        with self.naming("append", key):
            if options.if_none_match is not None:
                return await self.put(key, body, options)
            asked = object_url(client, key, f"fields={FIELDS},contexts")
            with _harmless():
                known = await client.ask("append", "GET", asked, key, customer_key(options.encryption))
            if options.if_match is not None:
                check_match(options.if_match, known)
            if int(known["size"]) != offset:
                raise PreconditionFailedError("the object is not what it was when it was opened; read it anew")
            if options.encryption is None and (name := kms_key(known)) is not None:
                options = replace(options, encryption=Encryption(kms_key=name))
            upload = self._begin_composite(key, options)
            part = _name(upload, 1)
            try:
                with _harmless():
                    added = await self.put(part, body, _part_options(upload))
                return await self._joined(key, known, _source(part, added.version), added, options)
            finally:
                with suppress(StoreError):
                    await self.delete(part, DeleteOptions())

    async def _joined(
        self, key: str, known: Resource, source: Resource, added: PutResult, options: PutOptions
    ) -> PutResult:
        """The object that is known and ``source`` behind it, in its place."""
        generation = str(known["generation"])
        kept = {**from_resource(known), **to_resource(options)}
        pinned = replace(options, if_match=Match(version=generation))
        try:
            return await self._compose("append", key, key, [_source(key, generation), source], kept, pinned)
        except TransientError:
            before = to_meta(known)
            whole = combined([_part(1, before.size, before.checksums), _part(2, added.size, added.checksums)])
            with suppress(StoreError):
                asked = object_url(self._client, key, f"fields={FIELDS}")
                now = await self._client.ask("append", "GET", asked, key, customer_key(options.encryption))
                made = to_result(now)
                same = made.size == before.size + added.size and whole.items() <= made.checksums.items()
                if whole and same and made.version != generation:
                    return made
            raise

    def _begin_composite(self, key: str, options: PutOptions) -> Upload:
        """Nothing is sent: an upload is there when its first part is."""
        return Upload(key=key, id=f"composite-{secrets.token_hex(16)}", options=options, leaves_parts=True)

    async def _put_composite_part(self, upload: Upload, number: int, body: Body) -> Part:
        result = await _seen_through(self.put(_name(upload, number), body, _part_options(upload)))
        return Part(number=number, size=body.size, etag=result.version, checksums=result.checksums)

    async def _list_composite_parts(self, upload: Upload, page_token: str | None) -> PartPage:
        client = self._client
        prefix = prefix_of(upload) + "/"
        url = f"{client.json}/o?prefix={encode_key(prefix)}&fields=items(name,size,generation,crc32c),nextPageToken"
        if page_token is not None:
            url += f"&pageToken={encode_key(page_token)}"
        answer = await client.ask("list_parts", "GET", url, upload.key)
        found = to_metas(answer.get("items", ()))
        if not found and page_token is None:
            raise NotFoundError("there is no such multipart upload: it was completed, aborted or expired")
        # What was composed of parts on the way has another name.
        numbers = [(meta.key.removeprefix(prefix), meta) for meta in found]
        parts = [
            _part(int(number), meta.size, meta.checksums, meta.version)
            for number, meta in numbers
            if number.isdecimal()
        ]
        return PartPage(parts=parts, next_token=answer.get("nextPageToken"))

    async def _compose_parts(self, upload: Upload, parts: Sequence[Part], options: PutOptions) -> PutResult:
        """Compose 32 at a time, level by level; what is composed on the way has names of its own, always the same."""
        sources = [_source(_name(upload, part.number), part.etag) for part in parts]
        level = 0
        while len(sources) > SOURCES:
            level += 1
            composed = []
            for position in range(0, len(sources), SOURCES):
                name = f"{prefix_of(upload)}/{level}-{position // SOURCES:05d}"
                piece = _part_options(upload)
                batch = sources[position : position + SOURCES]
                made = await self._compose("complete_multipart", upload.key, name, batch, to_resource(piece), piece)
                composed.append(_source(name, made.version))
            sources = composed
        if not sources:
            return await self.put(upload.key, Buffers((), 0), options)
        whole = replace(upload.options, if_match=options.if_match, if_none_match=options.if_none_match)
        resource = to_resource(whole)
        result = await self._compose("complete_multipart", upload.key, upload.key, sources, resource, whole)
        self._compare(upload.key, parts, result)
        return replace(result, size=sum(part.size for part in parts))

    async def _compose(
        self,
        operation: str,
        key: str,
        name: str,
        sources: Sequence[Resource],
        resource: Resource,
        options: PutOptions,
    ) -> PutResult:
        """Make ``name`` of ``sources``, described by ``resource``, as ``options`` demand it."""
        client = self._client
        url = f"{object_url(client, name)}/compose?fields=size,etag,generation,md5Hash,crc32c"
        if options.encryption is not None and options.encryption.kms_key is not None:
            url += f"&kmsKeyName={encode_key(options.encryption.kms_key)}"
        if options.acl is not None:
            url += f"&destinationPredefinedAcl={encode_key(predefined_acl(options.acl))}"
        url, demand = await self._conditions(url, name, options.if_match, options.if_none_match)
        content = {"sourceObjects": list(sources), "destination": resource}
        headers = customer_key(options.encryption)
        return to_result(await client.ask_with(operation, "POST", url, key, content, headers, slow=True, demand=demand))

    def _compare(self, key: str, parts: Sequence[Part], result: PutResult) -> None:
        """Compare the CRC32C of the whole, which the service knows, with that of what was sent."""
        sent = combined(parts).get("crc32c")
        if sent is not None and result.checksums.get("crc32c", sent) != sent:
            raise CorruptedError(
                "the service made the object of other bytes than were sent: their CRC32C differs; write it again",
                key=key,
                operation="complete_multipart",
                store=self.location,
            )

    async def _drop_composite(self, upload: Upload) -> None:
        """Delete all that the upload has left."""
        client = self._client
        prefix = prefix_of(upload) + "/"
        while True:
            url = f"{client.json}/o?prefix={encode_key(prefix)}&fields=items(name)&maxResults=1000"
            answer = await client.ask("abort_multipart", "GET", url, upload.key)
            names = sorted(item["name"] for item in answer.get("items", ()))
            if not names:
                return
            for position in range(0, len(names), 100):
                for outcome in await self.delete_many(names[position : position + 100], DeleteOptions()):
                    if outcome.error is not None:
                        raise outcome.error

    async def _list_composites(self, prefix: str, page_token: str | None) -> UploadPage:
        client = self._client
        url = f"{client.json}/o?prefix={HIDDEN}&fields=items(name,metadata,timeCreated),nextPageToken"
        if page_token is not None:
            url += f"&pageToken={encode_key(page_token)}"
        answer = await client.ask("list_multipart", "GET", url, prefix)
        uploads: dict[str, Upload] = {}
        for item in answer.get("items", ()):
            key = unquote((item.get("metadata") or {}).get(_KEY, ""))
            upload_id = item["name"].removeprefix(HIDDEN).partition("/")[0]
            if key and key.startswith(prefix) and upload_id not in uploads:
                started = datetime.fromisoformat(item["timeCreated"])
                uploads[upload_id] = Upload(key=key, id=upload_id, started=started, leaves_parts=True)
        return UploadPage(uploads=list(uploads.values()), next_token=answer.get("nextPageToken"))


def combined(parts: Sequence[Part]) -> Mapping[str, str]:
    """The CRC32C of all parts together, if it is known of each."""
    if not parts or not all("crc32c" in part.checksums for part in parts):
        return NOTHING
    return {"crc32c": checksums.combine_digests("crc32c", [(part.checksums["crc32c"], part.size) for part in parts])}


async def _seen_through(request: Coroutine[object, object, PutResult]) -> PutResult:
    """The answer to a request that, if the caller is cancelled, gets a moment to be answered.

    A part that the service has received whole is stored whoever waits for it; whoever drops the upload must find it.
    """
    task = asyncio.create_task(request)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait((task,), timeout=_GRACE)
        finally:
            if not task.cancel():
                # Its error is nobody's any more, but it must be taken note of.
                task.exception()
        raise


def _part_options(upload: Upload) -> PutOptions:
    """What a part is stored with: where it is kept and how, as the object will be, and which upload it is of."""
    options = upload.options
    return PutOptions(
        metadata={_KEY: encode_key(upload.key)}, storage_class=options.storage_class, encryption=options.encryption
    )


def _name(upload: Upload, number: int) -> str:
    return f"{prefix_of(upload)}/{number:05d}"


def _source(name: str, generation: str | None) -> Resource:
    return {"name": name} if generation is None else {"name": name, "generation": generation}


def _part(number: int, size: int, digests: Mapping[str, str], version: str | None = None) -> Part:
    return Part(number=number, size=size, etag=version, checksums=digests)


@contextmanager
def _harmless() -> Iterator[None]:
    """Nothing was done to the object itself by what fails in here, so all of it can be sent again."""
    try:
        yield
    except TransientError as error:
        error.answered = True
        raise
