"""From what users say to an HTTP driver: the base URL, credentials, headers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit

from aiostore._http.route import parse_origin
from aiostore.drivers.http import HTTPDriver
from aiostore.drivers.http_client import Client, basic
from aiostore.drivers.http_dav import DAVDriver
from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions, Timeouts


def make_driver(
    base_url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    webdav: bool = False,
    timeouts: Timeouts | None = None,
    client_options: ClientOptions | Mapping[str, object] | None = None,
) -> HTTPDriver:
    """Make a driver; sends nothing.

    Credentials are, in this order: ``token``, ``username`` and ``password``, those of the URL, those of the host in the
    file that NETRC names, or in ``~/.netrc``.

    Raises:
        ConfigurationError: if the arguments contradict each other or cannot be used.
    """
    try:
        parts = urlsplit(base_url, allow_fragments=False)
    except ValueError:
        raise ConfigurationError("the base URL cannot be taken apart") from None
    userinfo, _, host = parts.netloc.rpartition("@")
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("the base URL begins with http:// or https:// and a host")
    origin = f"{parts.scheme}://{host.lower()}"
    parse_origin(origin)
    path = quote(parts.path, safe="/~%!$&'()*+,;=:@")
    base = f"{origin}{path if path.endswith('/') else path + '/'}"
    if token is not None and (username is not None or password is not None):
        raise ConfigurationError("choose one of token, and username with password")
    if password is not None and username is None:
        raise ConfigurationError("a password needs a username")
    if username is None and token is None:
        if userinfo:
            username, _, password = (unquote(text) for text in userinfo.partition(":"))
        elif (found := _netrc(host)) is not None:
            username, password = found
    sent = {"accept-encoding": "identity"}
    for name, value in (headers or {}).items():
        if name.lower() in {"cookie", "range", "host", "content-length"}:
            raise ConfigurationError(f"the header {name!r} cannot go with every request; leave it out")
        sent[name.lower()] = value
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    elif username is not None:
        sent["authorization"] = basic(username, password or "")
    # As it is written: it may be signed.
    written = quote(parts.query, safe="/~!$&'()*+,;=:@%?")
    query = "&".join(filter(None, (written, urlencode(list((params or {}).items())))))
    client = Client(base, sent, f"?{query}" if query else "", ClientOptions.of(client_options), timeouts or Timeouts())
    return (DAVDriver if webdav else HTTPDriver)(client)


def _netrc(host: str) -> tuple[str, str] | None:
    """User and password for a host in the user's file of them; None if there is none."""
    given = os.environ.get("NETRC")
    try:
        path = Path(given).expanduser() if given else Path.home() / ".netrc"
        found = netrc(path).authenticators(host.lower().rpartition("]")[2].partition(":")[0] or host)
    except (OSError, RuntimeError):
        return None
    except NetrcParseError as error:
        raise ConfigurationError(f"{error.filename} cannot be read (line {error.lineno})") from None
    return None if found is None else (found[0], found[2])
