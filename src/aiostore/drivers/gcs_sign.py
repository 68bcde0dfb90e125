"""Signed URLs and forms, by the key of a service account, or by IAM for an account whose key is not at hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from aiostore.drivers.gcs_client import encode_key
from aiostore.drivers.gcs_conditions import GCSConditions
from aiostore.drivers.gcs_credentials import Anonymous, GoogleToken
from aiostore.drivers.gcs_signing import PostCondition, check_expiry, policy, sign, unsigned_url
from aiostore.errors import ConfigurationError, UnavailableError
from aiostore.types import PostOptions, SignedPost, SignOptions


class GCSSign(GCSConditions):
    """The half of the driver that lets others in."""

    async def sign(self, key: str, options: SignOptions) -> str:
        """A V4 signed URL of the XML API.

        With the key of a service account nothing is sent. For the metadata server and for impersonated accounts, IAM
        signs: one request, and one more for the account's name on the metadata server.
        """
        client = self._client
        with self.naming("sign", key):
            if not options.method.isalpha():
                raise ConfigurationError(f"{options.method!r} is not an HTTP method")
            if any("\n" in text or "\r" in text for pair in options.headers.items() for text in pair):
                raise ConfigurationError("a header to be signed holds a line break")
            check_expiry(options.expires_in)
            query = dict(options.params)
            if client.service.user_project is not None:
                query["userProject"] = client.service.user_project
            email = await self._email()
            unsigned = unsigned_url(
                options.method.upper(),
                client.service.endpoint,
                f"/{client.bucket}/{key}",
                query,
                options.headers,
                email,
                options.expires_in,
                datetime.now(UTC),
            )
            signature = await self._signature(email, unsigned.to_sign.encode())
            return f"{unsigned.url}&X-Goog-Signature={signature.hex()}"

    async def sign_post(self, key: str, options: PostOptions) -> SignedPost:
        """A V4 policy document; what is sent is as for :meth:`sign`."""
        client = self._client
        conditions: list[PostCondition] = []
        fields = dict(options.fields)
        if options.min_size or options.max_size is not None:
            most = self.capabilities.max_put if options.max_size is None else options.max_size
            conditions.append(["content-length-range", options.min_size, most])
        if options.content_type is not None:
            if options.content_type.endswith("/"):
                conditions.append(["starts-with", "$Content-Type", options.content_type])
            else:
                fields["Content-Type"] = options.content_type
        with self.naming("sign_post", key):
            check_expiry(options.expires_in)
            email = await self._email()
            made, document = policy(
                client.bucket, key, conditions, fields, email, options.expires_in, datetime.now(UTC)
            )
            signature = await self._signature(email, document.encode())
            return SignedPost(url=f"{client.xml}/", fields={**made, "x-goog-signature": signature.hex()})

    def _signer(self) -> GoogleToken:
        tokens = self._client.service.tokens
        if isinstance(tokens, GoogleToken):
            return tokens
        if isinstance(tokens, Anonymous):
            raise ConfigurationError(
                "a store without credentials cannot sign; give it some, or use the plain URL if the object is public"
            )
        raise ConfigurationError(
            "tokens of a callback do not say which account they are for; to sign, give credentials= the key of a "
            "service account"
        )

    async def _email(self) -> str:
        return await self._signer().email()

    async def _signature(self, email: str, data: bytes) -> bytes:
        account = self._signer().account
        if account is not None:
            return sign(account.private_key, data)
        # https://docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
        client = self._client
        url = f"{client.service.iam}/v1/projects/-/serviceAccounts/{encode_key(email)}:signBlob"
        content: Mapping[str, str] = {"payload": base64.b64encode(data).decode()}
        answer = await client.ask_with("sign", "POST", url, None, dict(content))
        try:
            return base64.b64decode(answer["signedBlob"], validate=True)
        except (KeyError, ValueError):
            raise UnavailableError("IAM answered without a signature") from None
