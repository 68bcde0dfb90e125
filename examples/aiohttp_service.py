"""Objects over HTTP with aiohttp: upload, download, list, delete and signed URLs; no object is ever whole in memory.

    AIOSTORE_URL=s3://bucket/prefix python examples/aiohttp_service.py [PORT]

    curl -T video.mp4 http://127.0.0.1:8080/objects/video.mp4
    curl -O http://127.0.0.1:8080/objects/video.mp4
    curl 'http://127.0.0.1:8080/objects?prefix=vid'
    curl -X POST 'http://127.0.0.1:8080/signed/video.mp4?method=GET'
    curl -X DELETE http://127.0.0.1:8080/objects/video.mp4

AIOSTORE_MEMORY_LIMIT bounds, in bytes, what all transfers together hold beyond one part each. The service trusts
whoever reaches it: put your own authentication in front.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

import aiostore

STATUS = {
    aiostore.NotFoundError: 404,
    aiostore.InvalidKeyError: 400,
    aiostore.ConfigurationError: 400,
    aiostore.NotSupportedError: 501,
    aiostore.TransientError: 503,
}
"""What an error of the store means to the client; any other is a 502."""

OBJECTS = web.AppKey("OBJECTS", aiostore.Store)

routes = web.RouteTableDef()


def create_app(store: aiostore.Store | None = None) -> web.Application:
    """The service over ``store``, or over the one that AIOSTORE_URL names; it is closed when the service ends."""
    objects = aiostore.connect(os.environ["AIOSTORE_URL"]) if store is None else store

    async def lifespan(_app: web.Application) -> AsyncIterator[None]:
        async with objects:
            yield

    app = web.Application(middlewares=[refusals])
    app[OBJECTS] = objects
    app.cleanup_ctx.append(lifespan)
    app.add_routes(routes)
    return app


@routes.put("/objects/{key:.+}")
async def upload(request: web.Request) -> web.Response:
    """Store the request's body as it comes. If the client leaves before its end, nothing is published."""
    key, content_type = request.match_info["key"], request.headers.get("Content-Type")
    result = await request.app[OBJECTS].put(key, request.content.iter_any(), content_type=content_type)
    return web.json_response({"key": key, "size": result.size, "etag": result.etag}, status=201)


@routes.get("/objects/{key:.+}", allow_head=False)
async def download(request: web.Request) -> web.StreamResponse:
    async with request.app[OBJECTS].stream(request.match_info["key"]) as stream:
        response = web.StreamResponse(headers=headers(stream.meta))
        await response.prepare(request)
        try:
            async for chunk in stream:
                await response.write(chunk)
        except aiostore.StoreError as error:
            # Too late for a status: the connection is dropped, and the client sees that bytes are missing.
            raise ConnectionAbortedError("the download has failed half-way") from error
        await response.write_eof()
    return response


@routes.head("/objects/{key:.+}")
async def head(request: web.Request) -> web.StreamResponse:
    return web.Response(headers=headers(await request.app[OBJECTS].head(request.match_info["key"])))


@routes.delete("/objects/{key:.+}")
async def delete(request: web.Request) -> web.Response:
    await request.app[OBJECTS].delete(request.match_info["key"])
    return web.Response(status=204)


@routes.get("/objects")
async def listing(request: web.Request) -> web.Response:
    """One page, in the store's order; ``after`` is the last key of the page before it."""
    limit = min(max(1, number(request, "limit", 1000)), 1000)
    page: list[dict[str, object]] = []
    async for meta in request.app[OBJECTS].list(
        request.query.get("prefix", ""), start_after=request.query.get("after")
    ):
        modified = meta.last_modified and meta.last_modified.isoformat()
        page.append({"key": meta.key, "size": meta.size, "etag": meta.etag, "last_modified": modified})
        if len(page) == limit:
            break
    return web.json_response(page)


@routes.post("/signed/{key:.+}")
async def sign(request: web.Request) -> web.Response:
    """A URL with which the client does without this service, for ``expires_in`` seconds."""
    method = request.query.get("method", "GET")
    if method not in {"GET", "PUT", "DELETE"}:
        raise web.HTTPBadRequest(text="method is GET, PUT or DELETE")
    expires_in = number(request, "expires_in", 3600)
    url = await request.app[OBJECTS].sign(request.match_info["key"], method=method, expires_in=expires_in)
    return web.json_response({"url": url})


def headers(meta: aiostore.ObjectMeta) -> dict[str, str]:
    found = {"Content-Length": str(meta.size), "Content-Type": meta.content_type or "application/octet-stream"}
    if meta.content_encoding is not None:
        found["Content-Encoding"] = meta.content_encoding
    if meta.etag is not None:
        found["ETag"] = f'"{meta.etag}"'
    return found


def number(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} is a whole number") from None


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except aiostore.StoreError as error:
        return web.json_response({"error": type(error).__name__, "detail": error.message}, status=status_of(error))


def status_of(error: Exception) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 502)


def main() -> None:
    if "AIOSTORE_MEMORY_LIMIT" in os.environ:
        aiostore.set_memory_limit(int(os.environ["AIOSTORE_MEMORY_LIMIT"]))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    # aiohttp lets a handler run on when its client has left, unless it is told otherwise.
    web.run_app(create_app(), host="127.0.0.1", port=port, handler_cancellation=True)


if __name__ == "__main__":
    main()
