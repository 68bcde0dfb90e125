"""Azure Blob Storage.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case
from aiostore._http.status import check_range, unquote_etag
from aiostore.body import Body, Buffers
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.azure_append import MAX_APPEND, AzureAppend
from aiostore.drivers.azure_batch import MAX_BATCH
from aiostore.drivers.azure_blocks import AzureBlocks
from aiostore.drivers.azure_client import Client
from aiostore.drivers.azure_container import AzureContainer
from aiostore.drivers.azure_copy import MAX_COPY, AzureCopy
from aiostore.drivers.azure_delegation import Signing
from aiostore.drivers.azure_guard import Guarding
from aiostore.drivers.azure_headers import (
    check_encrypted,
    content_headers,
    demand_of,
    encryption_headers,
    metadata_headers,
    range_checksums,
    read_headers,
    read_meta,
    target_conditions,
    to_base64,
    version_query,
    write_headers,
)
from aiostore.drivers.azure_xml import parse_tags, write_tags
from aiostore.errors import InvalidRangeError, NotFoundError
from aiostore.policies import Timeouts
from aiostore.types import (
    NOTHING,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    GetResult,
    Match,
    ObjectMeta,
    PutOptions,
    PutResult,
    SignOptions,
)

MAX_BLOCK: Final = 4000 * 1024**2
MAX_BLOCKS: Final = 50_000
MAX_PUT: Final = 5000 * 1024**2
MAX_CHECKED: Final = 4 * 1024**2
"""https://learn.microsoft.com/azure/storage/blobs/scalability-targets"""

_ATOMIC: Final = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)


class AzureDriver(AzureAppend, AzureBlocks, AzureContainer, AzureCopy):
    """One container. ``azure_settings.make_driver`` makes it of what users say."""

    def __init__(self, client: Client, guarding: Guarding, signing: Signing) -> None:
        self._client = client
        self._guarding = guarding
        self._signing = signing
        self._location = client.store
        emulator = client.service.address.emulator
        self._capabilities = Capabilities(
            operations=self.operations - {"copy_part"} if emulator else self.operations,
            put=_ATOMIC,
            complete=_ATOMIC,
            copy=_ATOMIC,
            delete=Conditions(if_match=Guarantee.ATOMIC),
            suffix_range=False,
            # Azurite sorts by UTF-16, hierarchical accounts directory by directory, and nobody documents the rest.
            ordered_listing=False,
            multipart=PartLimits(min_size=1, max_size=MAX_BLOCK, max_count=MAX_BLOCKS),
            max_put=MAX_PUT,
            max_append=MAX_APPEND,
            # The emulator copies any size at once, and no parts.
            max_copy=MAX_BLOCK * MAX_BLOCKS if emulator else MAX_COPY,
            delete_batch=MAX_BATCH,
            checksums=("crc64nvme", "md5") if client.service.crc64 else ("md5",),
            range_checksum=MAX_CHECKED,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return AzureDriver, (self._client, self._guarding, self._signing)

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> AzureDriver:
        return AzureDriver(Client(self._client.service, container), self._guarding, self._signing)

    async def aclose(self) -> None:
        await self._client.service.transport.aclose()

    def use_timeouts(self, timeouts: Timeouts) -> None:
        self._client.service.transport.use_timeouts(timeouts)

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            headers = read_headers(options)
            headers.pop("range", None)
            response = await self._client.send("head", "HEAD", key, headers, version_query(options.version))
            return read_meta(key, response.headers, response.content_length or 0, options.version, whole=True)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            headers = read_headers(options)
            start, stop = options.start or 0, options.stop
            if checked := stop is not None and start >= 0 and stop - start <= MAX_CHECKED and self._guarding.wanted:
                headers[self._guarding.range_header] = "true"
            response = await self._client.send("get", "GET", key, headers, version_query(options.version))
            try:
                answered = response.headers
                if response.status == 206 and response.content_length == 0:
                    # What Azurite answers to a range that starts at the end.
                    raise InvalidRangeError("the range starts past the end of the object")
                start, stop, size = check_range(response.status, answered, options.start, options.stop)
                meta = read_meta(key, answered, size, options.version, whole=response.status == 200)
            except BaseException:
                await response.aclose()
                raise
            checksums = range_checksums(answered) if checked and response.status == 206 else NOTHING
            return GetResult(meta=meta, start=start, stop=stop, stream=response, checksums=checksums)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            headers = write_headers(options)
            headers["x-ms-blob-type"] = "BlockBlob"
            if options.if_match is not None or options.if_none_match is not None:
                headers |= target_conditions(options.if_match, options.if_none_match)
            guard = self._guarding.at_once(body, options.checksums)
            if guard is None:
                guard = await self._guarding.of(body, options.checksums)
            headers.update(guard.headers)
            if options.headers:
                headers |= lower_case(options.headers)
            demand = demand_of(options.if_match, options.if_none_match)
            response = await self._client.send("put", "PUT", key, headers, (), body, demand=demand)
            if response.content_length != 0:
                await discard(response)
            answered = response.headers
            if options.encryption is not None:
                check_encrypted(options.encryption, answered)
            return PutResult(
                etag=unquote_etag(answered.get("etag")),
                version=answered.get("x-ms-version-id"),
                size=body.size,
                checksums=guard.held,
            )

    async def delete(self, key: str, options: DeleteOptions) -> None:
        """Delete the object and its snapshots, which cannot stay without it; its versions stay."""
        with self.naming("delete", key):
            headers = target_conditions(options.if_match, None) | self._delete_headers(options)
            demand = demand_of(options.if_match, None)
            response = await self._client.send(
                "delete", "DELETE", key, headers, version_query(options.version), demand=demand, absent_ok=not demand
            )
            if response.content_length:
                await discard(response)

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Set the content headers, then the metadata, each on the condition that the object is what was read before.

        The service replaces all content headers together, so they are read first.
        """
        with self.naming("set_metadata", key):
            meta = await self.head(key, GetOptions(if_match=options.if_match, encryption=options.encryption))
            result = PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)
            if content := content_headers(options):
                content = content_headers(_content(meta)) | content
                if md5 := meta.checksums.get("md5"):
                    content["x-ms-blob-content-md5"] = to_base64(md5)
                result = await self._set(key, "properties", content, options, result)
            if options.metadata:
                result = await self._set(key, "metadata", metadata_headers(options.metadata), options, result)
            return result

    async def _set(
        self, key: str, what: str, headers: dict[str, str], options: PutOptions, before: PutResult
    ) -> PutResult:
        headers = headers | target_conditions(Match(etag=before.etag), None)
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption)
        headers |= lower_case(options.headers)
        response = await self._client.send("set_metadata", "PUT", key, headers, (("comp", what),), demand="match")
        await discard(response)
        etag = unquote_etag(response.headers.get("etag"))
        return replace(before, etag=etag, version=response.headers.get("x-ms-version-id"))

    # --- tags, archive, signatures ----------------------------------------------------------------------------------

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        with self.naming("get_tags", key):
            query = (("comp", "tags"), *version_query(version))
            tags, _ = await self._client.ask("get_tags", "GET", key, parse_tags, query=query)
            return tags

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        with self.naming("set_tags", key):
            data = write_tags(tags)
            body = Buffers((data,), len(data))
            headers = {"content-type": "application/xml; charset=utf-8", **(await self._guarding.of(body)).headers}
            query = (("comp", "tags"), *version_query(version))
            await discard(await self._client.send("set_tags", "PUT", key, headers, query, body))

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Copy a version or snapshot over the current object, bring an archived object back, or undo a deletion.

        What is brought back stays: Azure knows no number of ``days``, and it takes hours until it can be read; what is
        on its way already is left alone. A deletion can be undone as long as the account keeps what was deleted; the
        object is then its latest version. A copy that the service makes by itself is waited for, as there is nobody to
        continue it; it goes on if the call is cancelled.
        """
        if version is not None:
            await self._bring_back(key, version)
        elif days is not None:
            meta = await self.head(key, GetOptions())
            if meta.storage_class == "Archive" and "x-ms-archive-status" not in meta.extra:
                headers = {"x-ms-access-tier": "Hot", "x-ms-rehydrate-priority": "Standard"}
                await discard(await self._client.send("restore", "PUT", key, headers, (("comp", "tier"),)))
        else:
            await self._undelete(key)

    async def _undelete(self, key: str) -> None:
        await discard(await self._client.send("restore", "PUT", key, {}, (("comp", "undelete"),)))
        try:
            await self.head(key, GetOptions())
        except NotFoundError:
            # Where versions are kept, they come back, and none of them is current.
            for entry in (await self.list_versions(key)).versions:
                if entry.meta.key == key:
                    await self._bring_back(key, entry.meta.version)
                    return
            raise

    async def _bring_back(self, key: str, version: str | None) -> None:
        wanted = CopyOptions(source_version=version)
        step = await self.copy(key, key, wanted)
        while not step.done:
            await asyncio.sleep(step.wait)
            step = await self.copy(key, key, wanted, step.token)

    async def sign(self, key: str, options: SignOptions) -> str:
        with self.naming("sign", key):
            return await self._signing.url(self._client, key, options)


def _content(meta: ObjectMeta) -> PutOptions:
    return PutOptions(
        content_type=meta.content_type,
        content_encoding=meta.content_encoding,
        content_disposition=meta.content_disposition,
        content_language=meta.content_language,
        cache_control=meta.cache_control,
    )
