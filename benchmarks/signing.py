"""What one signature costs: `python benchmarks/signing.py` prints microseconds, the median of the repeats.

Beside it stands the same request signed by botocore, where that is installed.
"""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable

from aiostore.drivers.sigv4 import (
    EMPTY_PAYLOAD,
    UNSIGNED_PAYLOAD,
    Credentials,
    Signer,
    encode_path,
    encode_query,
    presign,
)

HOST = "bucket.s3.eu-west-1.amazonaws.com"
KEY = "data/2026/01/part-00017-abcdef0123456789.parquet"
PATH = f"/{KEY}"
NOW = 1_767_225_600.25
LONG_TERM = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzE" * 40)
PUT_HEADERS = {"content-type": "application/octet-stream", "x-amz-checksum-crc64nvme": "rosUhgpHjZU="}
METADATA = {
    **PUT_HEADERS,
    "x-amz-meta-author": "Ada  Lovelace",
    "x-amz-meta-run": "17",
    "x-amz-storage-class": "STANDARD",
}


def microseconds(call: Callable[[], object], number: int = 20_000, repeats: int = 9) -> float:
    return statistics.median(timeit.repeat(call, number=number, repeat=repeats)) / number * 1e6


def ours() -> dict[str, Callable[[], object]]:
    signer, with_token, each_second = Signer("eu-west-1"), Signer("eu-west-1"), Signer("eu-west-1")
    clock = iter(range(1 << 40))
    return {
        "GET, no extra headers": lambda: signer.sign("GET", HOST, PATH, "", None, EMPTY_PAYLOAD, LONG_TERM, NOW),
        "GET, session token": lambda: with_token.sign("GET", HOST, PATH, "", None, EMPTY_PAYLOAD, TEMPORARY, NOW),
        "PUT, 2 extra headers": lambda: signer.sign(
            "PUT", HOST, PATH, "", PUT_HEADERS, UNSIGNED_PAYLOAD, LONG_TERM, NOW
        ),
        "PUT, 5 extra headers, one untidy": lambda: signer.sign(
            "PUT", HOST, PATH, "", METADATA, UNSIGNED_PAYLOAD, LONG_TERM, NOW
        ),
        "GET, first of its second": lambda: each_second.sign(
            "GET", HOST, PATH, "", None, EMPTY_PAYLOAD, LONG_TERM, NOW + next(clock) % 80_000
        ),
        "presigned GET": lambda: presign("GET", "https", HOST, PATH, "", None, LONG_TERM, "eu-west-1", 3600, NOW),
        "encode_path, plain": lambda: encode_path(KEY),
        "encode_path, unicode": lambda: encode_path("данные/отчёт 2026.csv"),
        "encode_query, 3 pairs": lambda: encode_query([("list-type", "2"), ("prefix", "data/"), ("max-keys", "1000")]),
    }


def botocores() -> Callable[[], object] | None:
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as BotocoreCredentials
    except ImportError:
        return None
    auth = S3SigV4Auth(BotocoreCredentials(LONG_TERM.access_key_id, LONG_TERM.secret_access_key), "s3", "eu-west-1")
    return lambda: auth.add_auth(AWSRequest("GET", f"https://{HOST}{PATH}"))


def main() -> None:
    for name, call in ours().items():
        print(f"{name:<36}{microseconds(call):8.2f} us")
    if peer := botocores():
        print(f"{'GET, botocore':<36}{microseconds(peer, number=1_000):8.2f} us")


if __name__ == "__main__":
    main()
