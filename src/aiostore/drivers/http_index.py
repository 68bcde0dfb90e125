"""Directory indexes of web servers, as HTML and as JSON.

Formats, by the modules that write them:

- nginx, HTML and JSON: https://nginx.org/en/docs/http/ngx_http_autoindex_module.html
- Apache, plain, preformatted and tables: https://httpd.apache.org/docs/2.4/mod/mod_autoindex.html
- what looks like them: lighttpd, ``python -m http.server``, and Caddy's JSON

Only what lies directly in the directory is taken, whatever a page links to. Times are UTC in nginx's pages and the
server's own zone in Apache's, which are therefore left out. A rounded size (``1.2K``) is unknown (-1).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from aiostore._http.status import http_date
from aiostore.errors import StoreError, UnavailableError

LARGEST: Final = 16 * 1024**2
"""Bytes of one index: about 100,000 names."""

ACCEPTED: Final = {"accept": "application/json, text/html;q=0.9"}
"""Some servers show either, whatever is asked for."""

_TITLE: Final = re.compile(r"<(?:title|h1)>\s*(?:Index of|Directory listing for)\b", re.IGNORECASE)
# What may repeat stops at the next "<", so that no page takes longer than its length.
_LINK: Final = re.compile(r"""<a\s[^<>]{0,200}?href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)')[^<>]*>""", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_NGINX_LINE: Final = re.compile(r"\s*(\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d)\s+(\d{1,19}(?![KMGT])|-|\d+[KMGT])\s*")
_NGINX_PAGE: Final = re.compile(
    r"""(?s)<a href="([A-Za-z0-9_-][A-Za-z0-9_.~-]*/?)">[^<]*</a> +(\d.{16}) +([0-9]{1,19}|-)\r?\n"""
)
"""An entry as nginx writes it, with a name that means what it looks like. A page of nothing else is read at once."""
_APACHE_LINE: Final = re.compile(r"\s*\d{4}-\d\d-\d\d \d\d:\d\d\s+(\d{1,19}(?![\d.KMGT])|-|[\d.]+[KMGT])")
_MONTHS: Final = dict(
    zip(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), range(1, 13), strict=True)
)


_plain = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.~-]*/?").fullmatch
"""Names that are written as they are."""


class Entry(NamedTuple):
    """A name in a directory; that of a directory ends with a slash. ``size`` of -1 is unknown."""

    name: str
    size: int = -1
    last_modified: datetime | None = None
    etag: str | None = None
    content_type: str | None = None


def parse(page: bytes, content_type: str, path: str) -> list[Entry] | None:
    """What the index of the directory with the (encoded) ``path`` shows; None if the page is none.

    Raises:
        StoreError: if it is larger than an index can be.
        UnavailableError: if it is JSON that was cut off.
    """
    if len(page) > LARGEST:
        raise StoreError(f"the directory's index has more than {LARGEST} bytes")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _json(page)
    if kind not in {"text/html", "application/xhtml+xml"}:
        return None
    text = page.decode("utf-8", "surrogateescape")
    if _TITLE.search(text) is None:
        return None
    return _nginx(text) or _once(_html(text, path))


def child(target: str, path: str, *, absolute: bool = False) -> str | None:
    """The decoded name of what a link (or a WebDAV href) in a directory points to; None if it is not in there.

    ``path`` is the directory's, encoded, and ends with a slash. Of an ``absolute`` URL, the host is looked through: a
    server behind a proxy may know another one.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.query or parts.fragment or (not absolute and (parts.scheme or parts.netloc)):
        return None
    link = parts.path
    if parts.scheme or parts.netloc or link.startswith("/"):
        here = unquote(path)
        link = unquote(link)
        if not link.startswith(here):
            return None
        name = link[len(here) :]
    else:
        name = unquote(link.removeprefix("./"))
    return name if _is_name(name) else None


def _is_name(name: str) -> bool:
    """Whether it is one segment of a key, of a directory if it ends with a slash."""
    bare = name.removesuffix("/")
    return bool(bare) and "/" not in bare and bare not in {".", ".."} and "\0" not in bare and _is_unicode(bare)


def _is_unicode(name: str) -> bool:
    # A replacement character is what unquote() makes of bytes that are not UTF-8: such a name cannot be asked for.
    return "\ufffd" not in name and (name.isascii() or name.isprintable() or _encodes(name))


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nginx(text: str) -> list[Entry]:
    """The entries of a page with nothing odd in it, as nginx writes it, read in one go; none if it is another."""
    lines = _NGINX_PAGE.findall(text)
    if len(lines) + 1 != text.count("</a>"):  # One link leads to the directory above.
        return []
    times = {time: _nginx_time(time) for time in {line[1] for line in lines}}
    if None in times.values():
        return []
    # Past the constructor, which would take half of the time.
    new = tuple.__new__
    return [
        Entry(name) if size == "-" else new(Entry, (name, int(size), times[time], None, None))
        for name, time, size in lines
    ]


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Each name once, with what is known of it: where icons are links, every entry has two."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.size >= 0 or entry.name not in found:
            found[entry.name] = entry
    return list(found.values())


def _html(text: str, path: str) -> Iterator[Entry]:
    links = list(_LINK.finditer(text))
    for number, link in enumerate(links):
        name = child(html.unescape(link[1] if link[1] is not None else link[2]), path)
        if name is None:
            continue
        end = links[number + 1].start() if number + 1 < len(links) else min(len(text), link.end() + 4096)
        # Behind the text of the link: the time and the size.
        _, _, rest = text[link.end() : end].partition("</a>")
        rest = _TAG.sub(" ", rest[:1024]).replace("&nbsp;", " ")
        size, modified = _details(rest)
        yield Entry(name) if name.endswith("/") else Entry(name, size, modified)


def _details(text: str) -> tuple[int, datetime | None]:
    """The size and time that the rest of an entry shows."""
    if (match := _NGINX_LINE.match(text)) is not None:
        return int(match[2]) if match[2].isdecimal() else -1, _nginx_time(match[1])
    match = _APACHE_LINE.match(text)
    return (int(match[1]) if match is not None and match[1].isdecimal() else -1), None


@lru_cache(maxsize=1024)
def _nginx_time(text: str) -> datetime | None:
    """The time that ``06-Nov-1994 08:49`` names; None if it names none."""
    try:
        return datetime(
            int(text[7:11]), _MONTHS[text[3:6]], int(text[:2]), int(text[12:14]), int(text[15:17]), tzinfo=UTC
        )
    except (KeyError, ValueError):
        return None


def _json(page: bytes) -> list[Entry] | None:
    try:
        listed = json.loads(page)
    except (ValueError, RecursionError):
        raise UnavailableError("the directory's index is not valid JSON") from None
    if not isinstance(listed, list):
        return None
    found = []
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            return None
        # nginx: type and mtime; Caddy: is_dir and mod_time.
        directory = item.get("type") == "directory" or item.get("is_dir") is True
        if item.get("type") not in {None, "directory", "file"}:
            continue
        name = item["name"].removesuffix("/")
        if not _plain(name) and not _is_name(name):
            continue
        if directory:
            found.append(Entry(name + "/"))
            continue
        size = item.get("size")
        found.append(Entry(name, size if type(size) is int and size >= 0 else -1, _time(item)))
    return found


def _time(item: dict[str, object]) -> datetime | None:
    modified, iso = item.get("mtime"), item.get("mod_time")
    if isinstance(modified, str):
        return http_date(modified)
    if isinstance(iso, str):
        try:
            time = datetime.fromisoformat(iso)
            return time.astimezone(UTC) if time.tzinfo else None
        except (ValueError, OverflowError):
            return None
    return None
