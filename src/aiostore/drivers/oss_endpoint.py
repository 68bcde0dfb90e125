"""Where OSS is asked: endpoints, and what region they are of.

https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiostore.errors import ConfigurationError

_REGION: Final = re.compile(r"[a-z]{2}-[a-z0-9-]+")
_HOST: Final = re.compile(r"oss-([a-z]{2}-[a-z0-9-]+?)(-internal)?\.aliyuncs\.com(?:\.cn)?")
_ACCELERATE: Final = "https://oss-accelerate.aliyuncs.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go: ``scheme://host``, and whether the bucket is part of the host, of the path, or neither."""

    scheme: str
    host: str
    style: str

    def base(self, bucket: str) -> str:
        """The URL of a bucket, or of the account if it is empty; it ends with a slash."""
        if not bucket or self.style == "cname":
            return f"{self.scheme}://{self.host}/"
        if self.style == "virtual":
            return f"{self.scheme}://{bucket}.{self.host}/"
        return f"{self.scheme}://{self.host}/{bucket}/"

    def within(self, region: str) -> Endpoint | None:
        """The endpoint of the same kind in ``region``; None if that is internal, and cannot be reached from here.

        A host that is not one region's alone, or not Alibaba Cloud's, stays.
        """
        found = _HOST.fullmatch(self.host)
        if found is None or found[1] == region:
            return self
        return None if found[2] else replace(self, host=f"oss-{region}.aliyuncs.com")


def region_of(host: str) -> str | None:
    """The region that a host of Alibaba Cloud's is in; None if it is no such host, or of no one region."""
    found = _HOST.fullmatch(host)
    return None if found is None else found[1]


def public_endpoint(region: str | None, *, internal: bool, accelerate: bool) -> str:
    """Return the URL of a region's endpoint, for everybody or within Alibaba Cloud, or of transfer acceleration.

    Raises:
        ConfigurationError: if that is none.
    """
    if internal and accelerate:
        raise ConfigurationError("choose one of internal and accelerate")
    if accelerate:
        return _ACCELERATE
    if region is None:
        raise ConfigurationError("give region or endpoint, or set OSS_REGION or OSS_ENDPOINT")
    if _REGION.fullmatch(region) is None:
        raise ConfigurationError(f"{region!r} is no region of OSS, such as 'cn-hangzhou'")
    return f"https://oss-{region}{'-internal' if internal else ''}.aliyuncs.com"


def parse_endpoint(url: str, *, virtual_hosted: bool | None, cname: bool) -> Endpoint:
    """Return what a URL, or a host alone, means as an endpoint.

    Raises:
        ConfigurationError: if it is none, or does not fit to the options.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError(
            "endpoint is a URL of scheme, host and port, such as https://oss-cn-hangzhou.aliyuncs.com"
        )
    if parts.username is not None:
        raise ConfigurationError("endpoint holds credentials; give access_key_id and access_key_secret instead")
    if cname:
        if virtual_hosted is False:
            raise ConfigurationError("a cname names the bucket; leave virtual_hosted out")
        return Endpoint(scheme=parts.scheme, host=parts.netloc, style="cname")
    if virtual_hosted is None:
        virtual_hosted = not _is_address(parts.hostname)
    return Endpoint(scheme=parts.scheme, host=parts.netloc, style="virtual" if virtual_hosted else "path")


def _is_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
