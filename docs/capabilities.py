"""Writes the tables of what each service can do into the pages, from what the code says: ``docs/capabilities.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiostore.capabilities import Capabilities, Guarantee
from aiostore.drivers import (
    azure_settings,
    gcs_settings,
    http_settings,
    oss_settings,
    s3_settings,
    swift_dialect,
    swift_settings,
)
from aiostore.drivers.gcs_multipart import MultipartStyle
from aiostore.drivers.local import LocalDriver
from aiostore.drivers.s3_dialect import DIALECTS, Dialect

HERE = Path(__file__).parent
BEGIN, END = "<!-- capabilities: written by docs/capabilities.py -->\n", "<!-- end of capabilities -->\n"

_WORDS = {Guarantee.NONE: "no", Guarantee.BEST_EFFORT: "best effort", Guarantee.ATOMIC: "atomic"}
_WRITES = ("put", "complete", "copy", "delete")


def s3() -> str:
    """A column for each dialect, the nameless last."""
    dialects = [dialect for name, dialect in DIALECTS.items() if name] + [DIALECTS[""]]
    names = [f"`{dialect.name}`" if dialect.name else "any other" for dialect in dialects]
    return _table(names, [_dialect(dialect, _capabilities(dialect)) for dialect in dialects])


def azure() -> str:
    """A column for the service and one for its emulator."""
    endpoints = {"azure": "https://example.blob.core.windows.net", "azurite": "http://127.0.0.1:10000/devstoreaccount1"}
    found = [
        azure_settings.make_driver("container", endpoint=url, skip_signature=True).capabilities
        for url in endpoints.values()
    ]
    return _table([f"`{name}`" for name in endpoints], [_service(can) for can in found])


def gcs() -> str:
    """A column for each way to write in parts."""
    styles: Sequence[MultipartStyle] = ("xml", "composite")
    found = [gcs_settings.make_driver("bucket", skip_signature=True, multipart=style).capabilities for style in styles]
    return _table([f'`multipart="{style}"`' for style in styles], [_service(can) for can in found])


def http() -> str:
    """A column for what can only be read, and one for WebDAV."""
    found = [http_settings.make_driver("https://example.com", webdav=webdav).capabilities for webdav in (False, True)]
    operations = sorted(found[1].operations)
    columns = [{f"`{name}`": "yes" if name in can.operations else "no" for name in operations} for can in found]
    for can, column in zip(found, columns, strict=True):
        column |= {row: words for row, words in _conditions(can).items() if "complete" not in row}
        column["user metadata"] = "yes" if can.metadata else "no"
        column["sorted listings"] = "yes" if can.ordered_listing else "no"
    return _table(["read-only", "`webdav=True`"], columns)


def local() -> str:
    """One column."""
    return _table(["`local`"], [_service(LocalDriver(HERE).capabilities)])


def oss() -> str:
    """One column."""
    made = oss_settings.make_driver("bucket", region="cn-hangzhou", skip_signature=True)
    return _table(["`oss`"], [_service(made.capabilities)])


def swift() -> str:
    """A column for Swift and one for Ceph's gateway."""
    account = swift_settings.Account(token="token", storage_url="https://example.com/v1/AUTH_demo")  # noqa: S106  # none
    found = [
        swift_settings.make_driver("container", account, dialect=name, temp_url_key="key").capabilities
        for name in swift_dialect.DIALECTS
    ]
    columns = [_service(can) for can in found]
    for can, column in zip(found, columns, strict=True):
        column["refused"] = ", ".join(f"`{name}`" for name in sorted(found[0].operations - can.operations)) or "no"
    return _table([f"`{name}`" for name in swift_dialect.DIALECTS], columns)


def _table(names: Sequence[str], columns: Sequence[Mapping[str, str]]) -> str:
    """A table in Markdown."""
    lines = [["", *names], ["---"] * (len(names) + 1)]
    lines += [[row, *(column[row] for column in columns)] for row in columns[0]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _capabilities(dialect: Dialect) -> Capabilities:
    driver = s3_settings.make_driver(
        "bucket", endpoint="https://s3.example.com", region="us-east-1", dialect=dialect.name, skip_signature=True
    )
    return driver.capabilities


def _conditions(can: Capabilities) -> dict[str, str]:
    column: dict[str, str] = {}
    for name in _WRITES:
        conditions = getattr(can, name)
        if name != "delete":
            column[f"`{name}`: create-only"] = _WORDS[conditions.if_absent]
        column[f"`{name}`: if-match"] = _WORDS[conditions.if_match]
    return column


def _service(can: Capabilities) -> dict[str, str]:
    column = _conditions(can)
    column["checked on upload"] = ", ".join(can.checksums) or "no"
    column["ranges from the end"] = "yes" if can.suffix_range else "asked for the size before"
    column["sorted listings"] = "yes" if can.ordered_listing else "no"
    if (parts := can.multipart) is not None:
        column["largest part, most parts"] = f"{_size(parts.max_size)}, {parts.max_count:,}"
    column["largest put"] = _size(can.max_put)
    if "append" in can.operations and can.max_append < Capabilities(operations=frozenset()).max_append:
        column["largest append"] = _size(can.max_append)
    column["keys of one `delete_many`"] = str(can.delete_batch)
    column["copies of parts"] = "yes" if "copy_part" in can.operations else "no"
    return column


def _size(count: int) -> str:
    return f"{count / 1024**2:,.0f} MiB"


def _dialect(dialect: Dialect, can: Capabilities) -> dict[str, str]:
    column = _conditions(can)
    parts = can.multipart
    column["copy's source: if-match"] = "yes" if dialect.source_conditions else "asked before"
    column["checked on upload"] = ", ".join(can.checksums) or "no"
    column["proves reads"] = _proof(dialect)
    column["encryption"] = ", ".join(_encryptions(dialect)) or "no"
    column["parts of one size"] = "yes" if parts is not None and parts.equal else "no"
    column["refused"] = ", ".join(f"`{name}`" for name in sorted(dialect.missing)) or "no"
    return column


def _proof(dialect: Dialect) -> str:
    if dialect.checksums:
        return "stored checksum, else MD5"
    return "MD5" if dialect.md5_etags else "MD5, once known"


def _encryptions(dialect: Dialect) -> list[str]:
    kinds = {"AES256": "SSE-S3", "aws:kms": "KMS", "customer": "SSE-C"}
    return [word for kind, word in kinds.items() if kind in dialect.encryptions]


PAGES: Mapping[str, Callable[[], str]] = {
    "azure.md": azure,
    "gcs.md": gcs,
    "http.md": http,
    "local.md": local,
    "s3.md": s3,
    "oss.md": oss,
    "swift.md": swift,
}


def written(name: str) -> str:
    """The page called ``name`` with its table as it should be.

    Raises:
        ValueError: if the page has no place for it.
    """
    page = (HERE / name).read_text()
    start, stop = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n{PAGES[name]()}\n{page[stop:]}"


if __name__ == "__main__":
    for page in PAGES:
        (HERE / page).write_text(written(page))
