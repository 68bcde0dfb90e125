"""Web servers, read-only and WebDAV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiostore.location import Location
from aiostore.policies import ClientOptions, Integrity, Limits, RetryPolicy, Timeouts
from aiostore.schemes import Place, Scheme
from aiostore.store import Store
from aiostore.wrappers.observe import Observer


class HTTPStore(Store):
    """What a web server shows below ``base_url``; with ``webdav``, what it lets us write there too.

    Args:
        base_url: an ``http`` or ``https`` URL. A query in it goes with every request. Keys are paths below it.
        prefix: is put before every key, as it is.
        username, password: for basic authentication; without any, those of the host in ``~/.netrc`` or ``$NETRC``.
        token: for bearer authentication.
        headers: go with every request to the server, but never to another one that it redirects to.
        params: parameters of the query of every request to the server.
        webdav: the server speaks WebDAV: write with PUT, DELETE, MKCOL, COPY and MOVE, list with PROPFIND. Without it,
            the store can only be read, and is listed by the server's directory indexes.
        client_options: TLS, proxy and connections.
    """

    def __init__(
        self,
        base_url: str,
        *,
        prefix: str = "",
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        webdav: bool = False,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        integrity: Integrity = "auto",
        client_options: ClientOptions | Mapping[str, object] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        from aiostore.drivers.http_settings import make_driver

        super().__init__(
            make_driver(
                base_url,
                username=username,
                password=password,
                token=token,
                headers=headers,
                params=params,
                webdav=webdav,
                timeouts=timeouts,
                client_options=client_options,
            ),
            prefix=prefix,
            retry=retry,
            limits=limits,
            integrity=integrity,
            observers=observers,
        )


def place(location: Location) -> Place:
    """``https://host/prefix``: the store of a whole host, so that all URLs of one share its connections."""
    return Place(names=(f"{location.scheme}://{location.host_part}",), container=location.host.partition(":")[0])


SCHEME = Scheme(
    store=HTTPStore,
    place=place,
    userinfo=("username", "password"),
    credentials=frozenset({"username", "password", "token"}),
    service="http",
    secret_options={"username": "username", "password": "password", "token": "token"},
    shared_secret=False,
    rest="params",
)
