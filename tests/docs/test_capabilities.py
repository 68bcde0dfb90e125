"""The tables of what each service can do are what the code says."""

from __future__ import annotations

import pytest

from docs import capabilities


@pytest.mark.parametrize("page", sorted(capabilities.PAGES))
def test_the_table_is_what_the_code_says(page: str) -> None:
    assert capabilities.written(page) == (capabilities.HERE / page).read_text(), "run python docs/capabilities.py"
