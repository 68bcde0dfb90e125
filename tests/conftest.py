"""What every test gets: real servers by name, and a check that nothing is left behind."""

from __future__ import annotations

pytest_plugins = ("tests.servers.fixtures", "tests.leaks")
