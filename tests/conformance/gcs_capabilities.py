"""What Google Cloud Storage can do, as a literal."""

from __future__ import annotations

from aiostore import Capabilities, Conditions, Guarantee
from aiostore.capabilities import PartLimits

MIB = 1024**2

ATOMIC = Conditions(if_absent=Guarantee.ATOMIC, if_match=Guarantee.ATOMIC)

CAPABILITIES = Capabilities(
    operations=frozenset(
        {
            *("head", "get", "put", "delete", "delete_many", "list_page", "copy", "append", "sign", "sign_post"),
            *("create_multipart", "put_part", "list_parts", "complete_multipart", "abort_multipart", "list_multipart"),
            *("set_metadata", "get_tags", "set_tags", "list_versions", "restore"),
            *("sibling", "create_container", "delete_container", "list_containers"),
        }
    ),
    put=ATOMIC,
    complete=ATOMIC,
    copy=ATOMIC,
    delete=Conditions(if_match=Guarantee.ATOMIC),
    multipart=PartLimits(min_size=5 * MIB, max_size=5 * 1024 * MIB, max_count=10_000),
    max_put=5 * 1024**4,
    max_copy=5 * 1024**4,
    delete_batch=100,
    checksums=("crc32c", "md5"),
)
