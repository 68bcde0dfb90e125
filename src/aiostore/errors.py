"""Every error that leaves aiostore.

::

    StoreError
    ├── NotFoundError            (also FileNotFoundError)
    ├── AlreadyExistsError       (also FileExistsError)
    ├── PreconditionFailedError
    ├── ObjectChangedError       the object was replaced while it was being read
    ├── NotModifiedError         if_none_match / if_modified_since held
    ├── PermissionDeniedError    (also PermissionError)
    ├── UnauthenticatedError
    ├── InvalidKeyError          (also ValueError)
    ├── InvalidRangeError        (also ValueError)
    ├── ConfigurationError       (also ValueError)
    ├── NotSupportedError        (also NotImplementedError)
    ├── CorruptedError           bytes do not match their checksum
    ├── WriteOutcomeUnknownError a conditional write may or may not have happened
    ├── LeaseLostError           a lease ran out or was taken over while it was held
    ├── StoreClosedError
    └── TransientError           worth sending again; nothing else is
        ├── RateLimitedError     429, 503 SlowDown
        ├── UnavailableError     5xx
        ├── ConnectionLostError
        └── RequestTimeoutError  (also TimeoutError)

Whether a request may be sent again *is* the type: the driver that saw the response decides it, nobody later does.
The vendor's own error, if there was one, is ``__cause__``. Messages hold no credential and no signed query string.
"""

from __future__ import annotations

import errno as _errno
from typing import Any, ClassVar, Self


class StoreError(Exception):
    """The root of every error of this library.

    ``key``, ``operation`` (the verb or primitive, such as ``"get"``) and ``store`` (such as ``"s3://bucket"``) say what
    was being done; each is ``None`` where nothing is known. ``unanswered`` counts the earlier attempts of the same
    request whose outcome was never learnt (the connection was lost after the request was sent): a refusal that comes
    after such an attempt may have been caused by our own write. Errors can be pickled.
    """

    errno_code: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        operation: str | None = None,
        store: str | None = None,
        unanswered: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.operation = operation
        self.store = store
        self.unanswered = unanswered
        _describe(self, self.errno_code, message, key)

    def locate(self, *, key: str | None = None, operation: str | None = None, store: str | None = None) -> Self:
        """Fill in what the place that raised the error did not know; what is already known stays. Returns itself."""
        if self.key is None and key is not None:
            self.key = key
            _describe(self, self.errno_code, self.message, key)
        if self.operation is None:
            self.operation = operation
        if self.store is None:
            self.store = store
        return self

    def __str__(self) -> str:
        where = " ".join(
            part
            for part in (
                self.operation or "",
                repr(self.key) if self.key is not None else "",
                f"on {self.store}" if self.store else "",
            )
            if part
        )
        return f"{where}: {self.message}" if where else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _describe(error: Exception, code: int | None, message: str, key: str | None) -> None:
    """Give an error that is also an OSError what the callers of built-in functions look for."""
    if isinstance(error, OSError):
        error.errno = code
        error.strerror = message
        error.filename = key


def _rebuild(cls: type[StoreError], message: str, state: dict[str, Any]) -> StoreError:
    error = cls(message, key=state.get("key"))
    error.__dict__.update(state)
    return error


class NotFoundError(StoreError, FileNotFoundError):
    """The object, version, upload or container does not exist."""

    errno_code = _errno.ENOENT


class AlreadyExistsError(StoreError, FileExistsError):
    """A create-only write (``if_absent``, mode ``"x"``) met an existing object, or the container exists already."""

    errno_code = _errno.EEXIST


class PreconditionFailedError(StoreError):
    """``if_match``, ``if_none_match`` or another condition of the request did not hold; nothing was changed."""


class ObjectChangedError(StoreError):
    """The object was replaced or deleted between two requests of one read: a mixture would have been returned."""


class NotModifiedError(StoreError):
    """The object is still what ``if_none_match`` or ``if_modified_since`` described (HTTP 304)."""


class PermissionDeniedError(StoreError, PermissionError):
    """The credentials are known and are not allowed to do this."""

    errno_code = _errno.EACCES


class UnauthenticatedError(StoreError):
    """The credentials are missing, wrong or expired."""


class InvalidKeyError(StoreError, ValueError):
    """The key is empty, is not valid Unicode, or cannot exist on this store."""


class InvalidRangeError(StoreError, ValueError):
    """The range starts past the end of the object, or is not a range."""


class ConfigurationError(StoreError, ValueError):
    """An option, URL, credential source or installation is wrong; the message says which and what to do."""


class NotSupportedError(StoreError, NotImplementedError):
    """This service, or this endpoint's dialect, cannot do this or cannot promise it."""


class CorruptedError(StoreError):
    """Bytes do not match the checksum that the service holds for them, also after they were read again."""


class WriteOutcomeUnknownError(StoreError):
    """A conditional write may or may not have been applied and the service no longer tells; read before repeating."""


class LeaseLostError(StoreError):
    """A lease ran out, or was taken over, before its holder released it: what it protects may be in other hands."""


class StoreClosedError(StoreError):
    """The store was closed, or is used in a way its event loop does not allow."""


class TransientError(StoreError):
    """The request failed in a way that sending it again may cure.

    ``retry_after`` is the service's own wish in seconds, or ``None``. ``answered`` is false where no response was
    received although the request may have been carried out. ``received`` is what came of a body before it was cut.
    """

    received: bytes = b""

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        operation: str | None = None,
        store: str | None = None,
        unanswered: int = 0,
        retry_after: float | None = None,
        answered: bool = True,
    ) -> None:
        super().__init__(message, key=key, operation=operation, store=store, unanswered=unanswered)
        self.retry_after = retry_after
        self.answered = answered


class RateLimitedError(TransientError):
    """The service asks for fewer requests (429, 503 SlowDown)."""


class UnavailableError(TransientError):
    """The service failed or is overloaded (500, 502, 503, 504, and 408/409 answers that it says are temporary)."""


class ConnectionLostError(TransientError):
    """The connection could not be made, was refused, reset or closed, or the body ended too early."""


class RequestTimeoutError(TransientError, TimeoutError):
    """Connecting took too long, or fewer bytes than the minimum moved within the stall window."""

    errno_code = _errno.ETIMEDOUT
