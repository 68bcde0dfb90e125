"""Google Cloud Storage.

Objects are read by the XML API, whose answers bring the metadata with the bytes, and written, described and listed by
the JSON API, which takes conditions, checksums and metadata in one request. Both take the same token.
https://docs.cloud.google.com/storage/docs/json_api and https://docs.cloud.google.com/storage/docs/xml-api/overview
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiostore._http.document import discard
from aiostore._http.failure import Demand
from aiostore._http.status import check_range, range_header
from aiostore.body import Body
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.base_conditions import check_read
from aiostore.drivers.gcs_bucket import GCSBucket
from aiostore.drivers.gcs_client import Client, encode_key, object_url
from aiostore.drivers.gcs_conditions import pinning, read_conditions
from aiostore.drivers.gcs_multipart import GCSMultipart, MultipartStyle
from aiostore.drivers.gcs_related import related
from aiostore.drivers.gcs_resource import (
    CONTENT,
    FIELDS,
    WRITTEN,
    Resource,
    check_metadata,
    customer_key,
    encode_digest,
    from_resource,
    headers_to_meta,
    predefined_acl,
    to_contexts,
    to_meta,
    to_resource,
    to_result,
    to_tags,
)
from aiostore.drivers.gcs_sign import GCSSign
from aiostore.errors import NotSupportedError, UnavailableError
from aiostore.policies import Timeouts
from aiostore.types import (
    ANY,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    GetOptions,
    GetResult,
    ObjectMeta,
    PutOptions,
    PutResult,
)

_ATOMIC: Final = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)
_LARGEST: Final = 5 * 1024**4
"""Bytes of an object: one request can hold them, and one chain of rewrites copies them."""


class GCSDriver(GCSMultipart, GCSBucket, GCSSign):
    """One bucket. ``gcs_settings.make_driver`` makes it of what users say."""

    def __init__(self, client: Client, style: MultipartStyle, *, checked: bool) -> None:
        self._client = client
        self._style = style
        self._checked = checked
        self._capabilities = Capabilities(
            operations=self.operations,
            put=_ATOMIC,
            complete=_ATOMIC,
            copy=_ATOMIC,
            delete=Conditions(if_match=Guarantee.ATOMIC),
            multipart=PartLimits(min_size=1) if style == "composite" else PartLimits(),
            max_put=_LARGEST,
            max_copy=_LARGEST,
            delete_batch=100,
            checksums=("crc32c", "md5"),
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self._client, self._style, self._checked)

    @property
    def location(self) -> str:
        return self._client.store

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> GCSDriver:
        return GCSDriver(Client(self._client.service, container), self._style, checked=self._checked)

    def use_timeouts(self, timeouts: Timeouts) -> None:
        self._client.service.transport.use_timeouts(timeouts)

    async def aclose(self) -> None:
        await self._client.service.transport.aclose()

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        client = self._client
        query = f"fields={FIELDS}"
        if options.version is not None:
            query += f"&generation={encode_key(options.version)}"
        with self.naming("head", key):
            headers = {**customer_key(options.encryption), **options.headers}
            url = object_url(client, key, query)
            meta = to_meta(await client.ask("head", "GET", url, key, headers))
            check_read(options, meta)
            return meta

    async def get(self, key: str, options: GetOptions) -> GetResult:
        client = self._client
        # Without this an object that is stored as gzip would be decompressed, to a length that nobody tells.
        headers = {"accept-encoding": "gzip"}
        url = f"{client.xml}/{encode_key(key)}"
        with self.naming("get", key):
            if options.version is not None:
                url += f"?generation={encode_key(options.version)}"
            conditional = read_conditions(options, headers)
            if (wanted := range_header(options.start, options.stop)) is not None:
                headers["range"] = wanted
            if options.encryption is not None:
                headers.update(customer_key(options.encryption))
            if options.headers:
                headers.update(options.headers)
            response = await client.send("get", "GET", url, key, headers)
            try:
                answered = response.headers
                start, stop, size = check_range(response.status, answered, options.start, options.stop)
                stored = answered.get("x-goog-stored-content-length")
                if stored is not None and stored != str(size):
                    raise UnavailableError(f"{stored} bytes are stored and {size} were sent: something decoded them")
                meta = headers_to_meta(key, answered, size)
                if conditional:
                    # Of an ETag the service knows its own form only.
                    check_read(options, meta)
            except BaseException:
                await response.aclose()
                raise
            return GetResult(meta=meta, start=start, stop=stop, stream=response)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """One ``multipart/related`` request; to replace what an ETag names, its generation is asked for before."""
        client = self._client
        with self.naming("put", key):
            resource = to_resource(options)
            resource["name"] = key
            digests = await self._digests(body, options.checksums)
            if (crc32c := digests.get("crc32c")) is not None:
                resource["crc32c"] = encode_digest(crc32c)
            if (md5 := digests.get("md5")) is not None:
                resource["md5Hash"] = encode_digest(md5)
            url, demand = await self._target(f"{client.media}?uploadType=multipart&fields={WRITTEN}", key, options)
            headers = dict(customer_key(options.encryption))
            headers["content-type"], framed = related(resource, body)
            if options.tags:
                url += ",contexts"
            written = await client.ask("put", "POST", url, key, headers, framed, demand=demand)
            self._check_tags(options.tags, written)
            result = to_result(written)
            if crc32c is not None and result.checksums.get("crc32c", crc32c) != crc32c:
                raise UnavailableError("the service stored other bytes than were sent: their CRC32C differs")
            return replace(result, size=body.size)

    async def delete(self, key: str, options: DeleteOptions) -> None:
        client = self._client
        with self.naming("delete", key):
            url = f"{client.json}/o/{encode_key(key)}?"
            if options.version is not None:
                url += f"generation={encode_key(options.version)}"
            url, demand = await self._conditions(url, key, options.if_match, None)
            await discard(
                await client.send(
                    "delete", "DELETE", url.removesuffix("?"), key, options.headers, demand=demand, absent_ok=not demand
                )
            )

    # --- copies -----------------------------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        """One call of ``rewrite``: large objects that move between places or keys take several.

        With other metadata, or another storage class, the source is asked for the rest first, which would be lost.
        """
        with self.naming("copy", source):
            return await self._rewrite(source, target, options, token)

    async def _rewrite(self, source: str, target: str, options: CopyOptions, token: str | None) -> CopyStep:
        client = self._client
        origin = client if options.source_container is None else Client(client.service, options.source_container)
        bucket = client.json.rpartition("/")[2]
        url = f"{object_url(origin, source)}/rewriteTo/b/{bucket}/o/{encode_key(target)}"
        url += f"?fields=done,rewriteToken,resource({WRITTEN})"
        if token is not None:
            url += f"&rewriteToken={encode_key(token)}"
        if options.source_version is not None:
            url += f"&sourceGeneration={encode_key(options.source_version)}"
        if options.source_if_match is not None and options.source_if_match != ANY:
            url += f"&{await self._matching(source, options.source_if_match, origin, 'ifSource')}"
        content: Resource = {}
        written = options.replace
        encryption = options.encryption or (None if written is None else written.encryption)
        acl = options.acl or (None if written is None else written.acl)
        if written is not None or options.storage_class is not None:
            # What comes along is instead of all that would be copied.
            content = await self._kept(origin, source, options)
        if acl is not None:
            url += f"&destinationPredefinedAcl={encode_key(predefined_acl(acl))}"
        if encryption is not None and encryption.kms_key is not None:
            url += f"&destinationKmsKeyName={encode_key(encryption.kms_key)}"
        url, demand = await self._conditions(url, target, options.if_match, options.if_none_match)
        headers = {
            **customer_key(options.source_encryption, source=True),
            **customer_key(encryption),
            **options.headers,
        }
        if content:
            step = await client.ask_with("copy", "POST", url, source, content, headers, slow=True, demand=demand)
        else:
            # Then the metadata is copied.
            step = await client.ask("copy", "POST", url, source, headers, slow=True, demand=demand)
        if step.get("done"):
            return CopyStep(done=True, result=to_result(step.get("resource", {})))
        if not step.get("rewriteToken"):
            raise UnavailableError("the service neither finished the copy nor said how to go on")
        return CopyStep(done=False, token=step["rewriteToken"])

    async def _kept(self, origin: Client, source: str, options: CopyOptions) -> Resource:
        """What a copy is described with: what is given, and of the source what nobody gave."""
        query = f"fields={FIELDS},contexts"
        if options.source_version is not None:
            query += f"&generation={encode_key(options.source_version)}"
        asked = object_url(origin, source, query)
        headers = customer_key(options.source_encryption)
        kept = from_resource(await origin.ask("copy", "GET", asked, source, headers))
        if options.replace is not None:
            for field in CONTENT:
                kept.pop(field, None)
            kept = {"contentType": "application/octet-stream", **kept, **to_resource(options.replace)}
        if options.storage_class is not None:
            kept["storageClass"] = options.storage_class
        return kept

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Patch what is given. Metadata is replaced as a whole, so what is there is asked for before, and pinned.

        Raises:
            UnavailableError: if it was changed between the two requests; whoever sends both again changes it.
        """
        client = self._client
        with self.naming("set_metadata", key):
            encryption = options.encryption
            if options.storage_class is not None or (encryption is not None and encryption.kms_key is not None):
                raise NotSupportedError("the storage class and the key of an object stay as they are; copy it instead")
            content = to_resource(options)
            url = object_url(client, key, f"fields={WRITTEN}")
            demand: Demand = "same"
            if options.metadata or options.tags:
                asked = object_url(client, key, f"fields=metadata,contexts,metageneration,{WRITTEN}")
                known = await self._holding("set_metadata", asked, key, options)
                if options.metadata:
                    dropped = dict.fromkeys(known.get("metadata") or {})
                    content["metadata"] = {**dropped, **check_metadata(options.metadata)}
                if options.tags:
                    content["contexts"] = to_contexts({**dict.fromkeys(to_tags(known)), **options.tags})
                url += f",contexts{pinning(known)}"
            else:
                url, demand = await self._conditions(url, key, options.if_match, options.if_none_match)
            if options.acl is not None:
                url += f"&predefinedAcl={encode_key(predefined_acl(options.acl))}"
            headers = customer_key(encryption)
            patched = await client.ask_with("set_metadata", "PATCH", url, key, content, headers, demand=demand)
            self._check_tags(options.tags, patched)
            return to_result(patched)

    # --- tags -------------------------------------------------------------------------------------------------------

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        client = self._client
        query = "fields=contexts" if version is None else f"fields=contexts&generation={encode_key(version)}"
        return to_tags(await client.ask("get_tags", "GET", object_url(client, key, query), key))

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        """Replace the object contexts: those that are there are asked for before, and pinned, as for metadata."""
        client = self._client
        chosen = "" if version is None else f"&generation={encode_key(version)}"
        url = object_url(client, key, f"fields=contexts,generation,metageneration{chosen}")
        with self.naming("set_tags", key):
            known = await client.ask("set_tags", "GET", url, key)
            content = {"contexts": to_contexts({**dict.fromkeys(to_tags(known)), **tags})}
            url += pinning(known)
            self._check_tags(tags, await client.ask_with("set_tags", "PATCH", url, key, content, demand="same"))

    def _check_tags(self, tags: Mapping[str, str], written: Resource) -> None:
        if tags and to_tags(written) != dict(tags):
            raise NotSupportedError(
                "the service did not store the tags, which are object contexts there; keep them in the metadata"
            )


def _rebuild(client: Client, style: MultipartStyle, checked: bool) -> GCSDriver:  # pickles have no names
    return GCSDriver(client, style, checked=checked)
