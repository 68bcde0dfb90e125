"""Alibaba Cloud Object Storage Service.

https://www.alibabacloud.com/help/en/oss/developer-reference/list-of-operations-by-function
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiostore._http import xml
from aiostore._http.bucket_xml import parse_tags, write_tags
from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case, plain
from aiostore._http.status import check_range, unquote_etag
from aiostore.body import Body
from aiostore.capabilities import Capabilities, Conditions, Guarantee, PartLimits
from aiostore.drivers.oss_bucket import OSSBucket
from aiostore.drivers.oss_client import Client, document
from aiostore.drivers.oss_guard import Guarding
from aiostore.drivers.oss_headers import (
    encryption_headers,
    read_headers,
    read_meta,
    stored_crc64,
    target_conditions,
    version_of,
    write_headers,
)
from aiostore.drivers.oss_multipart import OSSMultipart
from aiostore.drivers.oss_xml import write_restore
from aiostore.errors import ConfigurationError, InvalidRangeError, NotFoundError, NotSupportedError
from aiostore.policies import Timeouts
from aiostore.types import (
    NOTHING,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    Encryption,
    GetOptions,
    GetResult,
    Match,
    ObjectMeta,
    PostOptions,
    PutOptions,
    PutResult,
    SignedPost,
    SignOptions,
)

_UNCHANGED: Final = CopyOptions()
_CREATE_ONLY: Final = Conditions(if_absent=Guarantee.ATOMIC)
_MAX_APPEND: Final = 5 * 1024**3
_RESTORING: Final = "RestoreAlreadyInProgress"
_MARKER_PAGES: Final = 10
"""Pages of versions that are looked through for the delete marker of one key."""


class OSSDriver(OSSMultipart, OSSBucket):
    """One bucket. ``oss_settings.make_driver`` makes it of what users say."""

    def __init__(self, client: Client, *, verify: bool) -> None:
        self._client = client
        self._verify = verify
        self._guarding = Guarding(wanted=verify)
        self._capabilities = Capabilities(
            operations=self.operations,
            put=_CREATE_ONLY,
            complete=_CREATE_ONLY,
            copy=_CREATE_ONLY,
            multipart=PartLimits(min_size=100 * 1024),
            max_append=_MAX_APPEND,
            max_copy=1024**3,
            delete_batch=1000,
            checksums=("md5",),
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _driver, (self._client, self._verify)

    @property
    def location(self) -> str:
        return self._client.store

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> OSSDriver:
        return OSSDriver(Client(self._client.service, container), verify=self._verify)

    async def aclose(self) -> None:
        await self._client.service.transport.aclose()

    def use_timeouts(self, timeouts: Timeouts) -> None:
        self._client.service.transport.use_timeouts(timeouts)

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            headers = read_headers(replace(options, start=None, stop=None))
            response = await self._client.send("head", "HEAD", key, headers, _of_version(options.version))
            return read_meta(key, response.headers, response.content_length or 0)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            headers, query = read_headers(options), _of_version(options.version)
            response = await self._client.send("get", "GET", key, headers, query)
            try:
                start, stop, size = check_range(response.status, response.headers, options.start, options.stop)
                if size == 0 and options.start:
                    raise InvalidRangeError("the object is empty")
                meta = read_meta(key, response.headers, size)
            except BaseException:
                await response.aclose()
                raise
            return GetResult(meta=meta, start=start, stop=stop, stream=response)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            headers = write_headers(options) | target_conditions(options.if_match, options.if_none_match)
            known = await self._guarding.of(body, options.checksums, published=True)
            headers |= self._guarding.headers(known) | lower_case(options.headers)
            response = await self._client.send("put", "PUT", key, headers, (), body)
            if response.content_length != 0:
                await discard(response)
            answered = response.headers
            if options.if_none_match is not None:
                await self._check_created(key, options.if_none_match, answered)
            return PutResult(
                etag=unquote_etag(answered.get("ETag")),
                version=version_of(answered),
                size=body.size,
                checksums=self._guarding.held(known, answered),
            )

    async def delete(self, key: str, options: DeleteOptions) -> None:
        with self.naming("delete", key):
            if options.if_match is not None:
                raise NotSupportedError("OSS deletes without conditions; leave if_match out")
            query = _of_version(options.version)
            response = await self._client.send(
                "delete", "DELETE", key, lower_case(options.headers), query, absent_ok=True
            )
            if response.content_length:
                await discard(response)

    # --- copies -----------------------------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        with self.naming("copy", source):
            return CopyStep(done=True, result=await self._copy(source, target, options))

    async def _copy(self, source: str, target: str, options: CopyOptions) -> PutResult:
        if source == target and options == _UNCHANGED:
            # The object is it already; a copy would take its metadata away.
            meta = await self.head(source, GetOptions())
            return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)
        headers = self._source_headers(source, options)
        headers |= target_conditions(options.if_match, options.if_none_match)
        if (new := options.replace) is not None:
            headers["x-oss-metadata-directive"] = "REPLACE"
            if new.tags:
                headers["x-oss-tagging-directive"] = "REPLACE"
            headers |= write_headers(new) | lower_case(new.headers)
        if options.storage_class is not None:
            headers["x-oss-storage-class"] = plain("storage_class", options.storage_class)
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption)
        if options.acl is not None:
            headers["x-oss-object-acl"] = plain("acl", options.acl)
        headers |= lower_case(options.headers)
        etag, answered = await self._client.ask(
            "copy", "PUT", target, lambda root: xml.text(root, "ETag"), headers, slow=True
        )
        await self._check_created(target, options.if_none_match, answered)
        crc = stored_crc64(answered)
        checksums = NOTHING if crc is None else {"crc64": crc}
        return PutResult(etag=unquote_etag(etag), version=version_of(answered), checksums=checksums)

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Copy the object onto itself with what is to be changed; the state that was asked before is the one copied.

        Storage class, encryption and tags go along; an access list that was set does not.
        """
        with self.naming("set_metadata", key):
            return await self._rewrite(key, None, options)

    async def _rewrite(self, key: str, version: str | None, options: PutOptions) -> PutResult:
        meta = await self.head(key, GetOptions(if_match=options.if_match, version=version))
        kept = replace(
            options,
            content_type=_given(options.content_type, meta.content_type),
            content_encoding=_given(options.content_encoding, meta.content_encoding),
            content_disposition=_given(options.content_disposition, meta.content_disposition),
            content_language=_given(options.content_language, meta.content_language),
            cache_control=_given(options.cache_control, meta.cache_control),
            metadata=options.metadata or meta.metadata,
            storage_class=_given(options.storage_class, meta.storage_class),
            encryption=options.encryption or _encryption(meta),
            if_match=None,
            if_none_match=None,
        )
        copied = CopyOptions(source_version=version, source_if_match=Match(etag=meta.etag), replace=kept)
        return replace(await self._copy(key, key, copied), size=meta.size)

    # --- tags, archive, signatures ----------------------------------------------------------------------------------

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        query = (("tagging", ""), *_of_version(version))
        tags, _ = await self._client.ask("get_tags", "GET", key, parse_tags, query=query)
        return tags

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        query = (("tagging", ""), *_of_version(version))
        if tags:
            body, headers = document(write_tags(tags))
            response = await self._client.send("set_tags", "PUT", key, headers, query, body)
        else:
            response = await self._client.send("set_tags", "DELETE", key, query=query)
        await discard(response)

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Fetch an archived object back for ``days``, copy an older version over the current, or undo a deletion.

        To undo a deletion, the newest delete marker is looked up and deleted; it is no error if there is none to undo.
        """
        if days is not None:
            body, headers = document(write_restore(days))
            query = (("restore", ""), *_of_version(version))
            await discard(await self._client.send("restore", "POST", key, headers, query, body, done=_RESTORING))
        elif version is not None:
            with self.naming("restore", key):
                await self._rewrite(key, version, PutOptions())
        else:
            marker = await self._find_marker(key)
            if marker is not None:
                await self.delete(key, DeleteOptions(version=marker))

    async def _find_marker(self, key: str) -> str | None:
        """The version of the delete marker that hides ``key``; None if it is there."""
        token: str | None = None
        for _ in range(_MARKER_PAGES):
            page = await self.list_versions(key, token)
            for entry in page.versions:
                if entry.meta.key == key and entry.is_latest:
                    return entry.meta.version if entry.is_delete_marker else None
            token = page.next_token
            if token is None:
                break
        raise NotFoundError("the object has no version to restore", key=key, operation="restore", store=self.location)

    async def sign(self, key: str, options: SignOptions) -> str:
        if not options.method.isalpha():
            raise ConfigurationError(f"{options.method!r} is not an HTTP method", key=key, operation="sign")
        with self.naming("sign", key):
            query = tuple(options.params.items())
            headers = lower_case(options.headers)
            return await self._client.sign(options.method, key, query, headers, options.expires_in)

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        conditions: list[list[object]] = []
        fields = dict(options.fields)
        if options.min_size or options.max_size is not None:
            most = self._capabilities.max_put if options.max_size is None else options.max_size
            conditions.append(["content-length-range", options.min_size, most])
        if options.content_type is not None:
            if options.content_type.endswith("/"):
                conditions.append(["starts-with", "$content-type", options.content_type])
            else:
                fields["Content-Type"] = options.content_type
        with self.naming("sign_post", key):
            return await self._client.sign_post(key, conditions, fields, options.expires_in)


def _driver(client: Client, verify: bool) -> OSSDriver:
    return OSSDriver(client, verify=verify)


def _of_version(version: str | None) -> tuple[tuple[str, str], ...]:
    return () if version is None else (("versionId", version),)


def _given(value: str | None, kept: str | None) -> str | None:
    return kept if value is None else value


def _encryption(meta: ObjectMeta) -> Encryption | None:
    """How the object is encrypted with a key that the service holds, to be asked for again."""
    algorithm = meta.extra.get("x-oss-server-side-encryption")
    if algorithm is None:
        return None
    return Encryption(algorithm=algorithm, kms_key=meta.extra.get("x-oss-server-side-encryption-key-id"))
