"""Objects over HTTP with FastAPI: upload, download, list, delete and signed URLs; no object is ever whole in memory.

    AIOSTORE_URL=s3://bucket/prefix python examples/fastapi_service.py [PORT]

    curl -T video.mp4 http://127.0.0.1:8000/objects/video.mp4
    curl -O http://127.0.0.1:8000/objects/video.mp4
    curl 'http://127.0.0.1:8000/objects?prefix=vid'
    curl -X POST 'http://127.0.0.1:8000/signed/video.mp4?method=GET'
    curl -X DELETE http://127.0.0.1:8000/objects/video.mp4

AIOSTORE_MEMORY_LIMIT bounds, in bytes, what all transfers together hold beyond one part each. The service trusts
whoever reaches it: put your own authentication in front.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

import aiostore

STATUS = {
    aiostore.NotFoundError: 404,
    aiostore.InvalidKeyError: 400,
    aiostore.ConfigurationError: 400,
    aiostore.NotSupportedError: 501,
    aiostore.TransientError: 503,
}
"""What an error of the store means to the client; any other is a 502."""

router = APIRouter()


def create_app(store: aiostore.Store | None = None) -> FastAPI:
    """The service over ``store``, or over the one that AIOSTORE_URL names; it is closed when the service ends."""
    objects = aiostore.connect(os.environ["AIOSTORE_URL"]) if store is None else store

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with objects:
            yield

    app = FastAPI(title="Objects", lifespan=lifespan)
    app.state.objects = objects
    app.include_router(router)
    app.add_exception_handler(aiostore.StoreError, refused)
    app.add_exception_handler(ClientDisconnect, abandoned)
    return app


def objects_of(request: Request) -> aiostore.AsyncObjectStore:
    objects: aiostore.AsyncObjectStore = request.app.state.objects
    return objects


Objects = Annotated[aiostore.AsyncObjectStore, Depends(objects_of)]


@router.put("/objects/{key:path}", status_code=201)
async def upload(key: str, request: Request, objects: Objects) -> dict[str, object]:
    """Store the request's body as it comes. If the client leaves before its end, nothing is published."""
    result = await objects.put(
        key,
        request.stream(),
        content_type=request.headers.get("content-type"),
        content_encoding=request.headers.get("content-encoding"),
    )
    return {"key": key, "size": result.size, "etag": result.etag}


async def opened(key: str, objects: Objects) -> AsyncIterator[aiostore.ObjectStream]:
    """A stream whose first answer is there, closed once the response was sent or the client has left."""
    async with objects.stream(key) as stream:
        yield stream


@router.get("/objects/{key:path}")
async def download(stream: Annotated[aiostore.ObjectStream, Depends(opened)]) -> StreamingResponse:
    return StreamingResponse(stream, headers=headers(stream.meta))


@router.head("/objects/{key:path}")
async def head(key: str, objects: Objects) -> Response:
    return Response(headers=headers(await objects.head(key)))


@router.delete("/objects/{key:path}", status_code=204)
async def delete(key: str, objects: Objects) -> None:
    await objects.delete(key)


@router.get("/objects")
async def listing(
    objects: Objects, prefix: str = "", after: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
) -> list[dict[str, object]]:
    """One page, in the store's order; ``after`` is the last key of the page before it."""
    page: list[dict[str, object]] = []
    async for meta in objects.list(prefix, start_after=after):
        page.append({"key": meta.key, "size": meta.size, "etag": meta.etag, "last_modified": meta.last_modified})
        if len(page) == limit:
            break
    return page


@router.post("/signed/{key:path}")
async def sign(
    key: str, objects: Objects, method: Literal["GET", "PUT", "DELETE"] = "GET", expires_in: float = 3600
) -> dict[str, str]:
    """A URL with which the client does without this service, for ``expires_in`` seconds."""
    return {"url": await objects.sign(key, method=method, expires_in=expires_in)}


def headers(meta: aiostore.ObjectMeta) -> dict[str, str]:
    found = {"Content-Length": str(meta.size), "Content-Type": meta.content_type or "application/octet-stream"}
    if meta.content_encoding is not None:
        found["Content-Encoding"] = meta.content_encoding
    if meta.etag is not None:
        found["ETag"] = f'"{meta.etag}"'
    return found


async def refused(_request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 502)
    detail = error.message if isinstance(error, aiostore.StoreError) else str(error)
    return JSONResponse({"error": type(error).__name__, "detail": detail}, status)


async def abandoned(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # the client has left, so nobody reads it


def main() -> None:
    if "AIOSTORE_MEMORY_LIMIT" in os.environ:
        aiostore.set_memory_limit(int(os.environ["AIOSTORE_MEMORY_LIMIT"]))
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)


if __name__ == "__main__":
    main()
