"""What every test gets: real servers by name, and a check that nothing is left behind."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ("tests.servers.fixtures", "tests.leaks", "pytester")

# How long an example takes says more about the machine than about the code.
settings.register_profile("aiostore", deadline=None, print_blob=True)
settings.load_profile("aiostore")
