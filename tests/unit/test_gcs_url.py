"""URLs that are Google Cloud Storage's."""

from __future__ import annotations

import pytest

import aiostore
from aiostore import ConfigurationError, GCSStore


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket/some/prefix",
        "gcs://bucket/some/prefix/",
        "https://storage.googleapis.com/bucket/some/prefix",
        "https://storage.cloud.google.com/bucket/some/prefix",
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(url: str) -> None:
    store = aiostore.connect(f"{url}?skip_signature=true&user_project=payer")
    assert isinstance(store, GCSStore)
    assert store.location == "gs://bucket/some/prefix/"


@pytest.mark.parametrize("url", ["gs://", "https://storage.googleapis.com/"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="bucket"):
        aiostore.connect(url)
