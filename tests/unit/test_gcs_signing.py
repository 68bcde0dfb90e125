"""V4 signatures: Google's published vectors, and Google's own client as an oracle for whatever a key may be."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.cloud import storage
from google.cloud.storage import _signing
from google.oauth2 import service_account
from hypothesis import given, settings
from hypothesis import strategies as st

from aiostore.drivers.gcs_credentials import ServiceAccount
from aiostore.drivers.gcs_signing import PostCondition, policy, sign, unsigned_url
from aiostore.errors import ConfigurationError
from tests.servers.fake_gcs import NamedAccount

VECTORS = json.loads((Path(__file__).parent / "gcs_v4_signatures.json").read_text(encoding="utf-8"))


def _account() -> ServiceAccount:
    account = NamedAccount().account
    assert account is not None
    return account


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORIGIN = "https://storage.googleapis.com"
ACCOUNT = _account()
_make: Any = service_account.Credentials.from_service_account_info
ORACLE = _make(
    {"client_email": ACCOUNT.email, "private_key": ACCOUNT.private_key, "token_uri": "https://example.com/token"}
)


def verify_published(signature: str, signed: str) -> None:
    """Raise InvalidSignature if the signature is not the published account's, of these bytes."""
    key = rsa.RSAPublicNumbers(65537, int(VECTORS["modulus"], 16)).public_key()
    key.verify(bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["description"])
def test_a_published_signature_is_one_of_what_is_signed_here(vector: dict[str, Any]) -> None:
    unsigned = unsigned_url(
        vector["method"],
        vector.get("origin", ORIGIN),
        vector["path"],
        vector["query"],
        vector["headers"],
        VECTORS["email"],
        vector.get("expiration", VECTORS["expiration"]),
        datetime.fromisoformat(vector.get("timestamp", VECTORS["timestamp"])),
    )
    assert vector.keys() & {"digest", "signature"}
    if "digest" in vector:
        assert unsigned.to_sign.rpartition("\n")[2] == vector["digest"]
    if "signature" in vector:
        verify_published(vector["signature"], unsigned.to_sign)


@pytest.mark.parametrize("vector", VECTORS["forms"]["vectors"], ids=lambda vector: vector["description"])
def test_a_published_form_is_one_that_is_signed_here(vector: dict[str, Any]) -> None:
    _, document = policy(
        vector["bucket"],
        vector["object"],
        vector["conditions"],
        vector["fields"],
        VECTORS["email"],
        VECTORS["forms"]["expiration"],
        datetime.fromisoformat(VECTORS["forms"]["timestamp"]),
    )
    verify_published(vector["signature"], document)


@settings(max_examples=25)
@given(
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    value=st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_a_signed_url_is_the_one_that_google_makes(key: str, value: str) -> None:
    headers = {"Content-Type": "text/x", "x-goog-meta-name": "a b"}
    unsigned = unsigned_url(
        "PUT", ORIGIN, f"/bucket/{key}", {"response-content-disposition": value}, headers, ACCOUNT.email, 60, NOW
    )
    url = f"{unsigned.url}&X-Goog-Signature={sign(ACCOUNT.private_key, unsigned.to_sign.encode()).hex()}"
    assert url == _signing.generate_signed_url_v4(
        ORACLE,
        resource=f"/bucket/{quote(key, safe='/~')}",
        expiration=60,
        method="PUT",
        headers=headers,
        query_parameters={"response-content-disposition": value},
        _request_timestamp=NOW.strftime("%Y%m%dT%H%M%SZ"),
    ).replace("x-goog-signature", "X-Goog-Signature")


@pytest.mark.parametrize("key", ["a b/é", "uploads/plain"])
def test_a_policy_demands_what_google_s_does(key: str) -> None:
    fields = {"x-goog-meta-name": "é", "content-type": "text/x"}
    conditions: list[PostCondition] = [["content-length-range", 1, 10]]
    made, document = policy("bucket", key, conditions, fields, ACCOUNT.email, 60, NOW)
    client = storage.Client(project="p", credentials=ORACLE)
    stamps = (NOW.strftime("%Y%m%dT%H%M%SZ"), NOW.strftime("%Y%m%d"))
    where = "google.cloud.storage.client"
    with (
        mock.patch(f"{where}._NOW", return_value=NOW),
        mock.patch(f"{where}.get_v4_now_dtstamps", return_value=stamps),
    ):
        oracle = client.generate_signed_post_policy_v4(
            "bucket", key, expiration=timedelta(seconds=60), conditions=list(conditions), fields=fields
        )["fields"]
    theirs = json.loads(base64.b64decode(oracle["policy"]))
    ours = json.loads(base64.b64decode(document))
    assert ours["expiration"] == theirs["expiration"]
    assert sorted(map(str, ours["conditions"])) == sorted(map(str, theirs["conditions"]))
    named = ("key", "x-goog-date", "x-goog-credential", "x-goog-algorithm")
    assert {name: made[name] for name in named} == {name: oracle[name] for name in named}


def test_a_form_may_name_the_file_that_comes() -> None:
    _, document = policy("bucket", "up/${filename}", [], {}, ACCOUNT.email, 60, NOW)
    assert ["starts-with", "$key", "up/"] in json.loads(base64.b64decode(document))["conditions"]


@pytest.mark.parametrize("seconds", [0, -1, 0.5, 7 * 86400 + 1])
def test_a_lifetime_that_google_refuses_is_refused_here(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="7 days"):
        unsigned_url("GET", ORIGIN, "/b/k", {}, {}, "a@b", seconds, NOW)


def test_what_is_no_key_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="PEM") as caught:
        sign("hidden text that is no key", b"")
    assert "hidden" not in str(caught.value)
