"""One asyncio interface to object storage, local files and memory.

The names below are imported when they are first used, so that ``import aiostore`` is quick and needs no service's
libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiostore import blocking, fs, progress, transfer
    from aiostore._engine.bulk import Bulk
    from aiostore._engine.lease import Lease
    from aiostore._engine.probe import ProbeResult
    from aiostore._engine.transcode import transcode
    from aiostore.budget import set_memory_limit
    from aiostore.capabilities import Capabilities, Conditions, Guarantee
    from aiostore.errors import (
        AlreadyExistsError,
        ConfigurationError,
        ConnectionLostError,
        CorruptedError,
        InvalidKeyError,
        InvalidRangeError,
        LeaseLostError,
        NotFoundError,
        NotModifiedError,
        NotSupportedError,
        ObjectChangedError,
        PermissionDeniedError,
        PreconditionFailedError,
        RateLimitedError,
        RequestTimeoutError,
        StoreClosedError,
        StoreError,
        TransientError,
        UnauthenticatedError,
        UnavailableError,
        WriteOutcomeUnknownError,
    )
    from aiostore.fs.opening import open_url as open
    from aiostore.fs.path import StorePath
    from aiostore.fs.temporary import local_copy
    from aiostore.handles import AsyncBinaryFile, AsyncTextFile, ObjectStream
    from aiostore.policies import ClientOptions, Limits, RetryPolicy, Timeouts
    from aiostore.protocol import AsyncObjectStore, Driver
    from aiostore.services.azure import AzureStore
    from aiostore.services.gcs import GCSStore
    from aiostore.services.http import HTTPStore
    from aiostore.services.local import LocalStore
    from aiostore.services.memory import MemoryStore
    from aiostore.services.oss import OSSStore
    from aiostore.services.s3 import S3Store
    from aiostore.services.swift import SwiftStore
    from aiostore.store import Store
    from aiostore.types import (
        Container,
        DeleteResult,
        Encryption,
        ItemResult,
        ListResult,
        ObjectMeta,
        ObjectVersion,
        PutResult,
        SignedPost,
        Upload,
    )
    from aiostore.url import connect

_MODULES = {
    "_engine.bulk": ["Bulk"],
    "_engine.lease": ["Lease"],
    "_engine.probe": ["ProbeResult"],
    "_engine.transcode": ["transcode"],
    "budget": ["set_memory_limit"],
    "errors": [
        "AlreadyExistsError",
        "ConfigurationError",
        "ConnectionLostError",
        "CorruptedError",
        "InvalidKeyError",
        "InvalidRangeError",
        "LeaseLostError",
        "NotFoundError",
        "NotModifiedError",
        "NotSupportedError",
        "ObjectChangedError",
        "PermissionDeniedError",
        "PreconditionFailedError",
        "RateLimitedError",
        "RequestTimeoutError",
        "StoreClosedError",
        "StoreError",
        "TransientError",
        "UnauthenticatedError",
        "UnavailableError",
        "WriteOutcomeUnknownError",
    ],
    "policies": ["ClientOptions", "Limits", "RetryPolicy", "Timeouts"],
    "capabilities": ["Capabilities", "Conditions", "Guarantee"],
    "fs.path": ["StorePath"],
    "fs.temporary": ["local_copy"],
    "handles": ["AsyncBinaryFile", "AsyncTextFile", "ObjectStream"],
    "protocol": ["AsyncObjectStore", "Driver"],
    "services.azure": ["AzureStore"],
    "services.http": ["HTTPStore"],
    "services.gcs": ["GCSStore"],
    "services.local": ["LocalStore"],
    "services.memory": ["MemoryStore"],
    "services.oss": ["OSSStore"],
    "services.s3": ["S3Store"],
    "services.swift": ["SwiftStore"],
    "store": ["Store"],
    "types": [
        "Container",
        "DeleteResult",
        "Encryption",
        "ItemResult",
        "ListResult",
        "ObjectMeta",
        "ObjectVersion",
        "PutResult",
        "SignedPost",
        "Upload",
    ],
    "url": ["connect"],
}

_RENAMED = {"open": ("fs.opening", "open_url")}
"""What has another name where it is, because the built-in of this name is needed there."""

_HOME = {name: module for module, names in _MODULES.items() for name in names}

_PACKAGES = {"blocking", "fs", "progress", "transfer"}
"""What is public as a whole."""

__all__ = [
    "AlreadyExistsError",
    "AsyncBinaryFile",
    "AsyncObjectStore",
    "AsyncTextFile",
    "AzureStore",
    "Bulk",
    "Capabilities",
    "ClientOptions",
    "Conditions",
    "ConfigurationError",
    "ConnectionLostError",
    "Container",
    "CorruptedError",
    "DeleteResult",
    "Driver",
    "Encryption",
    "GCSStore",
    "Guarantee",
    "HTTPStore",
    "InvalidKeyError",
    "InvalidRangeError",
    "ItemResult",
    "Lease",
    "LeaseLostError",
    "Limits",
    "ListResult",
    "LocalStore",
    "MemoryStore",
    "NotFoundError",
    "NotModifiedError",
    "NotSupportedError",
    "OSSStore",
    "ObjectChangedError",
    "ObjectMeta",
    "ObjectStream",
    "ObjectVersion",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "ProbeResult",
    "PutResult",
    "RateLimitedError",
    "RequestTimeoutError",
    "RetryPolicy",
    "S3Store",
    "SignedPost",
    "Store",
    "StoreClosedError",
    "StoreError",
    "StorePath",
    "SwiftStore",
    "Timeouts",
    "TransientError",
    "UnauthenticatedError",
    "UnavailableError",
    "Upload",
    "WriteOutcomeUnknownError",
    "blocking",
    "connect",
    "fs",
    "local_copy",
    "open",
    "progress",
    "set_memory_limit",
    "transcode",
    "transfer",
]


def __getattr__(name: str) -> object:
    value: object
    if name in _PACKAGES:
        value = import_module(f"{__name__}.{name}")
    elif name in _HOME or name in _RENAMED:
        module, attribute = _RENAMED.get(name) or (_HOME[name], name)
        value = getattr(import_module(f"{__name__}.{module}"), attribute)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
