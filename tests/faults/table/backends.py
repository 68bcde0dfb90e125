"""The backends of the table: one line for each."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.table.azure import AZURITE
from tests.faults.table.backend import Backend
from tests.faults.table.gcs import STRICT_GCS
from tests.faults.table.http import APACHE
from tests.faults.table.oss import OSS_SERVER
from tests.faults.table.s3 import CEPH, LOCALSTACK
from tests.faults.table.swift import SWIFT

BACKENDS: Mapping[str, Backend] = {
    backend.name: backend for backend in (AZURITE, CEPH, LOCALSTACK, STRICT_GCS, APACHE, SWIFT, OSS_SERVER)
}

MODELS = ("memory", "local")
"""Drivers without a network, over which a faulty driver stands in for the proxy."""
