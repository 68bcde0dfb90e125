"""The table of what each S3 can do is what the code says."""

from __future__ import annotations

from docs import capabilities


def test_the_table_is_what_the_code_says() -> None:
    page = capabilities.PAGE.read_text()
    assert capabilities.written(page) == page, "run python docs/capabilities.py"
