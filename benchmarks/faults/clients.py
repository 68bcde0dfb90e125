"""The clients that are compared."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.faults.calls import Aiostore, Client, Obstore, Opendal
from benchmarks.faults.calls_of_botocore import Aiobotocore, Boto3, S3fs

CLIENTS: Sequence[type[Client]] = (Aiostore, Obstore, Opendal, S3fs, Boto3, Aiobotocore)

IN_RANGES = frozenset({"get_ranges", "get_ranges, integrity='require'", "cat_ranges", "several get_object"})
"""The calls that return RANGES instead of the whole object."""

SEVERAL = {
    "aiostore": "get",
    "obstore": "get_ranges",
    "opendal": "read in chunks",
    "s3fs": "cat_ranges",
    "boto3": "download_fileobj",
    "aiobotocore": "several get_object",
}
"""The call by which each client reads an object by several requests at once."""
