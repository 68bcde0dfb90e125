"""Who may ask: tokens and who issues them, V4 signatures and policy documents.

https://developers.google.com/identity/protocols/oauth2/service-account,
https://docs.cloud.google.com/storage/docs/authentication/canonical-requests and
https://docs.cloud.google.com/storage/docs/authentication/signatures
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

import jwt
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.servers.gcs_server.call import Call
from tests.servers.gcs_server.refusal import Refusal

EMAIL = "tests@test-project.iam.gserviceaccount.com"
USER_REFRESH_TOKEN = "1//refresh-token-of-a-user"
SUBJECT_TOKEN = "subject-token-of-a-workload"
LIFETIME = 3600
GOOGLE = "https://oauth2.googleapis.com/token"
"""The audience of the assertions of Google's own client, wherever it sends them."""


class Accounts:
    """One service account, one user and one workload, and the tokens that were issued to them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.tokens: dict[str, float] = {}

    @property
    def info(self) -> dict[str, str]:
        """The service account's key file."""
        return {
            "type": "service_account",
            "project_id": "test-project",
            "private_key_id": "test-key",
            "private_key": self.pem,
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }

    def issue(self, seconds: int = LIFETIME) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self.tokens[token] = time.time() + seconds
        return {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}

    # --- those who issue tokens

    async def token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode()))
        kind = form.get("grant_type", "")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            claims = self._claims(form.get("assertion", ""), audience=[f"{self.url}/token", GOOGLE])
            if claims is None or not claims.get("scope") or claims["exp"] - claims["iat"] > 3600:
                return web.json_response({"error": "invalid_grant"}, status=400)
        elif kind == "refresh_token":
            if form.get("refresh_token") != USER_REFRESH_TOKEN or not form.get("client_secret"):
                return web.json_response({"error": "invalid_grant"}, status=400)
        elif kind == "urn:ietf:params:oauth:grant-type:token-exchange":
            if form.get("subject_token") != SUBJECT_TOKEN or not form.get("audience"):
                return web.json_response({"error": "invalid_grant"}, status=400)
        else:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        return web.json_response(self.issue())

    async def metadata(self, request: web.Request) -> web.Response:
        """https://docs.cloud.google.com/compute/docs/metadata/overview"""
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403)
        headers = {"Metadata-Flavor": "Google"}
        path = request.path
        if path.endswith("/token"):
            return web.json_response(self.issue(), headers=headers)
        if path.endswith("/project-id"):
            return web.Response(text="test-project", headers=headers)
        if path.endswith("/email"):
            return web.Response(text=EMAIL, headers=headers)
        account = {"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"], "aliases": ["default"]}
        return web.json_response(account, headers=headers)

    async def sign_blob(self, request: web.Request) -> web.Response:
        """https://docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob"""
        self.check_token(request)
        payload = base64.b64decode(json.loads(await request.read())["payload"])
        signed = self.key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        return web.json_response({"keyId": "test-key", "signedBlob": base64.b64encode(signed).decode()})

    async def impersonate(self, request: web.Request) -> web.Response:
        self.check_token(request)
        if not json.loads(await request.read()).get("scope"):
            raise Refusal(400, "invalid", "There is no scope.")
        issued = self.issue()
        until = datetime.fromtimestamp(time.time() + LIFETIME, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"accessToken": issued["access_token"], "expireTime": until})

    # --- those who check

    def check_token(self, request: Call | web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise Refusal(401, "required", "Anonymous caller does not have access.")
        if self.tokens.get(token, 0.0) > time.time():
            return
        # A JWT signed by the account itself: https://google.aip.dev/auth/4111
        if token.count(".") == 2 and self._claims(token, audience=None) is not None:
            return
        raise Refusal(401, "authError", "Invalid Credentials")

    def _claims(self, token: str, *, audience: list[str] | None) -> dict[str, Any] | None:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.key.public_key(),
                algorithms=["RS256"],
                audience=audience,
                issuer=EMAIL,
                options={"require": ["exp", "iat", "iss"], "verify_aud": audience is not None},
            )
        except jwt.InvalidTokenError:
            return None
        return claims if claims.get("scope") or claims.get("aud") else None

    def verify(self, signature: str, data: bytes) -> None:
        try:
            self.key.public_key().verify(bytes.fromhex(signature), data, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            raise Refusal(403, "signatureDoesNotMatch", "Access denied: the signature does not match.") from None

    def check_signed_url(self, request: Call) -> None:
        """Verify a V4 signed URL, from what went over the wire."""
        path, _, raw_query = request.raw_path.partition("?")
        pairs = [(pair.partition("=")[0], pair.partition("=")[2]) for pair in raw_query.split("&")]
        query = dict(parse_qsl(raw_query, keep_blank_values=True))
        if query.get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256":
            raise Refusal(400, "invalid", "X-Goog-Algorithm is not GOOG4-RSA-SHA256.")
        moment, scope = self._check_credential(query["X-Goog-Credential"], query["X-Goog-Date"])
        seconds = int(query["X-Goog-Expires"])
        if not 0 < seconds <= 604800:
            raise Refusal(400, "invalid", "X-Goog-Expires is 1 to 604800.")
        if not moment.timestamp() - 900 <= time.time() <= moment.timestamp() + seconds:
            raise Refusal(400, "expiredToken", "The provided token has expired.")
        names = query["X-Goog-SignedHeaders"].split(";")
        unsigned = {name.lower() for name in request.headers if name.lower().startswith("x-goog-")} - set(names)
        if "host" not in names or unsigned:
            raise Refusal(403, "signatureDoesNotMatch", f"These headers are not signed: {sorted(unsigned)}.")
        values = {name: " ".join(",".join(request.headers.getall(name, [""])).split()) for name in names}
        canonical_query = "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "X-Goog-Signature")
        payload = request.headers.get("X-Goog-Content-SHA256", "UNSIGNED-PAYLOAD")

        def signed(host: str) -> bytes:
            headers = "".join(f"{name}:{host if name == 'host' else values[name]}\n" for name in sorted(names))
            canonical = "\n".join((request.method, path, canonical_query, headers, ";".join(names), payload))
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            return "\n".join(("GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest)).encode()

        # The service has no port of its own. Google's clients differ in what they sign for a host that has one: that of
        # Python signs the port, the published vectors do not.
        host, _, port = values["host"].partition(":")
        try:
            self.verify(query["X-Goog-Signature"], signed(host))
        except Refusal:
            if not port:
                raise
            self.verify(query["X-Goog-Signature"], signed(values["host"]))

    def _check_credential(self, credential: str, date: str) -> tuple[datetime, str]:
        moment = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        email, _, scope = credential.partition("/")
        day, location, service, kind = scope.split("/")
        if email != EMAIL or day != date[:8] or not location or (service, kind) != ("storage", "goog4_request"):
            raise Refusal(403, "signatureDoesNotMatch", f"The credential {quote(credential)} is not valid.")
        return moment, scope

    def check_policy(self, bucket: str, fields: Mapping[str, str], size: int) -> None:
        """Verify a policy document and what it demands of a form.

        https://docs.cloud.google.com/storage/docs/authentication/signatures#policy-document
        """
        self._check_credential(fields.get("x-goog-credential", ""), fields.get("x-goog-date", ""))
        self.verify(fields.get("x-goog-signature", ""), fields["policy"].encode())
        policy = json.loads(base64.b64decode(fields["policy"]))
        if datetime.fromisoformat(policy["expiration"]).timestamp() < time.time():
            raise Refusal(400, "invalidPolicyDocument", "The policy has expired.")
        known = {**fields, "bucket": bucket}
        demanded = {"policy", "x-goog-signature", "file"}
        for condition in policy["conditions"]:
            if isinstance(condition, dict):
                ((name, value),) = condition.items()
                kind = "eq"
            else:
                kind, name, value = condition if len(condition) == 3 else ("", "", "")
                name = str(name).removeprefix("$")
            if isinstance(condition, list) and condition[0] == "content-length-range":
                if not condition[1] <= size <= condition[2]:
                    raise Refusal(400, "invalidPolicyDocument", "Your proposed upload is not within the size range.")
                continue
            name = name.lower()
            actual = known.get(name, "")
            demanded.add(name)
            if not (actual == value if kind == "eq" else actual.startswith(value)):
                raise Refusal(403, "invalidPolicyDocument", f"Policy condition failed: {name}.")
        if extra := {name for name in fields if name not in demanded and not name.startswith("x-ignore-")}:
            raise Refusal(403, "invalidPolicyDocument", f"The policy says nothing of {sorted(extra)}.")
