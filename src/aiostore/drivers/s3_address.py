"""Where the requests of one bucket go: endpoint, region, path or virtual-host addressing, access points.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from aiostore.drivers.sigv4 import encode_path
from aiostore.errors import ConfigurationError, NotSupportedError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_SUFFIXES: Final = (
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)
"""The domains of AWS's partitions by the beginning of the region; everything else is ``amazonaws.com``."""

_AWS_HOST: Final = re.compile(r"(^|\.)amazonaws\.(com|com\.cn|eu)$|\.(c2s\.ic|sc2s\.sgov|csp\.hci\.ic)\.gov$")
_HOST_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
_ARN: Final = re.compile(
    r"arn:(?P<partition>[a-z-]+):(?P<service>s3|s3-object-lambda|s3-outposts):(?P<region>[a-z0-9-]*):(?P<account>\d{12}):"
    r"(outpost[/:](?P<outpost>[A-Za-z0-9-]+)[/:])?accesspoint[/:](?P<name>[A-Za-z0-9.-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The service that the requests go to.

    ``url`` of None is AWS's own endpoint of the region. ``virtual_hosted`` of None decides by endpoint and bucket name.
    ``dualstack``, ``fips`` and ``accelerate`` choose among AWS's own endpoints.
    """

    url: str | None = None
    virtual_hosted: bool | None = None
    dualstack: bool = False
    fips: bool = False
    accelerate: bool = False

    def __post_init__(self) -> None:
        if self.url is not None:
            _split(self.url)
        elif self.fips and self.accelerate:
            raise ConfigurationError("S3 has no endpoint that is both FIPS and accelerated; choose one")

    @property
    def is_aws(self) -> bool:
        """Whether it is one of AWS's own hosts, so that the region is part of the host name."""
        return self.url is None or _AWS_HOST.search(self.host) is not None

    @property
    def host(self) -> str:
        """The host name of ``url``, without its port; empty for AWS's own endpoints."""
        return "" if self.url is None else urlsplit(self.url).hostname or ""


class Address(NamedTuple):
    """One bucket in one region. Paths are percent-encoded; ``base`` + path is the URL, ``root`` + key an object's path.

    ``host`` is what the Host header says. ``path`` is the bucket's own, ``source`` what ``x-amz-copy-source`` starts
    with, ``region`` and ``service`` are those of the signature.
    """

    base: str
    host: str
    root: str
    path: str
    source: str
    region: str
    service: str = "s3"


class _AccessPoint(NamedTuple):
    service: str
    region: str
    label: str
    outpost: str


def locate(bucket: str | None, endpoint: Endpoint, region: str) -> Address:
    """Return the address of ``bucket``, which may be an access point's ARN; of None it is that of the account.

    Raises:
        ConfigurationError: if the bucket's name, ARN or the region cannot be part of a URL.
        NotSupportedError: if it is a directory bucket (S3 Express) or a multi-Region access point.
    """
    if _REGION.fullmatch(region) is None:
        raise ConfigurationError(f"{region!r} is not a region; give a name such as 'eu-west-1'")
    if bucket is None:
        scheme, host, path = _service(endpoint, region)
        return Address(f"{scheme}://{host}", host, path, path, "", region)
    if bucket.startswith("arn:"):
        return _locate_access_point(bucket, endpoint)
    if not bucket or "/" in bucket or bucket in {".", ".."}:
        raise ConfigurationError(
            f"{bucket!r} is not a bucket name; give the name alone, prefixes have their own option"
        )
    if bucket.endswith("--x-s3") and endpoint.is_aws:
        raise NotSupportedError(
            f"{bucket!r} is a directory bucket (S3 Express One Zone), whose sessions are not supported; use a general "
            "purpose bucket"
        )
    if endpoint.accelerate and endpoint.url is None:
        return _locate_accelerated(bucket, endpoint, region)
    scheme, host, path = _service(endpoint, region)
    encoded = encode_path(bucket)
    source = f"{encoded}/"
    if _is_virtual_hosted(bucket, endpoint, scheme):
        host = f"{bucket}.{host}"
        return Address(f"{scheme}://{host}", host, path, path, source, region)
    path = f"{path}{encoded}"
    return Address(f"{scheme}://{host}", host, f"{path}/", path, source, region)


def _is_virtual_hosted(bucket: str, endpoint: Endpoint, scheme: str) -> bool:
    possible = _HOST_NAME.fullmatch(bucket) is not None and ".." not in bucket
    if endpoint.virtual_hosted is None:
        # AWS's certificates are for one label: https://bucket.with.dots.s3… would not pass the check.
        return endpoint.is_aws and possible and ("." not in bucket or scheme == "http")
    if endpoint.virtual_hosted and not possible:
        raise ConfigurationError(
            f"{bucket!r} cannot be part of a host name; use virtual_hosted=False, which puts the bucket into the path"
        )
    return endpoint.virtual_hosted


def _locate_accelerated(bucket: str, endpoint: Endpoint, region: str) -> Address:
    if _HOST_NAME.fullmatch(bucket) is None or "." in bucket:
        raise ConfigurationError(f"{bucket!r}: accelerated buckets have DNS-compatible names without dots")
    host = f"{bucket}.s3-accelerate{'.dualstack' if endpoint.dualstack else ''}.amazonaws.com"
    return Address(f"https://{host}", host, "/", "/", f"{bucket}/", region)


def _locate_access_point(arn: str, endpoint: Endpoint) -> Address:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html"""
    point = _parse_arn(arn)
    if endpoint.url is None:
        part = "s3-accesspoint" if point.service == "s3" else point.service
        if endpoint.fips:
            part += "-fips"
        if endpoint.dualstack and point.service == "s3":
            part += ".dualstack"
        scheme, path = "https", "/"
        host = f"{point.label}.{point.outpost}{part}.{point.region}.{_suffix(point.region)}"
    else:
        scheme, host, path = _split(endpoint.url)
        host = f"{point.label}.{point.outpost}{host}"
    source = encode_path(arn if point.outpost else arn.replace("accesspoint:", "accesspoint/")) + "/object/"
    return Address(f"{scheme}://{host}", host, path, path, source, point.region, point.service)


def _parse_arn(arn: str) -> _AccessPoint:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ConfigurationError(
            f"{arn!r} is not the ARN of an access point; it looks like arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"
        )
    service, region, outpost = match["service"], match["region"], match["outpost"]
    if not region:
        raise NotSupportedError(
            f"{arn!r} is a multi-Region access point, whose signatures (SigV4A) are not supported; use the access "
            "point or bucket of one region"
        )
    if (outpost is not None) != (service == "s3-outposts"):
        raise ConfigurationError(f"{arn!r}: only s3-outposts has outposts, and it always names one")
    return _AccessPoint(service, region, f"{match['name']}-{match['account']}", f"{outpost}." if outpost else "")


def _service(endpoint: Endpoint, region: str) -> tuple[str, str, str]:
    if endpoint.url is not None:
        return _split(endpoint.url)
    part = "s3-fips" if endpoint.fips else "s3"
    if endpoint.dualstack:
        part += ".dualstack"
    return "https", f"{part}.{region}.{_suffix(region)}", "/"


def _suffix(region: str) -> str:
    return next((suffix for start, suffix in _SUFFIXES if region.startswith(start)), "amazonaws.com")


def _split(url: str) -> tuple[str, str, str]:
    """Return the scheme, the host as the Host header says it, and the path, which ends with a slash."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"the endpoint {_shown(url)!r} is not a URL; check its host and port") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(
            f"the endpoint {_shown(url)!r} is not a URL; it looks like 'https://s3.example.com' or "
            "'http://127.0.0.1:9000'"
        )
    if "@" in parts.netloc:
        raise ConfigurationError("the endpoint holds credentials; give them as access_key_id and secret_access_key")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"the endpoint {_shown(url)!r} cannot have a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return parts.scheme, host, f"{encode_path(parts.path).rstrip('/')}/"


def _shown(url: str) -> str:
    """The URL without what may be secret: its user and its query."""
    return re.sub(r"//.*@", "//***@", re.sub(r"[?#].*", "", url, flags=re.DOTALL), flags=re.DOTALL)
