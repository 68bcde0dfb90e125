"""Credentials in a directory of files. What a store signs with is seen in its signed URLs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import aiostore
from aiostore.secrets import find
from aiostore.services.s3 import SCHEME


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "home/.aiostore/secrets"
    directory.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("AIOSTORE_SECRETS", "AWS_SESSION_TOKEN", "AIOSTORE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment")
    return directory


def write(path: Path, access_key_id: str, **more: str) -> None:
    path.write_text(json.dumps({"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": "secret", **more}))


async def signer(url: str, secrets: Path | Mapping[str, object] | None = None) -> str:
    """The access key that a store signs with."""
    url = await aiostore.connect(url, secrets=secrets, region="eu-west-1").sign("key")
    return url.partition("X-Amz-Credential=")[2].partition("%2F")[0]


async def test_the_file_of_the_bucket_comes_before_that_of_the_service(directory: Path) -> None:
    assert await signer("s3://bucket") == "environment"
    write(directory / "aws-secret.json", "service")
    assert await signer("s3://bucket") == "service"
    write(directory / "bucket-aws-secret.json", "bucket")
    assert await signer("s3://bucket") == "bucket"
    assert await signer("s3://other") == "service"


async def test_an_alias_has_files_of_its_own(directory: Path) -> None:
    config = directory.parent.parent / ".config/aiostore/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[matrix]\nurl = "s3://"\nendpoint = "https://storage.example"\n')
    write(directory / "aws-secret.json", "service")
    assert await signer("matrix://bucket") == "service"
    write(directory / "matrix-secret.json", "alias")
    assert await signer("matrix://bucket") == "alias"
    write(directory / "bucket-matrix-secret.json", "bucket of the alias")
    assert await signer("matrix://bucket") == "bucket%20of%20the%20alias"
    assert await signer("s3://bucket") == "service"


async def test_credentials_of_the_call_leave_the_files_alone(directory: Path) -> None:
    write(directory / "aws-secret.json", "service", AWS_SESSION_TOKEN="never mixed")
    for url in ("s3://literal:secret@bucket", "s3://bucket?access_key_id=literal&secret_access_key=secret"):
        assert await signer(url) == "literal"
        assert "Security-Token" not in await aiostore.connect(url, region="x").sign("key")
    anonymous = aiostore.connect("s3://bucket", skip_signature=True, region="x")
    with pytest.raises(aiostore.StoreError):
        await anonymous.sign("key")


async def test_another_directory_and_a_mapping_can_be_given(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory / "aws-secret.json", "home")
    write(tmp_path / "aws-secret.json", "other")
    assert await signer("s3://bucket", secrets=tmp_path) == "other"
    assert await signer("s3://bucket", secrets={"AWS_ACCESS_KEY_ID": "m", "AWS_SECRET_ACCESS_KEY": "s"}) == "m"
    assert await signer("s3://bucket", secrets={"access_key_id": "o", "secret_access_key": "s"}) == "o"
    monkeypatch.setenv("AIOSTORE_SECRETS", str(tmp_path))
    assert await signer("s3://bucket") == "other"


async def test_a_file_may_name_region_and_endpoint(directory: Path) -> None:
    write(directory / "aws-secret.json", "a", AWS_DEFAULT_REGION="from-file", AWS_ENDPOINT_URL="https://from.example")
    url = await aiostore.connect("s3://bucket").sign("key")
    assert "from-file" in url
    assert url.startswith("https://from.example/")
    assert "from-query" in await aiostore.connect("s3://bucket?region=from-query").sign("key")


def test_no_bucket_names_a_file_elsewhere(directory: Path) -> None:
    write(directory.parent / "x-aws-secret.json", "outside")
    write(directory / "x-aws-secret.json", "inside")
    assert find(SCHEME, "x")["access_key_id"] == "inside"
    for bucket in ("../x", "./x", "..", "", "a/../x", "x\0"):
        assert find(SCHEME, bucket) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "are not JSON"), ("[]", "are not a JSON object"), ("{}", "nothing that is known"), ('{"a": 1}', "AWS_ACC")],
)
def test_a_file_that_cannot_be_used_says_why(directory: Path, text: str, reason: str) -> None:
    (directory / "aws-secret.json").write_text(text)
    with pytest.raises(aiostore.ConfigurationError, match=reason):
        aiostore.connect("s3://bucket")


def test_a_directory_that_is_none_says_so(directory: Path) -> None:
    with pytest.raises(aiostore.ConfigurationError, match="is not a directory"):
        aiostore.connect("s3://bucket", secrets=directory / "nothing")
    with pytest.raises(aiostore.ConfigurationError, match="not int"):
        aiostore.connect("s3://bucket", secrets=5)  # type: ignore[arg-type]  # the point
