"""What a store on Swift has, and the limits that its tests are run with."""

from __future__ import annotations

from aiostore import Limits
from aiostore.capabilities import PartLimits

LIMITS = Limits(part_size=1024**2)

PARTS = PartLimits(min_size=1, max_size=5 * 1024**3, max_count=1000)

OPERATIONS = frozenset(
    {
        *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "sign", "sign_post", "set_metadata"),
        *("create_multipart", "put_part", "copy_part", "list_parts", "complete_multipart", "abort_multipart"),
        *("list_multipart", "list_ranges", "list_versions", "restore"),
        *("sibling", "create_container", "delete_container", "list_containers"),
    }
)
"""What Swift has."""
