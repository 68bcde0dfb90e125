"""An answer that is no success, and the error that it becomes. Which code means what is each service's own table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from aiostore._http.redaction import redact
from aiostore._http.status import error_from_status, retry_after
from aiostore.errors import (
    AlreadyExistsError,
    NotSupportedError,
    PreconditionFailedError,
    RequestTimeoutError,
    StoreError,
    TransientError,
    UnavailableError,
)
from aiostore.types import NOTHING

Demand: TypeAlias = Literal["", "absent", "match", "same"]
"""What a write demands of the object that it replaces: nothing, that there is none, that it is a certain one, or that
it is what this operation has seen of it, which is no demand of the caller's."""

Meaning: TypeAlias = tuple[type[StoreError], str]
"""The error that something is, and the sentence that says what to do about it."""

EXISTS: Final[Meaning] = (AlreadyExistsError, "the object exists already")
"""What a demand that there be no object meets."""

GONE: Final[Meaning] = (PreconditionFailedError, "there is no object that could be what the condition demands")
"""What a demand that the object be a certain one meets where there is none."""

_UNSURE: Final = frozenset({500, 502, 504})
"""The answers of a service that broke down, or of a gateway before it: the request may have been carried out."""

_STATUSES: Final[Mapping[int, Meaning]] = {
    400: (StoreError, "the service does not accept the request"),
    408: (RequestTimeoutError, "the service waited too long for the request's bytes"),
    409: (PreconditionFailedError, "the request conflicts with the state of the object"),
    411: (StoreError, "the service wants to know the length of the body"),
    412: (PreconditionFailedError, "the object is not what the condition of the request demands"),
    413: (NotSupportedError, "one request cannot hold so many bytes; write in parts"),
    500: (UnavailableError, "the service failed"),
    502: (UnavailableError, "the service's gateway failed"),
    504: (UnavailableError, "the service's gateway waited too long"),
}
"""What is more exact for services of objects than for HTTP."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.:/+=-]{1,200}")
_LONGEST: Final = 500


class Failure(NamedTuple):
    """What an answer's status line, headers and body say.

    ``code`` is the service's word for it, and ``home`` the region or the host where it says that the bucket is; both
    are empty if unknown.
    """

    status: int
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] = NOTHING
    home: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """What one service's answers mean: first its codes, then its statuses, then those of all services."""

    codes: Mapping[str, Meaning] = field(default_factory=dict)
    statuses: Mapping[int, Meaning]
    says_too_much: frozenset[str] = frozenset()
    """The codes whose message may repeat keys, a signature or a signed URL: it is not quoted."""
    request_id: str
    """The header that names the request, for who asks the provider."""
    unsure: frozenset[int] = _UNSURE
    """The statuses after which a write may have been carried out."""

    def of(self, failure: Failure) -> Meaning:
        """Return what the answer means by itself, whatever was asked."""
        status = failure.status
        known = self.codes.get(failure.code) or self.statuses.get(status) or _STATUSES.get(status)
        if known is not None:
            return known
        error = error_from_status(status, headers=failure.headers)
        if type(error) is StoreError:
            return _STATUSES[400]
        return type(error), error.message

    def error(
        self,
        failure: Failure,
        meaning: Meaning,
        *,
        operation: str,
        key: str | None = None,
        store: str | None = None,
        answered: bool | None = None,
    ) -> StoreError:
        """Return the error of this ``meaning``, which quotes the service.

        ``answered`` of False says that the request may have been carried out; None: as the status tells.
        """
        kind, sentence = meaning
        message = f"{sentence} ({self._quote(failure)})"
        if not issubclass(kind, TransientError):
            return kind(message, key=key, operation=operation, store=store)
        if answered is None:
            answered = failure.status not in self.unsure
        wait = retry_after(failure.headers.get("Retry-After"))
        return kind(message, key=key, operation=operation, store=store, retry_after=wait, answered=answered)

    def _quote(self, failure: Failure) -> str:
        """What the service said, for who must find out why."""
        said = f"{failure.status} {failure.code}" if _NAME.fullmatch(failure.code) else str(failure.status)
        if failure.message and failure.code not in self.says_too_much:
            said = f"{said}: {redact(failure.message)[:_LONGEST].strip()}"
        request = failure.headers.get(self.request_id, "")
        return f"{said}; request {request}" if _REQUEST_ID.fullmatch(request) else said
