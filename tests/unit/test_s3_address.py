from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore.drivers.s3_address import Endpoint, locate
from aiostore.errors import ConfigurationError, NotSupportedError

ACCESS_POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint/reports"
OUTPOST = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/reports"
OBJECT_LAMBDA = "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/redact"


def object_url(bucket: str, endpoint: Endpoint, region: str = "eu-west-1") -> str:
    address = locate(bucket, endpoint, region)
    return f"{address.base}{address.root}KEY"


@pytest.mark.parametrize(
    ("endpoint", "region", "url"),
    [
        (Endpoint(), "eu-west-1", "https://bucket.s3.eu-west-1.amazonaws.com/KEY"),
        (Endpoint(), "us-east-1", "https://bucket.s3.us-east-1.amazonaws.com/KEY"),
        (Endpoint(), "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/KEY"),
        (Endpoint(), "us-iso-east-1", "https://bucket.s3.us-iso-east-1.c2s.ic.gov/KEY"),
        (Endpoint(), "us-gov-west-1", "https://bucket.s3.us-gov-west-1.amazonaws.com/KEY"),
        (Endpoint(dualstack=True), "eu-west-1", "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/KEY"),
        (Endpoint(fips=True), "us-east-2", "https://bucket.s3-fips.us-east-2.amazonaws.com/KEY"),
        (
            Endpoint(fips=True, dualstack=True),
            "us-east-2",
            "https://bucket.s3-fips.dualstack.us-east-2.amazonaws.com/KEY",
        ),
        (Endpoint(accelerate=True), "eu-west-1", "https://bucket.s3-accelerate.amazonaws.com/KEY"),
        (
            Endpoint(accelerate=True, dualstack=True),
            "eu-west-1",
            "https://bucket.s3-accelerate.dualstack.amazonaws.com/KEY",
        ),
        (Endpoint(virtual_hosted=False), "eu-west-1", "https://s3.eu-west-1.amazonaws.com/bucket/KEY"),
        (
            Endpoint(url="https://s3.eu-west-1.amazonaws.com"),
            "eu-west-1",
            "https://bucket.s3.eu-west-1.amazonaws.com/KEY",
        ),
        (Endpoint(url="http://127.0.0.1:9000"), "x", "http://127.0.0.1:9000/bucket/KEY"),
        (Endpoint(url="http://127.0.0.1:9000/"), "x", "http://127.0.0.1:9000/bucket/KEY"),
        (Endpoint(url="https://s3.example.com:443"), "x", "https://s3.example.com/bucket/KEY"),
        (Endpoint(url="http://s3.example.com:80"), "x", "http://s3.example.com/bucket/KEY"),
        (Endpoint(url="https://s3.example.com:80"), "x", "https://s3.example.com:80/bucket/KEY"),
        (Endpoint(url="https://s3.example.com/base/"), "x", "https://s3.example.com/base/bucket/KEY"),
        (Endpoint(url="https://S3.Example.com"), "x", "https://s3.example.com/bucket/KEY"),
        (Endpoint(url="http://[::1]:9000"), "x", "http://[::1]:9000/bucket/KEY"),
        (Endpoint(url="http://localhost:80", virtual_hosted=True), "x", "http://bucket.localhost/KEY"),
        (Endpoint(url="http://localhost:81/base", virtual_hosted=True), "x", "http://bucket.localhost:81/base/KEY"),
    ],
)
def test_where_an_object_is(endpoint: Endpoint, region: str, url: str) -> None:
    assert object_url("bucket", endpoint, region) == url


@pytest.mark.parametrize("bucket", ["with.dots", "Upper", "under_score", "a..b", "ab", "-dash"])
def test_a_bucket_that_cannot_be_a_host_of_aws_goes_into_the_path(bucket: str) -> None:
    assert object_url(bucket, Endpoint()) == f"https://s3.eu-west-1.amazonaws.com/{bucket}/KEY"


def test_a_bucket_with_dots_may_be_a_host_if_asked_for() -> None:
    endpoint = Endpoint(virtual_hosted=True)
    assert object_url("with.dots", endpoint) == "https://with.dots.s3.eu-west-1.amazonaws.com/KEY"


@pytest.mark.parametrize("bucket", ["", ".", "..", "a/b", "/", "arn:aws:s3:::bucket", "arn:nonsense"])
def test_what_is_no_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(ConfigurationError):
        locate(bucket, Endpoint(), "eu-west-1")


def test_a_bucket_that_no_host_can_be_named_after_is_refused_as_one() -> None:
    with pytest.raises(ConfigurationError, match="virtual_hosted=False"):
        locate("under_score", Endpoint(virtual_hosted=True), "eu-west-1")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9000",
        "127.0.0.1:9000",
        "s3.example.com",
        "ftp://s3.example.com",
        "http://",
        "",
        "http://host:port",
        "http://host?x=y",
        "http://host#fragment",
        "http://user:pa55word@host",
    ],
)
def test_what_is_no_endpoint_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Endpoint(url=url)
    assert "pa55word" not in str(raised.value)


@pytest.mark.parametrize("region", ["", "eu west", "eu/west", "a.b", "x" * 64, "eu-west-1\r\n"])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(ConfigurationError, match="region"):
        locate("bucket", Endpoint(), region)


def test_directory_buckets_are_refused_by_name() -> None:
    with pytest.raises(NotSupportedError, match="Express"):
        locate("bucket--usw2-az1--x-s3", Endpoint(), "us-west-2")


def test_no_endpoint_is_both_fips_and_accelerated() -> None:
    with pytest.raises(ConfigurationError, match="FIPS"):
        Endpoint(fips=True, accelerate=True)


@pytest.mark.parametrize(
    ("arn", "endpoint", "url", "service"),
    [
        (ACCESS_POINT, Endpoint(), "https://reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com/KEY", "s3"),
        (
            ACCESS_POINT.replace("/reports", ":reports"),
            Endpoint(),
            "https://reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com/KEY",
            "s3",
        ),
        (
            ACCESS_POINT,
            Endpoint(dualstack=True),
            "https://reports-123456789012.s3-accesspoint.dualstack.us-west-2.amazonaws.com/KEY",
            "s3",
        ),
        (
            ACCESS_POINT,
            Endpoint(fips=True),
            "https://reports-123456789012.s3-accesspoint-fips.us-west-2.amazonaws.com/KEY",
            "s3",
        ),
        (
            ACCESS_POINT,
            Endpoint(url="https://accesspoint.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com"),
            "https://reports-123456789012.accesspoint.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com/KEY",
            "s3",
        ),
        (
            OUTPOST,
            Endpoint(),
            "https://reports-123456789012.op-01ac5d28a6a232904.s3-outposts.us-west-2.amazonaws.com/KEY",
            "s3-outposts",
        ),
        (
            OBJECT_LAMBDA,
            Endpoint(),
            "https://redact-123456789012.s3-object-lambda.us-west-2.amazonaws.com/KEY",
            "s3-object-lambda",
        ),
    ],
)
def test_an_access_point_is_asked_in_its_own_region(arn: str, endpoint: Endpoint, url: str, service: str) -> None:
    address = locate(arn, endpoint, "eu-west-1")
    assert f"{address.base}{address.root}KEY" == url
    assert (address.region, address.service) == ("us-west-2", service)


def test_a_copy_names_its_source_by_bucket_or_access_point() -> None:
    assert locate("bucket", Endpoint(), "eu-west-1").source == "bucket/"
    assert locate("bucket", Endpoint(url="http://host/base"), "eu-west-1").source == "bucket/"
    assert locate(ACCESS_POINT, Endpoint(), "x").source == f"{ACCESS_POINT.replace(':', '%3A')}/object/"


def test_a_multi_region_access_point_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="SigV4A"):
        locate("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", Endpoint(), "us-west-2")


@given(st.text(alphabet=st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_a_bucket_name_never_leaves_its_place_in_the_url(bucket: str) -> None:
    try:
        address = locate(bucket, Endpoint(url="http://127.0.0.1:9000"), "us-east-1")
    except (ConfigurationError, NotSupportedError):
        return
    assert address.base == "http://127.0.0.1:9000"
    assert address.root.count("/") == 2
    assert not set(address.root) & set("?#\r\n @\\")
