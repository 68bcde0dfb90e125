"""Real servers for tests, benchmarks and developers, each on loopback and in a directory of its own.

``python -m tests.servers ceph`` starts one by hand; see ``python -m tests.servers --help``.
"""

from __future__ import annotations

from tests.servers.apache import Apache
from tests.servers.azurite import Azurite
from tests.servers.ceph import Ceph
from tests.servers.fake_gcs import FakeGCS
from tests.servers.gcs import GCS
from tests.servers.keystone import Keystone
from tests.servers.localstack import LocalStack
from tests.servers.nginx import Nginx
from tests.servers.oss import OSS
from tests.servers.server import Endpoint, Server
from tests.servers.swift import Swift

SERVERS: tuple[type[Server[Endpoint]], ...] = (
    Ceph,
    LocalStack,
    Swift,
    Nginx,
    FakeGCS,
    Azurite,
    Apache,
    Keystone,
    GCS,
    OSS,
)
