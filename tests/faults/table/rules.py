"""What each cell of the table must show. The first rule that names operation, fault and driver holds; none is an error.

Every name is written out: an operation, a fault or a driver that is new has no rule until somebody thinks about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiostore import (
    ConfigurationError,
    CorruptedError,
    NotSupportedError,
    ObjectChangedError,
    StoreError,
    UnavailableError,
)
from aiostore.policies import Integrity


@dataclass(frozen=True, slots=True)
class Heals:
    """The caller notices nothing: the result is right, and what was done is done once and whole."""


@dataclass(frozen=True, slots=True)
class Raises:
    """This error, and everything is as it was before."""

    error: type[Exception]
    integrity: Integrity = "auto"


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """It cannot happen; ``reason`` says why."""

    reason: str


Expectation = Heals | Raises | NotApplicable


@dataclass(frozen=True, slots=True)
class Rule:
    faults: frozenset[str]
    operations: frozenset[str]
    drivers: frozenset[str]
    expectation: Expectation

    def names(self, operation: str, fault: str, driver: str) -> bool:
        """Whether it is about this cell."""
        return operation in self.operations and fault in self.faults and driver in self.drivers


def rule(faults: Iterable[str], operations: Iterable[str], drivers: Iterable[str], expectation: Expectation) -> Rule:
    return Rule(frozenset(faults), frozenset(operations), frozenset(drivers), expectation)


class NoRuleError(LookupError):
    """A blank cell."""


def expectation(operation: str, fault: str, driver: str) -> Expectation:
    """What must happen. Raises NoRuleError if nobody has said."""
    for candidate in RULES:
        if candidate.names(operation, fault, driver):
            return candidate.expectation
    raise NoRuleError(f"{operation!r} under {fault!r} on {driver!r}: add a rule")


# --- drivers

S3 = {"ceph", "localstack"}
MODELS = {"memory", "local"}
ALL = S3 | MODELS

# --- operations

WHOLE_READS = {"get small", "get large", "stream", "download"}
RANGE_READS = {"get_range", "get_ranges"}
IN_RANGES = {"get large", "stream", "download", "get_ranges"}
READS = WHOLE_READS | RANGE_READS
LOOKS = {"head", "exists"}
ASKS = {"list", "list_with_delimiter", "get_tags"}
ONE_PUT = {"put small", "put if_absent", "put if_match"}
IN_PARTS = {"put large", "put from an async iterator", "put from a file", "put large if_absent"}
REMOVES = {"delete"}
COPIES = {"copy", "rename", "set_metadata"}
REST = {"delete_many", "set_tags"}
SIGN = {"sign"}
SENDING = READS | LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST

# --- faults

NONE = {"none"}
CONNECTIONS = {
    "connection refused", "connection reset on accept", "DNS failure", "idle connection closed",
    "idle connection reset as it is used again",
}  # fmt: skip
UNREAD = {"reset before the request is read"}
REQUEST_BODY = {"reset in the request's body", "request's body stalls"}
REQUEST_FLIP = {"byte flipped in the request's body"}
RESET_IN_ANSWER = {"reset in the answer's body"}
ANSWER_BODY = {"answer shorter than its Content-Length", "answer's body stalls", "answer's body drips"}
ANSWER_END = {"reset at the answer's end", "answer longer than its Content-Length"}
ANSWER_LOST = {"answer is late", "response lost"}
ANSWER_FLIP = {"byte flipped in the answer's body"}
LENGTH = {"Content-Length too small", "Content-Length too large"}
RANGE = {"Range ignored", "another range answered", "Content-Range wrong", "Content-Range missing"}
STATUS = {
    "500", "502", "503", "504", "408", "503 SlowDown", "429 with Retry-After in seconds",
    "429 with Retry-After as a date",
}  # fmt: skip
CONFLICT = {"409 conflict"}
ERROR_IN_200 = {"200 with an error document, nothing done", "200 with an error document, all done"}
IDENTITY = {"credentials expired", "clock wrong", "301 to another region", "307 to another region"}
LOOPS = {"301 in a loop", "307 in a loop"}
CHANGES = {"object replaced while it is read", "object deleted while it is read"}
DISK = {"disk full"}
PROCESS = {"process forked", "event loop closed"}
KILLED = {"process killed"}

HTTP = (
    CONNECTIONS | REQUEST_BODY | REQUEST_FLIP | ANSWER_BODY | ANSWER_END | LENGTH | RANGE | ERROR_IN_200 | IDENTITY
    | LOOPS
)  # fmt: skip
REQUESTS = (
    NONE | HTTP | UNREAD | RESET_IN_ANSWER | ANSWER_LOST | ANSWER_FLIP | STATUS | CONFLICT | CHANGES
)  # fmt: skip

HEALS = Heals()
NO_BODY_SENT = NotApplicable("its requests have no body")
NO_BODY_ANSWERED = NotApplicable("its answers have no body")
NO_OBJECT_READ = NotApplicable("it reads no object")
NO_RANGE = NotApplicable("it asks for no range")

RULES: tuple[Rule, ...] = (
    # What needs no request, or cannot be asked.
    rule(REQUESTS, SIGN, S3, NotApplicable("a URL is signed here: no request is sent")),
    rule(PROCESS, SIGN, S3, HEALS),
    rule(REQUESTS | PROCESS, SIGN, MODELS, NotApplicable("there are no URLs")),
    rule(
        REQUESTS | PROCESS, {"put large if_absent"}, {"ceph"},
        NotApplicable("conditions of a completion are ignored there, so it is refused before anything is sent"),
    ),
    rule(KILLED, SENDING | SIGN, ALL, NotApplicable("only a transfer with a journal goes on in another process")),
    rule(DISK, SENDING - {"download"} | SIGN, {"ceph", "localstack", "memory"}, NotApplicable("it writes no file")),
    rule(DISK, {"download"}, ALL, Raises(OSError)),
    rule(DISK, ONE_PUT | IN_PARTS | {"copy"}, {"local"}, Raises(StoreError)),
    rule(
        DISK, READS - {"download"} | LOOKS | ASKS | REMOVES | REST | SIGN | {"rename", "set_metadata"}, {"local"},
        NotApplicable("it makes no file larger"),
    ),
    rule(HTTP, SENDING, MODELS, NotApplicable("there is no HTTP")),

    # What every request survives.
    rule(NONE | UNREAD | STATUS | ANSWER_LOST, SENDING, ALL, HEALS),
    rule(CONNECTIONS | ANSWER_END | IDENTITY, SENDING, S3, HEALS),
    rule({"301 in a loop"}, SENDING, S3, Raises(ConfigurationError)),
    rule({"307 in a loop"}, SENDING, S3, Raises(UnavailableError)),
    rule(PROCESS, SENDING, ALL, HEALS),

    # The request's body.
    rule(REQUEST_BODY, ONE_PUT | IN_PARTS | REST, S3, HEALS),
    rule(REQUEST_FLIP, ONE_PUT | IN_PARTS, S3, HEALS),
    rule(REQUEST_FLIP, REST, S3, NotApplicable("its body is XML, whose damage the service sees as an error of ours")),
    rule(REQUEST_BODY | REQUEST_FLIP, READS | LOOKS | ASKS | REMOVES | COPIES, S3, NO_BODY_SENT),

    # The answer's body.
    rule(RESET_IN_ANSWER, READS, MODELS, HEALS),
    rule(
        RESET_IN_ANSWER, LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST, MODELS,
        NotApplicable("a driver answers all but objects at once"),
    ),
    rule(
        RESET_IN_ANSWER | ANSWER_BODY, READS | ASKS | IN_PARTS | COPIES | {"delete_many"}, S3, HEALS,
    ),
    rule(RESET_IN_ANSWER | ANSWER_BODY, LOOKS | ONE_PUT | REMOVES | {"set_tags"}, S3, NO_BODY_ANSWERED),
    rule(ANSWER_FLIP, {"get small", "get large", "download"}, ALL, HEALS),
    rule(ANSWER_FLIP, {"stream"}, ALL, Raises(CorruptedError)),
    rule(ANSWER_FLIP, RANGE_READS, ALL, Raises(NotSupportedError, integrity="require")),
    rule(
        ANSWER_FLIP, LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST, ALL,
        NotApplicable("it reads no bytes that have a checksum"),
    ),
    rule(LENGTH, {"get small", "get large", "download"} | RANGE_READS, S3, HEALS),
    rule(LENGTH, {"stream"}, S3, Raises(CorruptedError)),
    rule(LENGTH, LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST, S3, NO_OBJECT_READ),
    rule(RANGE, IN_RANGES | {"get_range"}, S3, HEALS),
    rule(
        RANGE, {"get small"} | LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST, S3, NO_RANGE,
    ),

    # What services say.
    rule(CONFLICT, ONE_PUT | IN_PARTS, ALL, HEALS),
    rule(CONFLICT, {"copy"}, ALL, HEALS),
    rule(CONFLICT, {"rename", "set_metadata"}, S3, HEALS),
    rule(CONFLICT, {"rename"}, MODELS, NotApplicable("it moves in one step")),
    rule(CONFLICT, {"set_metadata"}, MODELS, NotApplicable("it copies nothing")),
    rule(CONFLICT, READS | LOOKS | ASKS | REMOVES | REST, ALL, NotApplicable("services answer so only to writes")),
    rule(ERROR_IN_200, IN_PARTS | COPIES | {"delete_many"}, S3, HEALS),
    rule(
        ERROR_IN_200, READS | LOOKS | ASKS | ONE_PUT | REMOVES | {"set_tags"}, S3,
        NotApplicable("the service does not answer before it has done this"),
    ),

    # Objects that change.
    rule(CHANGES, IN_RANGES, ALL, Raises(ObjectChangedError)),
    rule(CHANGES, {"get small", "get_range"}, ALL, HEALS),
    rule(CHANGES, LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST, ALL, NO_OBJECT_READ),
)  # fmt: skip
