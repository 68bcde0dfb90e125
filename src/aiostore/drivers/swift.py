"""OpenStack Swift, and Ceph's gateway, which speaks its API.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from aiostore import checksums
from aiostore._http.document import discard
from aiostore._http.response import Response
from aiostore._http.status import check_range, unquote_etag
from aiostore.body import Body
from aiostore.capabilities import Capabilities, PartLimits
from aiostore.drivers.base_conditions import check_read
from aiostore.drivers.sigv4 import encode_query
from aiostore.drivers.swift_bulk import read_errors
from aiostore.drivers.swift_client import Client
from aiostore.drivers.swift_container import SwiftContainer
from aiostore.drivers.swift_dialect import Info
from aiostore.drivers.swift_headers import (
    check_name,
    edited_headers,
    lower_case,
    quoted,
    read_headers,
    read_meta,
    refuse_conditions,
    write_headers,
)
from aiostore.drivers.swift_segments import SegmentContainer, is_static
from aiostore.drivers.swift_slo import SwiftLargeObjects
from aiostore.drivers.swift_tempurl import temp_form, temp_url
from aiostore.errors import (
    AlreadyExistsError,
    InvalidRangeError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionFailedError,
)
from aiostore.policies import Timeouts
from aiostore.types import (
    NOTHING,
    CopyOptions,
    CopyStep,
    DeleteOptions,
    GetOptions,
    GetResult,
    ObjectMeta,
    PostOptions,
    PutOptions,
    PutResult,
    SignedPost,
    SignOptions,
)

_DEFAULTS = Info()

_SMALL = 32 * 1024
"""Bytes of a body that is sent on the chance that there is no object yet, which saves asking what would be replaced."""

_FILENAME = "${filename}"
"""What stands for the name of the file in the key of a form."""


class SwiftDriver(SwiftLargeObjects, SwiftContainer):
    """One container. ``swift_settings.make_driver`` makes it of what users say.

    ``verified``: bodies are sent with their MD5, which the service compares.
    """

    def __init__(
        self, client: Client, *, verified: bool, temp_url_key: str | None = None, temp_url_digest: str | None = None
    ) -> None:
        self._client = client
        self._segments = SegmentContainer(client)
        self._dialect = dialect = client.service.dialect
        self._verified = verified
        self._temp_url_key = temp_url_key
        self._temp_url_digest = temp_url_digest or dialect.digest
        self._location = f"swift://{client.container}"
        self._known: Info | None = None
        self._operations = self.operations - dialect.missing - (set() if temp_url_key else {"sign", "sign_post"})
        self._capabilities = self._describe(_DEFAULTS)

    def __reduce__(self) -> tuple[object, ...]:
        return _remake, (self._client, self._verified, self._temp_url_key, self._temp_url_digest)

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        """As is common, and less where the cluster has said so since, when it was first asked for its limits."""
        info = self._client.service.info
        if info is not self._known and info is not None:
            self._known = info
            self._capabilities = self._describe(info)
        return self._capabilities

    def _describe(self, info: Info) -> Capabilities:
        dialect = self._dialect
        return Capabilities(
            operations=frozenset(self._operations),
            put=dialect.put,
            complete=dialect.complete,
            multipart=PartLimits(min_size=info.min_segment, max_size=info.max_object, max_count=info.max_segments),
            max_put=info.max_object,
            max_copy=info.max_object,
            delete_batch=info.delete_batch,
            checksums=("md5",),
        )

    def sibling(self, container: str) -> SwiftDriver:
        return _remake(
            Client(self._client.service, container), self._verified, self._temp_url_key, self._temp_url_digest
        )

    def use_timeouts(self, timeouts: Timeouts) -> None:
        self._client.service.transport.use_timeouts(timeouts)

    async def aclose(self) -> None:
        await self._client.service.transport.aclose()

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            headers = read_headers(options, ranged=False)
            response = await self._client.send("head", "HEAD", key, headers, _version(options.version))
            meta = read_meta(key, response.headers, response.content_length or 0)
            check_read(options, meta)
            return meta

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            headers = read_headers(options, ranged=True)
            response = await self._client.send("get", "GET", key, headers, _version(options.version))
            try:
                start, stop, size = check_range(response.status, response.headers, options.start, options.stop)
                if size == 0 and options.start:
                    raise InvalidRangeError("the object is empty")
                meta = read_meta(key, response.headers, size)
                check_read(options, meta)
            except BaseException:
                await response.aclose()
                raise
            # What other tools wrote has no checksum of the whole, but its segments have MD5s.
            in_segments = not meta.checksums and is_static(response.headers)
            return GetResult(meta=meta, start=start, stop=stop, stream=response, range_checksums=in_segments)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write the object, and delete the segments of a large object that it replaces.

        A small body is sent on condition that there is no object, where the service honours that and keeps nothing of
        what it refuses. If there is one, or the body is large, the head of what is there is asked for first. Segments
        that will be needless are noted before the object is written, and deleted afterwards; see
        :mod:`aiostore.drivers.swift_segments`.
        """
        with self.naming("put", key):
            check_name(key)
            creates = bool(self._dialect.put.if_absent)
            headers = write_headers(options)
            md5 = None
            if self._verified:
                md5 = options.checksums.get("md5") or (await checksums.digests(("md5",), body))["md5"]
                headers["etag"] = md5
            if options.headers:
                headers |= lower_case(options.headers)
            if options.if_match is not None or options.if_none_match is not None:
                refuse_conditions(options.if_match, options.if_none_match, creates=creates)
                return await self._create(key, body, headers, md5)
            if creates and body.size <= _SMALL and await self._segments.may_try("put"):
                try:
                    return await self._create(key, body, headers, md5)
                except AlreadyExistsError:
                    pass
            replaced = await self._segments.needless_after("put", key)
            result = await self._put(key, body, headers, md5)
            await self._segments.drop("put", replaced)
            return result

    async def _create(self, key: str, body: Body, headers: dict[str, str], md5: str | None) -> PutResult:
        return await self._put(key, body, {**headers, "if-none-match": "*"}, md5, absent=True)

    async def _put(
        self, key: str, body: Body, headers: dict[str, str], md5: str | None, *, absent: bool = False
    ) -> PutResult:
        response = await self._client.send("put", "PUT", key, headers, body=body, demand="absent" if absent else "")
        if response.content_length != 0:
            await discard(response)
        return PutResult(
            etag=unquote_etag(response.headers.get("etag")),
            version=response.headers.get("x-object-version-id"),
            size=body.size,
            checksums=NOTHING if md5 is None else {"md5": md5},
        )

    async def delete(self, key: str, options: DeleteOptions) -> None:
        """Ask for the head, then delete: a large object with its segments, unless its container keeps what is deleted.

        The service deletes the segments first and the object last, so that the whole can be repeated. Segments of
        versions stay, for several versions may need them.
        """
        refuse_conditions(options.if_match, None, creates=False)
        with self.naming("delete", key):
            headers = lower_case(options.headers)
            if options.version is not None:
                await self._delete(key, headers, _version(options.version))
                return
            try:
                head = await self._client.send("delete", "HEAD", key, absent_ok=True)
            except PermissionDeniedError:
                # Whoever may delete but not read cannot know.
                await self._delete(key, headers, "")
                return
            if head.status == 404:
                await self._client.send("delete", "HEAD", None)
                return
            needless = None
            if is_static(head.headers) and not await self._segments.are_kept("delete", head.headers):
                if not key.strip("/"):
                    # The service would not find it again: it strips the names of what it deletes.
                    needless = await self._segments.needless_after("delete", key)
                elif await self._delete_all(key, headers):
                    return
            await self._delete(key, headers, "")
            await self._segments.drop("delete", needless)

    async def _delete(self, key: str, headers: Mapping[str, str], query: str) -> None:
        response = await self._client.send("delete", "DELETE", key, headers, query, absent_ok=True)
        if response.content_length:
            await discard(response)

    async def _delete_all(self, key: str, headers: Mapping[str, str]) -> bool:
        """Delete a large object and its segments; False if it is no longer one: then nothing was deleted."""
        answer = await self._client.ask("delete", "DELETE", key, headers, "multipart-manifest=delete", slow=True)
        if not isinstance(answer, Mapping) or "Number Deleted" not in answer:
            raise self._client.unreadable("delete", key)
        if str(answer.get("Response Status", "")).startswith("400"):
            return False
        for error in read_errors(self._client, answer, (), "delete").values():
            raise error
        return True

    # --- copies and metadata ----------------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        """Copy the bytes: of a large object a plain one is made, which has segments of its own or none.

        As for ``put``, the segments of what is replaced are noted first and deleted afterwards.
        """
        if "copy" in self._dialect.missing:
            raise self.refusal("copy", source)
        with self.naming("copy", source):
            refuse_conditions(options.if_match, options.if_none_match, creates=False)
            headers = self._copy_headers(options)
            headers["destination"] = self._client.path(target)
            if (new := options.replace) is not None:
                headers |= {"x-fresh-metadata": "true", **write_headers(new), **lower_case(new.headers)}
            headers |= lower_case(options.headers)
            replaced = None
            if source != target or options.source_container is not None:
                replaced = await self._segments.needless_after("copy", target)
            response = await self._send_copy("copy", source, headers, options)
            await self._segments.drop("copy", replaced)
        return CopyStep(done=True, result=PutResult(etag=unquote_etag(response.headers.get("etag"))))

    def _copy_headers(self, options: CopyOptions) -> dict[str, str]:
        if options.storage_class is not None or options.encryption is not None or options.acl is not None:
            raise NotSupportedError("Swift copies know no storage_class, encryption or acl")
        return {} if options.source_if_match is None else {"if-match": quoted(options.source_if_match)}

    async def _send_copy(self, operation: str, source: str, headers: dict[str, str], options: CopyOptions) -> Response:
        container = options.source_container
        client = self._client if container is None else Client(self._client.service, container)
        query = _version(options.source_version)
        try:
            response = await client.send(operation, "COPY", source, headers, query, slow=True)
        except PreconditionFailedError:
            # Of what was once copied from a large object, Swift shows one ETag and compares with another.
            head = await client.send(operation, "HEAD", source, query=query)
            pinned = options.source_if_match
            if pinned is None or unquote_etag(head.headers.get("etag")) != pinned.etag:
                raise
            del headers["if-match"]
            response = await client.send(operation, "COPY", source, headers, query, slow=True)
        await discard(response)
        return response

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Read what is there, then send it again with the changes: Swift replaces all of it.

        What another changes in between is lost.
        """
        with self.naming("set_metadata", key):
            refuse_conditions(options.if_match, options.if_none_match, creates=False)
            head = await self._client.send("set_metadata", "HEAD", key)
            headers = edited_headers(options, head.headers)
            await discard(await self._client.send("set_metadata", "POST", key, headers))
            meta = read_meta(key, head.headers, head.content_length or 0)
        return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)

    # --- signatures -------------------------------------------------------------------------------------------------

    async def sign(self, key: str, options: SignOptions) -> str:
        if self._temp_url_key is None:
            raise self.refusal("sign", key)
        with self.naming("sign", key):
            if options.headers:
                raise NotSupportedError("a temporary URL of Swift cannot demand headers; sign without them")
            return temp_url(
                options.method,
                await self._client.url(""),
                await self._client.url(key),
                options.params,
                self._temp_url_key,
                self._temp_url_digest,
                options.expires_in,
                time.time(),
            )

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        """A form of the FormPost middleware, which puts the file's own name behind what is signed.

        So ``key`` ends in ``${filename}``. Sizes have an upper bound only, and any content type is taken.
        """
        if self._temp_url_key is None or "sign_post" in self._dialect.missing:
            raise self.refusal("sign_post", key)
        with self.naming("sign_post", key):
            prefix = key.removesuffix(_FILENAME)
            if prefix == key or _FILENAME in prefix:
                raise NotSupportedError(f"a form of Swift puts the file's name behind the key; end it in {_FILENAME}")
            if options.min_size or options.content_type is not None:
                raise NotSupportedError("a form of Swift bounds the size from above only; leave the others out")
            most = self.capabilities.max_put if options.max_size is None else options.max_size
            url = await self._client.url(prefix)
            secret, digest = self._temp_url_key, self._temp_url_digest
            fields = temp_form(url, options.fields, most, secret, digest, options.expires_in, time.time())
        return SignedPost(url=url, fields=fields)


def _remake(client: Client, verified: bool, temp_url_key: str | None, temp_url_digest: str | None) -> SwiftDriver:
    return SwiftDriver(client, verified=verified, temp_url_key=temp_url_key, temp_url_digest=temp_url_digest)


def _version(version: str | None) -> str:
    return "" if version is None else encode_query((("version-id", version),))
