"""Conditions as Google Cloud Storage keeps them: on generations, which say more than an ETag.

https://docs.cloud.google.com/storage/docs/request-preconditions
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC
from email.utils import format_datetime
from typing import Final, cast

from aiostore import checksums
from aiostore._http.failure import Demand
from aiostore.body import Body
from aiostore.drivers.base import BaseDriver
from aiostore.drivers.gcs_client import Client, encode_key, object_url
from aiostore.drivers.gcs_resource import Resource, customer_key, etags, own_etags, predefined_acl
from aiostore.errors import AlreadyExistsError, NotFoundError, NotSupportedError, PreconditionFailedError
from aiostore.types import ANY, Buffer, GetOptions, Match, PutOptions

_NO_ETAG: Final = "a write cannot exclude an ETag here; give if_none_match what head, get or put answered"


def read_conditions(options: GetOptions, headers: dict[str, str]) -> bool:
    """Add the conditions of a read to the headers of the XML API; returns whether there are any."""
    conditional = False
    if (match := options.if_match) is not None:
        conditional = True
        if match.version is not None:
            headers["x-goog-if-generation-match"] = match.version
    if (other := options.if_none_match) is not None:
        conditional = True
        if other.etag is not None:
            headers["if-none-match"] = "*" if other == ANY else f'"{other.etag}"'
    if options.if_modified_since is not None:
        conditional = True
        headers["if-modified-since"] = format_datetime(options.if_modified_since.astimezone(UTC), usegmt=True)
    return conditional


def pinning(known: Resource) -> str:
    """The parameters that demand the state of an object that was seen: every generation counts metagenerations anew."""
    return f"&ifMetagenerationMatch={known['metageneration']}&ifGenerationMatch={known['generation']}"


class GCSConditions(BaseDriver):
    """What the writing halves of the driver share."""

    _client: Client
    _checked: bool

    async def _conditions(
        self, url: str, key: str, if_match: Match | None, if_none_match: Match | None
    ) -> tuple[str, Demand]:
        """``url``, which has a query, with the conditions of a write added to it; and what they demand.

        An ETag alone costs a request: which generation has it is asked for, and then that one is demanded.

        Raises:
            PreconditionFailedError: if no generation has it.
            NotSupportedError: if the condition is one that the service does not know.
        """
        demand: Demand = ""
        if if_match is not None:
            demand = "match"
            condition = "ifGenerationNotMatch=0"
            if if_match != ANY:
                condition = await self._matching(key, if_match, self._client)
            url = _added(url, condition)
        if if_none_match is not None:
            if if_none_match == ANY:
                demand = "absent"
                url = _added(url, "ifGenerationMatch=0")
            elif if_none_match.version is not None:
                demand = "match"
                url = _added(url, f"ifGenerationNotMatch={encode_key(if_none_match.version)}")
            else:
                raise NotSupportedError(_NO_ETAG)
        return url, demand

    async def _matching(self, key: str, match: Match, client: Client, prefix: str = "if") -> str:
        """The parameters that demand what ``match`` does. Google's own ETag names the metadata as well as the bytes."""
        if match.version is not None:
            return f"{prefix}GenerationMatch={encode_key(match.version)}"
        url = object_url(client, key, "fields=generation,metageneration,etag,md5Hash,crc32c")
        try:
            known = await client.ask("head", "GET", url, key)
        except NotFoundError as error:
            raise PreconditionFailedError("there is no object that could be what the condition demands") from error
        check_match(match, known)
        condition = f"{prefix}GenerationMatch={known['generation']}"
        if match.etag in own_etags(known):
            condition += f"&{prefix}MetagenerationMatch={known['metageneration']}"
        return condition

    async def _holding(self, operation: str, url: str, key: str, options: PutOptions) -> Resource:
        """What ``url`` answers of the object, of which the conditions of ``options`` hold."""
        demand: Demand = "" if options.if_match is None else "match"
        known = await self._client.ask(operation, "GET", url, key, customer_key(options.encryption), demand=demand)
        if options.if_match is not None:
            check_match(options.if_match, known)
        if (other := options.if_none_match) is not None:
            if other == ANY:
                raise AlreadyExistsError("the object exists already")
            if other.version is None:
                raise NotSupportedError(_NO_ETAG)
            if other.version == known["generation"]:
                raise PreconditionFailedError("the object is what the condition of the request excludes")
        return known

    async def _target(self, url: str, key: str, options: PutOptions) -> tuple[str, Demand]:
        """``url``, which has a query, with all that the parameters of a write say; and what its conditions demand."""
        if options.encryption is not None and options.encryption.kms_key is not None:
            url += f"&kmsKeyName={encode_key(options.encryption.kms_key)}"
        if options.acl is not None:
            url += f"&predefinedAcl={encode_key(predefined_acl(options.acl))}"
        if options.if_match is None and options.if_none_match is None:
            return url, ""
        return await self._conditions(url, key, options.if_match, options.if_none_match)

    async def _digests(self, body: Body, given: Mapping[str, str]) -> Mapping[str, str]:
        """The checksums that are sent with ``body``; ``given`` need not be computed."""
        if not self._checked or "crc32c" in given:
            return given
        return {**given, "crc32c": await _crc32c(body)}


def check_match(match: Match, known: Resource) -> None:
    """Raise PreconditionFailedError if the object that is known is not what ``match`` demands."""
    if match == ANY or match.version == known["generation"]:
        return
    if match.version is not None or match.etag not in etags(known):
        raise PreconditionFailedError("the object is not what the condition of the request demands")


def _added(url: str, condition: str) -> str:
    return f"{url}{condition}" if url.endswith("?") else f"{url}&{condition}"


async def _crc32c(body: Body) -> str:
    if (buffers := body.buffers) is not None:
        return await checksums.digest("crc32c", buffers)
    hasher = checksums.new("crc32c")
    # The cast: a generator must be closed, which the type AsyncIterator does not tell.
    async with aclosing(cast("AsyncGenerator[Buffer, None]", body.chunks())) as chunks:
        async for chunk in chunks:
            await asyncio.to_thread(hasher.update, chunk)
    return hasher.hexdigest()
