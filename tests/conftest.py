"""What every test gets: real servers by name, and a check that nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = ("tests.servers.fixtures", "tests.leaks", "pytester")

# How long an example takes says more about the machine than about the code.
settings.register_profile("aiostore", deadline=None, print_blob=True)
settings.load_profile("aiostore")


@pytest.fixture(scope="session", autouse=True)
def _state_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test goes on with, or leaves, what belongs to the user."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before
