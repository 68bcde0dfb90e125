"""Many deletes in one request, and what its answer says; a large object is deleted with its segments.

https://docs.openstack.org/swift/latest/middleware.html#bulk-delete
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from aiostore._http.failure import Failure
from aiostore.body import Buffers
from aiostore.drivers.swift_client import Client
from aiostore.drivers.swift_errors import to_store_error
from aiostore.errors import NotFoundError, StoreError, UnavailableError

_TEXT: Final = {"content-type": "text/plain"}


async def delete_paths(client: Client, paths: Sequence[str], operation: str) -> dict[str, StoreError]:
    """Delete what ``paths`` name, encoded and with their containers; returns the errors by path. Missing ones are none.

    Raises:
        StoreError: if the request as a whole failed.
    """
    account = Client(client.service, None)
    data = "\n".join(paths).encode()
    answer = await account.ask(operation, "POST", None, _TEXT, "bulk-delete=", Buffers((data,), len(data)), slow=True)
    if not isinstance(answer, Mapping) or "Number Deleted" not in answer:
        # A cluster without bulk requests takes it for a change of the account's metadata, and does nothing.
        return await _one_by_one(account, paths, operation)
    if str(answer.get("Response Status", "")).startswith("400") and not answer.get("Number Deleted"):
        # A Ceph gateway refuses all if one path is long.
        return await _one_by_one(account, paths, operation)
    return read_errors(account, answer, paths, operation)


async def _one_by_one(account: Client, paths: Sequence[str], operation: str) -> dict[str, StoreError]:
    failed: dict[str, StoreError] = {}
    for path in paths:
        container, _, key = path[1:].partition("/")
        try:
            await Client(account.service, unquote(container)).send(operation, "DELETE", unquote(key), absent_ok=True)
        except StoreError as error:
            failed[path] = error
    return failed


def read_errors(
    client: Client, answer: Mapping[object, object], paths: Sequence[str], operation: str
) -> dict[str, StoreError]:
    """The errors that an answer of the bulk middleware names, by path.

    Raises:
        StoreError: if there is one that belongs to none of ``paths``.
    """
    asked = {unquote(path).lstrip("/"): path for path in paths}
    failed: dict[str, StoreError] = {}
    for entry in _entries(answer):
        name, status = entry
        error = _error(client, status, operation)
        path = asked.get(unquote(name).lstrip("/"))
        if path is None or isinstance(error, UnavailableError):
            # All of it can be sent again.
            raise error
        if not isinstance(error, NotFoundError):
            failed[path] = error
    status = str(answer.get("Response Status", ""))
    if not failed and not status.startswith("200") and not status.startswith("404"):
        said = str(answer.get("Response Body", ""))
        raise _error(client, f"{status} {said}", operation)
    return failed


def _entries(answer: Mapping[object, object]) -> list[tuple[str, str]]:
    errors = answer.get("Errors")
    return [
        (str(entry[0]), str(entry[1]))
        for entry in (errors if isinstance(errors, list) else ())
        if isinstance(entry, list) and len(entry) >= 2
    ]


def _error(client: Client, status: str, operation: str) -> StoreError:
    code = status[:3]
    if code == "401":
        # The token was good when the request came, and has ended while it was carried out.
        return UnavailableError("the token has ended meanwhile", operation=operation, store=client.store)
    if not code.isdecimal():
        return UnavailableError(f"the service says {client.hide(status)!r}", operation=operation, store=client.store)
    return to_store_error(Failure(int(code), message=client.hide(status[3:].strip())), operation=operation)
