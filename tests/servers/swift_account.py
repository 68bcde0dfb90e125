"""Preparing an account of Swift's API, as its owner does it once."""

from __future__ import annotations

import urllib.request

TEMP_URL_KEY = "key-of-temporary-urls"


def v1_access(auth_url: str, user: str, key: str) -> tuple[str, str]:
    """The token and the account's URL that v1 authentication answers."""
    request = urllib.request.Request(auth_url, headers={"X-Auth-User": user, "X-Auth-Key": key})
    with _opener().open(request, timeout=10) as answer:
        return answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]


def set_temp_url_key(token: str, storage_url: str) -> None:
    """Give the account the key that temporary URLs are signed with."""
    headers = {"X-Auth-Token": token, "X-Account-Meta-Temp-URL-Key": TEMP_URL_KEY}
    with _opener().open(urllib.request.Request(storage_url, method="POST", headers=headers), timeout=10):
        pass


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
