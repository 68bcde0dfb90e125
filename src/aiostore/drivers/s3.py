"""Amazon S3 and the services that speak its dialects.

https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aiostore._http.bucket_xml import parse_tags, write_tags
from aiostore._http.document import discard
from aiostore._http.request_headers import lower_case
from aiostore._http.status import check_range, unquote_etag
from aiostore.body import Body
from aiostore.capabilities import Capabilities, PartLimits
from aiostore.drivers import s3_etags
from aiostore.drivers.s3_bucket import S3Bucket
from aiostore.drivers.s3_client import Client
from aiostore.drivers.s3_dialect import Dialect
from aiostore.drivers.s3_headers import (
    check_encrypted,
    demand_of,
    encryption_headers,
    read_headers,
    read_meta,
    target_conditions,
    write_headers,
)
from aiostore.drivers.s3_multipart import S3Multipart
from aiostore.drivers.s3_payload import Guard, Guarding, document
from aiostore.drivers.s3_xml import NAMESPACE, parse_written, write_restore
from aiostore.drivers.sigv4 import PostCondition, encode_query
from aiostore.errors import ConfigurationError, InvalidRangeError, NotFoundError, UnavailableError
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

_UNCHANGED = CopyOptions()
_RESTORING = "RestoreAlreadyInProgress"

_MARKER_PAGES = 10
"""Pages of versions that are looked through for the delete marker of one key."""


class S3Driver(S3Multipart, S3Bucket):
    """One bucket. ``s3_settings.make_driver`` makes it of what users say."""

    def __init__(self, client: Client, guarding: Guarding, location: str) -> None:
        self._client = client
        self._guarding = guarding
        self._location = location
        self._dialect = dialect = client.service.dialect
        self._learning = not dialect.name and client.bucket not in client.service.learnt
        self._told = client.service.learnt.get(client.bucket, dialect)
        self._read_headers = {"x-amz-checksum-mode": "ENABLED"} if dialect.checksums else {}
        self._composite = bool(dialect.checksums)
        in_parts = self._composite or dialect.parts_etags
        self._capabilities = Capabilities(
            operations=self.operations - dialect.missing - (set() if in_parts else {"list_ranges"}),
            put=dialect.put,
            complete=dialect.complete,
            copy=dialect.copy,
            delete=dialect.delete,
            ordered_listing=dialect.ordered_listing,
            multipart=PartLimits(equal=dialect.equal_parts),
            delete_batch=1000,
            checksums=dialect.upload_checksums,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return S3Driver, (self._client, self._guarding, self._location)

    @property
    def location(self) -> str:
        return self._location

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sibling(self, container: str) -> S3Driver:
        return S3Driver(Client(self._client.service, container), self._guarding, f"s3://{container}")

    async def aclose(self) -> None:
        await self._client.service.transport.aclose()

    # --- one object -------------------------------------------------------------------------------------------------

    async def head(self, key: str, options: GetOptions) -> ObjectMeta:
        with self.naming("head", key):
            headers = self._read_headers.copy()
            read_headers(options, headers)
            headers.pop("range", None)
            query = "" if options.version is None else encode_query((("versionId", options.version),))
            response = await self._client.send("head", "HEAD", key, headers, query)
            if self._learning:
                self._learn_by_name(response.headers)
            return read_meta(key, response.headers, response.content_length or 0, self._told, whole=True)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        with self.naming("get", key):
            headers = self._read_headers.copy()
            read_headers(options, headers)
            query = "" if options.version is None else encode_query((("versionId", options.version),))
            response = await self._client.send("get", "GET", key, headers, query)
            try:
                start, stop, size = check_range(response.status, response.headers, options.start, options.stop)
                if size == 0 and options.start:
                    raise InvalidRangeError("the object is empty")
                if self._learning:
                    self._learn_by_name(response.headers)
                meta = read_meta(key, response.headers, size, self._told, whole=stop - start == size)
            except BaseException:
                await response.aclose()
                raise
            range_checksums = self._composite and response.headers.get("x-amz-checksum-type") == "COMPOSITE"
            return GetResult(meta=meta, start=start, stop=stop, stream=response, range_checksums=range_checksums)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        with self.naming("put", key):
            headers = write_headers(options, self._dialect)
            if options.if_match is not None or options.if_none_match is not None:
                headers |= target_conditions(options.if_match, options.if_none_match, self._dialect.put, self._dialect)
            guarding = self._guarding
            guard = guarding.at_once(body, options.checksums) or await guarding.of(body, options.checksums)
            headers.update(guard.headers)
            if options.headers:
                headers.update(lower_case(options.headers))
            demand = demand_of(options.if_match, options.if_none_match)
            md5 = s3_etags.sample(body) if self._learning and options.encryption is None else None
            response = await self._client.send("put", "PUT", key, headers, "", body, guard.payload, demand=demand)
            if response.content_length != 0:
                await discard(response)
            if options.encryption is not None:
                check_encrypted(options.encryption, response.headers)
            if md5 is not None:
                self._learn(s3_etags.shown(self._dialect, md5, response.headers))
            etag = unquote_etag(response.headers.get("ETag"))
            return PutResult(
                etag=etag,
                version=response.headers.get("x-amz-version-id"),
                size=body.size,
                checksums=self._confirmed(guard, etag, options.encryption),
            )

    def _confirmed(self, guard: Guard, etag: str | None, encryption: Encryption | None) -> Mapping[str, str]:
        """The checksums that held, with the MD5 if the answer's ETag is it."""
        if guard.md5 is None or etag is None or encryption is not None:
            return guard.held
        if etag == guard.md5:
            return {**guard.held, "md5": etag}
        if self._told.md5_etags and len(etag) == len(guard.md5):
            raise UnavailableError("the service stored other bytes than were sent: its ETag is not their MD5")
        return guard.held

    def _learn_by_name(self, headers: Mapping[str, str]) -> None:
        if s3_etags.are_named(headers):
            self._learn(replace(self._dialect, md5_etags=True))

    def _learn(self, told: Dialect) -> None:
        learnt, bucket = self._client.service.learnt, self._client.bucket
        if told.md5_etags:
            # Another driver of the bucket may have seen that they are not.
            told = learnt.setdefault(bucket, told)
        else:
            learnt[bucket] = told
        self._told = told
        self._learning = False

    async def delete(self, key: str, options: DeleteOptions) -> None:
        with self.naming("delete", key):
            headers = target_conditions(options.if_match, None, self._dialect.delete, self._dialect)
            headers |= lower_case(options.headers)
            query = "" if options.version is None else encode_query((("versionId", options.version),))
            demand = demand_of(options.if_match, None)
            response = await self._client.send(
                "delete", "DELETE", key, headers, query, demand=demand, absent_ok=not demand
            )
            if response.content_length:
                await discard(response)

    # --- copies -----------------------------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, options: CopyOptions, token: str | None = None) -> CopyStep:
        with self.naming("copy", source):
            return CopyStep(done=True, result=await self._copy(source, target, options))

    async def _copy(self, source: str, target: str, options: CopyOptions) -> PutResult:
        if source == target and options == _UNCHANGED:
            return await self._copy_in_place(source)
        dialect = self._dialect
        headers = await self._source_headers("copy", source, options)
        headers |= target_conditions(options.if_match, options.if_none_match, dialect.copy, dialect)
        tags_after: Mapping[str, str] = NOTHING
        if (new := options.replace) is not None:
            headers["x-amz-metadata-directive"] = "REPLACE"
            if new.tags and dialect.tags_in_copies:
                headers["x-amz-tagging-directive"] = "REPLACE"
            elif new.tags:
                new, tags_after = replace(new, tags=NOTHING), new.tags
            headers |= write_headers(new, dialect) | lower_case(new.headers)
        if options.storage_class is not None:
            headers["x-amz-storage-class"] = options.storage_class
        if options.encryption is not None:
            headers |= encryption_headers(options.encryption, dialect)
        if options.acl is not None:
            headers["x-amz-acl"] = options.acl
        headers |= lower_case(options.headers)
        demand = demand_of(options.if_match, options.if_none_match)
        written, answered = await self._client.ask(
            "copy", "PUT", target, parse_written, headers, slow=True, demand=demand
        )
        if tags_after:
            await self.set_tags(target, tags_after)
        version = answered.get("x-amz-version-id")
        return PutResult(etag=written.etag, version=version, checksums=written.checksums)

    async def _copy_in_place(self, key: str) -> PutResult:
        """A copy onto itself that changes nothing, which S3 refuses to make: the object is it already."""
        meta = await self.head(key, GetOptions())
        return PutResult(etag=meta.etag, version=meta.version, size=meta.size, checksums=meta.checksums)

    async def set_metadata(self, key: str, options: PutOptions) -> PutResult:
        """Copy the object onto itself with what is to be changed; the state that was asked before is the one copied.

        Storage class, encryption and tags go along; an access list that was set does not, and where the gateway forgets
        tags they are set again right after. Objects above 5 GiB are refused by the service.
        """
        with self.naming("set_metadata", key):
            return await self._rewrite(key, None, options)

    async def _rewrite(self, key: str, version: str | None, options: PutOptions) -> PutResult:
        asked = GetOptions(if_match=options.if_match, encryption=options.encryption, version=version)
        meta = await self.head(key, asked)
        tags = options.tags
        if not tags and not self._dialect.tags_in_copies and "x-amz-tagging-count" in meta.extra:
            tags = await self.get_tags(key, version)
        kept = replace(
            options,
            content_type=_given(options.content_type, meta.content_type),
            content_encoding=_given(options.content_encoding, meta.content_encoding),
            content_disposition=_given(options.content_disposition, meta.content_disposition),
            content_language=_given(options.content_language, meta.content_language),
            cache_control=_given(options.cache_control, meta.cache_control),
            metadata={**options.metadata, **_noted(meta)} if options.metadata else meta.metadata,
            tags=tags,
            storage_class=_given(options.storage_class, meta.storage_class),
            encryption=options.encryption or _encryption(meta),
        )
        copied = CopyOptions(
            source_version=version,
            source_if_match=Match(etag=meta.etag),
            source_encryption=options.encryption,
            replace=kept,
        )
        return replace(await self._copy(key, key, copied), size=meta.size)

    # --- tags, archive, signatures ----------------------------------------------------------------------------------

    async def get_tags(self, key: str, version: str | None = None) -> Mapping[str, str]:
        if "get_tags" in self._dialect.missing:
            raise self.refusal("get_tags", key)
        tags, _ = await self._client.ask("get_tags", "GET", key, parse_tags, query=_subresource("tagging", version))
        return tags

    async def set_tags(self, key: str, tags: Mapping[str, str], version: str | None = None) -> None:
        if "set_tags" in self._dialect.missing:
            raise self.refusal("set_tags", key)
        query = _subresource("tagging", version)
        if tags:
            body, payload, headers = document(write_tags(tags, NAMESPACE))
            response = await self._client.send("set_tags", "PUT", key, headers, query, body, payload)
        else:
            response = await self._client.send("set_tags", "DELETE", key, query=query)
        await discard(response)

    async def restore(self, key: str, version: str | None, days: int | None) -> None:
        """Fetch an archived object back for ``days``, copy an older version over the current, or undo a deletion.

        To undo a deletion, the newest delete marker is looked up and deleted; it is no error if there is none to undo.
        """
        if "restore" in self._dialect.missing:
            raise self.refusal("restore", key)
        if days is not None:
            body, payload, headers = document(write_restore(days))
            query = _subresource("restore", version)
            send = self._client.send
            await discard(await send("restore", "POST", key, headers, query, body, payload, done=_RESTORING))
        elif version is not None:
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
        raise NotFoundError("the object has no version to restore", key=key, operation="restore", store=self._location)

    def use_timeouts(self, timeouts: Timeouts) -> None:
        self._client.service.transport.use_timeouts(timeouts)

    async def sign(self, key: str, options: SignOptions) -> str:
        if not options.method.isalpha():
            raise ConfigurationError(f"{options.method!r} is not an HTTP method", key=key, operation="sign")
        pairs = dict(options.params)
        if (payer := self._client.service.headers.get("x-amz-request-payer")) is not None:
            pairs["x-amz-request-payer"] = payer
        with self.naming("sign", key):
            return await self._client.sign(
                options.method, key, encode_query(pairs.items()), lower_case(options.headers), options.expires_in
            )

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        conditions: list[PostCondition] = []
        fields = dict(options.fields)
        if options.min_size or options.max_size is not None:
            # S3 wants both ends; one upload of it is never larger than this.
            most = self.capabilities.max_put if options.max_size is None else options.max_size
            conditions.append(["content-length-range", options.min_size, most])
        if options.content_type is not None:
            if options.content_type.endswith("/"):
                conditions.append(["starts-with", "$Content-Type", options.content_type])
            else:
                fields["Content-Type"] = options.content_type
        with self.naming("sign_post", key):
            return await self._client.sign_post(key, conditions, fields, options.expires_in)


def _noted(meta: ObjectMeta) -> Mapping[str, str]:
    """What is noted of an object's bytes in its metadata, such as the size of its parts: it stays with the bytes."""
    return {name: value for name, value in meta.metadata.items() if name.startswith("aiostore-")}


def _given(value: str | None, kept: str | None) -> str | None:
    return kept if value is None else value


def _encryption(meta: ObjectMeta) -> Encryption | None:
    """How the object is encrypted with a key that the service holds, to be asked for again."""
    algorithm = meta.extra.get("x-amz-server-side-encryption")
    if algorithm is None:
        return None
    return Encryption(algorithm=algorithm, kms_key=meta.extra.get("x-amz-server-side-encryption-aws-kms-key-id"))


def _subresource(name: str, version: str | None) -> str:
    return f"{name}=" if version is None else encode_query(((name, ""), ("versionId", version)))
