"""Finding a server for a test run: one that is shared through the environment, or a new one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypeVar, cast

from tests.servers.install import may_install_packages
from tests.servers.server import Endpoint, Server

E = TypeVar("E", bound=Endpoint)


def required() -> bool:
    """Whether a missing server is a failure: in continuous integration, and wherever it could have been installed."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false") or may_install_packages()


def variable(kind: type[Server[Endpoint]]) -> str:
    """The environment variable that names a running server: an endpoint as JSON, or the path of a file holding it."""
    return f"AIOSTORE_TEST_{kind.name.upper()}"


def shared(kind: type[Server[E]]) -> E | None:
    """The server that somebody else runs for us."""
    value = os.environ.get(variable(kind), "").strip()
    if not value:
        return None
    fields = json.loads(value if value.startswith("{") else Path(value).read_text())
    return cast("E", kind.endpoint_type(**fields))
