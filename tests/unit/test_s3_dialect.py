from __future__ import annotations

import pytest

from aiostore.capabilities import Guarantee
from aiostore.drivers.s3_address import Endpoint
from aiostore.drivers.s3_dialect import DIALECTS, choose
from aiostore.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, "aws"),
        ("https://s3.amazonaws.com", "aws"),
        ("https://s3.eu-west-1.amazonaws.com", "aws"),
        ("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", "aws"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "aws"),
        ("https://0123.r2.cloudflarestorage.com", "r2"),
        ("https://0123.eu.r2.cloudflarestorage.com", "r2"),
        ("https://storage.googleapis.com", "gcs-xml"),
        ("http://127.0.0.1:9000", ""),
        ("https://s3.example.com", ""),
        ("https://amazonaws.com.example.com", ""),
        ("https://notamazonaws.com", ""),
        ("https://storage.googleapis.com.example.com", ""),
    ],
)
def test_the_host_says_which_s3_it_is(url: str | None, name: str) -> None:
    assert choose(None, Endpoint(url=url)).name == name


def test_a_named_dialect_wins_over_the_host() -> None:
    assert choose("minio", Endpoint()).name == "minio"
    assert choose("", Endpoint()).name == ""


def test_an_unknown_dialect_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="'aws', 'r2', 'minio', 'ceph', 'gcs-xml', 'swift', 'localstack'"):
        choose("seph", Endpoint())


def test_nothing_is_promised_of_an_unknown_service() -> None:
    unknown = DIALECTS[""]
    for conditions in (unknown.put, unknown.complete, unknown.copy, unknown.delete):
        assert conditions.if_absent < Guarantee.ATOMIC
        assert conditions.if_match < Guarantee.ATOMIC
    assert unknown.upload_checksums == ()
    assert not unknown.md5_etags
