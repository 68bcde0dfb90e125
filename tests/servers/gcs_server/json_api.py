"""The JSON API but for uploads: buckets, objects, listings, rewrite, compose, restore.

https://docs.cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import base64

from aiohttp import web

from tests.servers.gcs_server.asked import Asked
from tests.servers.gcs_server.reads import media
from tests.servers.gcs_server.refusal import Refusal, not_found
from tests.servers.gcs_server.state import (
    WRITABLE,
    Bucket,
    Generation,
    Resource,
    State,
    check_conditions,
    check_contexts,
    check_name,
    merge,
    now,
    project,
)

PAGE = 1000
REWRITTEN_AT_ONCE = 1024**2
"""Bytes that one call of rewrite copies if location, class or key change; the service copies at least 1 MiB."""


def answer(asked: Asked, shown: Resource) -> web.Response:
    return web.json_response(project(shown, asked.query.get("fields")))


class JSONAPI:
    """Its handlers; each answers to one method of one resource."""

    def __init__(self, state: State) -> None:
        self._state = state

    # --- buckets

    async def insert_bucket(self, asked: Asked) -> web.Response:
        content = asked.json()
        name, owner = content.pop("name", ""), asked.query.get("project")
        if not name or not owner:
            raise Refusal(400, "required", "Required parameter: project or name")
        if name in self._state.buckets:
            raise Refusal(409, "conflict", "Your previous request to create the named bucket succeeded.")
        bucket = self._state.buckets[name] = Bucket(name, owner, content)
        return answer(asked, bucket.resource())

    async def list_buckets(self, asked: Asked) -> web.Response:
        names = sorted(name for name, one in self._state.buckets.items() if one.project == asked.query.get("project"))
        names = [name for name in names if name.startswith(asked.query.get("prefix", ""))]
        token = asked.query.get("pageToken", "")
        names = [name for name in names if name > token]
        most = int(asked.query.get("maxResults") or PAGE)
        shown: Resource = {"items": [self._state.buckets[name].resource() for name in names[:most]]}
        if len(names) > most:
            shown["nextPageToken"] = names[most - 1]
        return answer(asked, shown)

    async def get_bucket(self, asked: Asked) -> web.Response:
        return answer(asked, self._state.bucket(asked.bucket).resource())

    async def patch_bucket(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        bucket.settings = merge(bucket.settings, asked.json())
        bucket.metageneration += 1
        return answer(asked, bucket.resource())

    async def delete_bucket(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        if any(not one.softly for versions in bucket.objects.values() for one in versions):
            raise Refusal(409, "conflict", "The bucket you tried to delete is not empty.")
        del self._state.buckets[asked.bucket]
        return web.Response(status=204)

    # --- objects

    async def get_object(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        if _true(asked.query.get("softDeleted")):
            return answer(asked, self._softly_deleted(bucket, asked).resource())
        one = bucket.find(asked.name, asked.query.get("generation"))
        if asked.query.get("alt") == "media":
            return media(asked, one, xml=False)
        check_conditions(asked.query, one, read=True)
        # The hashes of an object with a customer's key are shown to who has the key.
        hashes = one.key_sha256 is None or asked.customer_key() == one.key_sha256
        return answer(asked, one.resource(hashes=hashes))

    async def patch_object(self, asked: Asked) -> web.Response:
        return self._update(asked, merge_into=True)

    async def update_object(self, asked: Asked) -> web.Response:
        return self._update(asked, merge_into=False)

    def _update(self, asked: Asked, *, merge_into: bool) -> web.Response:
        one = self._state.bucket(asked.bucket).find(asked.name, asked.query.get("generation"))
        check_conditions(asked.query, one)
        content = asked.json()
        kept = one.fields.get("storageClass", "STANDARD")
        if content.get("storageClass", kept) != kept:
            raise Refusal(400, "invalid", "The storage class of an object is changed by rewriting it.")
        merged = merge(one.fields if merge_into else {}, content)
        one.fields = {name: value for name, value in merged.items() if name in WRITABLE}
        check_contexts(one.fields)
        if "predefinedAcl" in asked.query:
            one.public = asked.query["predefinedAcl"] == "publicRead"
        one.metageneration += 1
        one.updated = now()
        return answer(asked, one.resource())

    async def delete_object(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        generation = asked.query.get("generation")
        one = bucket.find(asked.name, generation)
        check_conditions(asked.query, one)
        bucket.end(one, for_good=generation is not None)
        return web.Response(status=204)

    async def list_objects(self, asked: Asked) -> web.Response:
        bucket = self._state.bucket(asked.bucket)
        query = asked.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        first, end = query.get("startOffset", "").encode(), query.get("endOffset", "").encode()
        token = base64.urlsafe_b64decode(query.get("pageToken", "")).decode()
        after, _, after_generation = token.rpartition("\n")
        most = min(int(query.get("maxResults") or PAGE), PAGE)
        if _true(query.get("softDeleted")) and _true(query.get("versions")):
            raise Refusal(400, "invalid", "softDeleted and versions exclude each other.")
        items: list[Resource] = []
        prefixes: list[str] = []
        last = ""
        for name in sorted(bucket.objects, key=str.encode):
            if not name.startswith(prefix) or name.encode() < first or (end and name.encode() >= end):
                continue
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            common = name[: cut + len(delimiter)] if cut >= 0 else None
            for one in _chosen(bucket.objects[name], query):
                if token:
                    passed = common if common is not None and common == after else name
                    if passed.encode() < after.encode() or (
                        passed == after and one.generation <= int(after_generation)
                    ):
                        continue
                if common is not None and prefixes and prefixes[-1] == common:
                    continue
                if len(items) + len(prefixes) == most:
                    shown: Resource = {"items": items, "prefixes": prefixes}
                    shown["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode()
                    return answer(asked, {key: value for key, value in shown.items() if value})
                if common is not None:
                    prefixes.append(common)
                    # Behind all that it stands for.
                    last = f"{common}\n{1 << 62}"
                else:
                    items.append(one.resource(hashes=one.key_sha256 is None))
                    last = f"{name}\n{one.generation}"
        found: Resource = {"kind": "storage#objects", "items": items, "prefixes": prefixes}
        return answer(asked, {key: value for key, value in found.items() if value})

    def _softly_deleted(self, bucket: Bucket, asked: Asked) -> Generation:
        for one in bucket.objects.get(asked.name, ()):
            if one.softly and str(one.generation) == asked.query.get("generation"):
                return one
        raise not_found(asked.bucket, asked.name)

    async def restore_object(self, asked: Asked) -> web.Response:
        """https://docs.cloud.google.com/storage/docs/json_api/v1/objects/restore"""
        bucket = self._state.bucket(asked.bucket)
        one = self._softly_deleted(bucket, asked)
        check_conditions(asked.query, bucket.live(asked.name))
        made = self._state.write(
            bucket, one.name, one.data, one.fields,
            components=one.components, key_sha256=one.key_sha256, kms_key=one.kms_key, with_md5=one.md5 is not None,
        )  # fmt: skip
        return answer(asked, made.resource())

    # --- made of other objects

    async def rewrite(self, asked: Asked) -> web.Response:
        """https://docs.cloud.google.com/storage/docs/json_api/v1/objects/rewrite"""
        query = asked.query
        source = self._state.bucket(asked.bucket).find(asked.name, query.get("sourceGeneration"))
        target = self._state.bucket(asked.parts["to_bucket"])
        name = asked.parts["to_name"]
        check_conditions(query, source, "ifSource")
        check_conditions(query, target.live(name))
        asked.check_key(source, "x-goog-copy-source-encryption")
        content = asked.json()
        fields = content or dict(source.fields)
        check_contexts(fields)
        sha256, kms_key = asked.customer_key(), query.get("destinationKmsKeyName")
        moves = fields.get("storageClass", "STANDARD") != source.fields.get("storageClass", "STANDARD")
        if moves or sha256 != source.key_sha256 or kms_key != source.kms_key:
            progress = f"{asked.bucket}/{source.generation}/{target.name}/"
            done = 0
            if (token := query.get("rewriteToken")) is not None:
                text = base64.urlsafe_b64decode(token).decode()
                if not text.startswith(progress):
                    raise Refusal(400, "invalid", "The rewrite token is of another request.")
                done = int(text.rpartition("/")[2])
            done += REWRITTEN_AT_ONCE
            if done < len(source.data):
                going = base64.urlsafe_b64encode(f"{progress}{done}".encode()).decode()
                step: Resource = {"kind": "storage#rewriteResponse", "done": False, "rewriteToken": going}
                return answer(asked, {**step, "totalBytesRewritten": str(done), "objectSize": str(len(source.data))})
        made = self._state.write(
            target, name, source.data, fields,
            components=source.components, key_sha256=sha256, kms_key=kms_key,
            public=query.get("destinationPredefinedAcl") == "publicRead", with_md5=source.md5 is not None,
        )  # fmt: skip
        size = str(len(source.data))
        finished: Resource = {"kind": "storage#rewriteResponse", "done": True, "objectSize": size}
        return answer(asked, {**finished, "totalBytesRewritten": size, "resource": made.resource()})

    async def compose(self, asked: Asked) -> web.Response:
        """https://docs.cloud.google.com/storage/docs/json_api/v1/objects/compose"""
        bucket = self._state.bucket(asked.bucket)
        content = asked.json()
        named = content.get("sourceObjects", [])
        if not 1 <= len(named) <= 32:
            raise Refusal(400, "invalid", "The number of source components provided is not between 1 and 32.")
        check_name(asked.name)
        check_conditions(asked.query, bucket.live(asked.name))
        sources = []
        for source in named:
            one = bucket.find(source["name"], _text(source.get("generation")))
            check_conditions(source.get("objectPreconditions", {}), one)
            asked.check_key(one)
            sources.append(one)
        fields = content.get("destination", {})
        check_contexts(fields)
        made = self._state.write(
            bucket, asked.name, b"".join(one.data for one in sources), fields,
            components=sum(one.components or 1 for one in sources), key_sha256=asked.customer_key(),
            kms_key=asked.query.get("kmsKeyName"), with_md5=False,
            public=asked.query.get("destinationPredefinedAcl") == "publicRead",
        )  # fmt: skip
        return answer(asked, made.resource())


def _true(value: str | None) -> bool:
    return (value or "").lower() == "true"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _chosen(versions: list[Generation], query: dict[str, str]) -> list[Generation]:
    if _true(query.get("softDeleted")):
        return [one for one in versions if one.softly]
    if _true(query.get("versions")):
        return [one for one in versions if not one.softly]
    return [one for one in versions if one.deleted is None]
