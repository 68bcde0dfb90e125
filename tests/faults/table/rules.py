"""What each cell of the table must show. The first rule that names operation, fault and driver holds; none is an error.

Every name is written out: an operation, a fault or a driver that is new has no rule until somebody thinks about it.
"""

from __future__ import annotations

from aiostore import (
    ConfigurationError,
    CorruptedError,
    NotSupportedError,
    ObjectChangedError,
    StoreError,
    UnavailableError,
)
from tests.faults.table.backends import BACKENDS, MODELS
from tests.faults.table.expectation import (
    Expectation,
    Heals,
    NoRuleError,
    NotApplicable,
    Raises,
    Rule,
    rule,
)
from tests.faults.table.faults import TableFault
from tests.faults.table.operations import Operation


def expectation(operation: Operation, fault: type[TableFault], driver: str) -> Expectation:
    """What must happen. Raises NoRuleError if nobody has said."""
    found = deciding(operation, fault, driver)
    return found.expectation if isinstance(found, Rule) else found


def deciding(operation: Operation, fault: type[TableFault], driver: str) -> Rule | NotApplicable:
    """The backend's own rule, or that nothing there can be struck, or else a common rule."""
    backend = BACKENDS.get(driver)
    if backend is not None:
        for candidate in backend.rules:
            if candidate.names(operation.name, fault.name):
                return candidate
        if fault.elsewhere and not fault.strikes(backend) & operation.uses(driver):
            return NotApplicable(fault.elsewhere)
    for candidate in RULES:
        if driver in candidate.drivers and candidate.names(operation.name, fault.name):
            return candidate
    raise NoRuleError(f"{operation.name!r} under {fault.name!r} on {driver!r}: add a rule")


# --- drivers

HTTP_DRIVERS = set(BACKENDS)
ALL = HTTP_DRIVERS | set(MODELS)

# --- operations

WHOLE_READS = {"get small", "get large", "stream", "download", "open for reading"}
RANGE_READS = {"get_range", "get_ranges"}
IN_RANGES = {"get large", "stream", "download", "get_ranges", "open for reading"}
READS = WHOLE_READS | RANGE_READS
LOOKS = {"head", "exists"}
ASKS = {"list", "list_with_delimiter", "get_tags"}
ONE_PUT = {"put small", "put if_absent", "put if_match"}
IN_PARTS = {"put large", "put from an async iterator", "put from a file", "put large if_absent", "open for writing"}
REMOVES = {"delete"}
COPIES = {"copy", "rename", "set_metadata"}
REST = {"delete_many", "set_tags"}
SIGN = {"sign"}
SWAPS = {"open for appending", "update", "lease"}
SENDING = READS | LOOKS | ASKS | ONE_PUT | IN_PARTS | REMOVES | COPIES | REST | SWAPS

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

EVERY_FAULT = REQUESTS | DISK | PROCESS | KILLED

HEALS = Heals()
MADE_OF_OTHERS = NotApplicable("it is made of reads and writes, which meet this fault as operations of their own")
CONTENDED = NotApplicable("what others write meanwhile is what it is for, and tested in test_contention.py")
NO_OBJECT_READ = NotApplicable("it reads no object")

SWAPPING = {"azurite", "gcs"}
"""Drivers whose conditional writes hold, and do so in another way than those of S3."""

RULES: tuple[Rule, ...] = (
    # Reads and writes depend on each other here: what is done twice, or not at all, shows.
    rule(
        NONE | REQUEST_FLIP | ANSWER_LOST | ANSWER_FLIP
        | {"503 SlowDown", "reset in the request's body", "answer's body stalls"},
        {"update", "lease"}, SWAPPING, HEALS,
    ),
    # What needs no request, or cannot be asked.
    rule(
        EVERY_FAULT, SWAPS | {"open for reading", "open for writing"}, HTTP_DRIVERS - {"ceph", "localstack"},
        MADE_OF_OTHERS,
    ),
    rule(PROCESS, SIGN, HTTP_DRIVERS, HEALS),
    rule(REQUESTS | PROCESS, SIGN, MODELS, NotApplicable("there are no URLs")),
    rule(KILLED, SENDING | SIGN, ALL, NotApplicable("only a transfer with a journal goes on in another process")),
    rule(DISK, {"download"}, ALL, Raises(OSError)),
    rule(DISK, SENDING | SIGN, {*HTTP_DRIVERS, "memory"}, NotApplicable("it writes no file")),
    rule(DISK, ONE_PUT | IN_PARTS | {"copy"}, {"local"}, Raises(StoreError)),
    rule(DISK, {"lease"}, {"local"}, NotApplicable("its object is smaller than what still fits")),
    rule(DISK, SWAPS, {"local"}, Raises(StoreError)),
    rule(
        DISK, READS | LOOKS | ASKS | REMOVES | REST | SIGN | {"rename", "set_metadata"}, {"local"},
        NotApplicable("it makes no file larger"),
    ),
    rule(HTTP, SENDING, MODELS, NotApplicable("there is no HTTP")),

    # What every request survives.
    rule(NONE | UNREAD | STATUS | ANSWER_LOST, SENDING, ALL, HEALS),
    rule(CONNECTIONS | ANSWER_END | IDENTITY, SENDING, HTTP_DRIVERS, HEALS),
    rule({"301 in a loop"}, SENDING, HTTP_DRIVERS, Raises(ConfigurationError)),
    rule({"307 in a loop"}, SENDING, HTTP_DRIVERS, Raises(UnavailableError)),
    rule(PROCESS, SENDING, ALL, HEALS),

    # Bodies.
    rule(REQUEST_BODY | REQUEST_FLIP, SENDING, HTTP_DRIVERS, HEALS),
    rule(RESET_IN_ANSWER, READS | {"update", "lease"}, MODELS, HEALS),
    rule(RESET_IN_ANSWER, SENDING, MODELS, NotApplicable("a driver answers all but objects at once")),
    rule(RESET_IN_ANSWER | ANSWER_BODY, SENDING, HTTP_DRIVERS, HEALS),
    rule(ANSWER_FLIP, {"get small", "get large", "download"}, ALL, HEALS),
    # Parts that have checksums of their own are healed; elsewhere it is found out at the end.
    rule(ANSWER_FLIP, {"stream"}, {"memory"}, HEALS),
    rule(ANSWER_FLIP, {"stream", "open for reading"}, ALL, Raises(CorruptedError)),
    rule(ANSWER_FLIP, RANGE_READS, ALL, Raises(NotSupportedError, integrity="require")),
    rule(ANSWER_FLIP, SWAPS, HTTP_DRIVERS, HEALS),
    rule(ANSWER_FLIP, {"update", "lease"}, MODELS, HEALS),
    rule(LENGTH, {"get small", "get large", "download"} | RANGE_READS | SWAPS, HTTP_DRIVERS, HEALS),
    rule(LENGTH, {"stream", "open for reading"}, HTTP_DRIVERS, Raises(CorruptedError)),
    rule(RANGE, IN_RANGES | {"get_range"}, HTTP_DRIVERS, HEALS),

    rule(ANSWER_FLIP, SENDING, MODELS, NO_OBJECT_READ),

    # What services say.
    rule(CONFLICT, ONE_PUT | IN_PARTS | {"copy", "update", "lease"}, ALL, HEALS),
    rule(CONFLICT, {"open for appending"}, HTTP_DRIVERS, HEALS),
    rule(CONFLICT, {"rename", "set_metadata"}, HTTP_DRIVERS, HEALS),
    rule(CONFLICT, {"rename"}, MODELS, NotApplicable("it moves in one step")),
    rule(CONFLICT, {"set_metadata"}, MODELS, NotApplicable("it copies nothing")),
    rule(CONFLICT, SENDING, MODELS, NotApplicable("services answer so only to writes")),
    rule(ERROR_IN_200, IN_PARTS | COPIES | {"delete_many"}, HTTP_DRIVERS, HEALS),

    # Objects that change.
    # One open file is read to its end, whatever becomes of its name.
    rule(CHANGES, {"get large", "stream", "download"}, {"local"}, HEALS),
    rule(CHANGES, IN_RANGES, ALL, Raises(ObjectChangedError)),
    rule(CHANGES, {"get small", "get_range"}, ALL, HEALS),
    rule(CHANGES, SWAPS, HTTP_DRIVERS, CONTENDED),
    rule(CHANGES, {"update", "lease"}, MODELS, CONTENDED),
    rule(CHANGES, SENDING, MODELS, NO_OBJECT_READ),
)  # fmt: skip
