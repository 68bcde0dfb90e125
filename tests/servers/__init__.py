"""Real servers for tests, benchmarks and developers, each on loopback and in a directory of its own.

``python -m tests.servers ceph`` starts one by hand; see ``python -m tests.servers --help``.
"""

from __future__ import annotations

from tests.servers.ceph import Ceph
from tests.servers.server import Endpoint, Server

SERVERS: tuple[type[Server[Endpoint]], ...] = (Ceph,)
