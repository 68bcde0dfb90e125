"""Temporary URLs: what is signed, and what cannot be."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiostore import ConfigurationError, NotSupportedError
from aiostore.drivers.sigv4 import encode_path
from aiostore.drivers.swift_tempurl import temp_url


def test_the_example_of_the_documents_comes_out() -> None:
    # https://docs.openstack.org/swift/latest/api/temporary_url_middleware.html, computed as its program does it.
    path = "/v1/my_account/container/object"
    expected = hmac.new(b"mykey", f"GET\n1440619048\n{path}".encode(), hashlib.sha256).hexdigest()
    url = temp_url("GET", "", f"https://swift.example{path}", {}, "mykey", "sha256", 48, 1440619000)
    assert url == f"https://swift.example{path}?temp_url_expires=1440619048&temp_url_sig={expected}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_path_is_signed_as_the_service_decodes_it(key: str) -> None:
    url = temp_url("PUT", "", f"https://h/v1/a/c/{encode_path(key)}", {"filename": "a b"}, "key", "sha1", 10, 0)
    signature = hmac.new(b"key", f"PUT\n10\n/v1/a/c/{key}".encode(), hashlib.sha1).hexdigest()
    assert f"temp_url_sig={signature}" in url
    assert "filename=a%20b" in url


@pytest.mark.parametrize("seconds", [0, -1, 10**9, float("nan"), float("inf")])
def test_a_lifetime_that_is_a_slip_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="expires_in"):
        temp_url("GET", "", "https://h/v1/a/c/o", {}, "key", "sha256", seconds, 0)


def test_a_method_that_has_no_urls_is_refused() -> None:
    with pytest.raises(NotSupportedError):
        temp_url("COPY", "", "https://h/v1/a/c/o", {}, "key", "sha256", 10, 0)
