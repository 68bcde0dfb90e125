"""Writes the table of what each S3 can do into ``s3.md``, from what the code says: ``python docs/capabilities.py``."""

from __future__ import annotations

from pathlib import Path

from aiostore.capabilities import Capabilities, Guarantee
from aiostore.drivers.s3_dialect import DIALECTS, Dialect
from aiostore.drivers.s3_settings import make_driver

PAGE = Path(__file__).with_name("s3.md")
BEGIN, END = "<!-- capabilities: written by docs/capabilities.py -->\n", "<!-- end of capabilities -->\n"

_WORDS = {Guarantee.NONE: "no", Guarantee.BEST_EFFORT: "best effort", Guarantee.ATOMIC: "atomic"}
_WRITES = ("put", "complete", "copy", "delete")


def table() -> str:
    """The table in Markdown: a column for each dialect, the nameless last."""
    dialects = [dialect for name, dialect in DIALECTS.items() if name] + [DIALECTS[""]]
    columns = [_column(dialect, _capabilities(dialect)) for dialect in dialects]
    names = [f"`{dialect.name}`" if dialect.name else "any other" for dialect in dialects]
    lines = [["", *names], ["---"] * (len(names) + 1)]
    lines += [[row, *(column[row] for column in columns)] for row in columns[0]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _capabilities(dialect: Dialect) -> Capabilities:
    driver = make_driver(
        "bucket", endpoint="https://s3.example.com", region="us-east-1", dialect=dialect.name, skip_signature=True
    )
    return driver.capabilities


def _column(dialect: Dialect, can: Capabilities) -> dict[str, str]:
    column: dict[str, str] = {}
    for name in _WRITES:
        conditions = getattr(can, name)
        if name != "delete":
            column[f"`{name}`: create-only"] = _WORDS[conditions.if_absent]
        column[f"`{name}`: if-match"] = _WORDS[conditions.if_match]
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


def written(page: str) -> str:
    """``page`` with the table as it should be.

    Raises:
        ValueError: if the page has no place for it.
    """
    start, stop = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n{table()}\n{page[stop:]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
