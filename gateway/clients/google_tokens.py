"""Tokens for Google's cloud: a signed statement of who we are against a token.

RFC 7523, as https://developers.google.com/identity/protocols/oauth2/service-account describes it. Signing happens on a
thread.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.clients.access_tokens import LIFETIME_S, form_request
from gateway.clients.origin import Origin
from gateway.core.errors import Misconfigured
from gateway.core.service_account import SCOPE, ServiceAccount

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class GoogleAccount:
    """A service account; an :class:`gateway.clients.access_tokens.Account`.

    Args:
        account: Whose.
    """

    whose = "Google's"

    def __init__(self, account: ServiceAccount) -> None:
        self._account = account
        self.origin = Origin.parse(account.token_uri)
        self._path = urlsplit(account.token_uri).path or "/"
        self._key: Any = None

    async def ask(self, now_s: int) -> bytes:
        """Write the request for a token, which holds the signed statement."""
        statement = await asyncio.to_thread(self._signed, now_s)
        return form_request(self.origin, self._path, {"grant_type": GRANT, "assertion": statement})

    def _signed(self, now_s: int) -> str:
        """Write and sign the statement; on a thread, for it takes a millisecond and more."""
        account = self._account
        if self._key is None:
            self._key = load_key(account.private_key)
        head = {"alg": "RS256", "typ": "JWT", **({"kid": account.private_key_id} if account.private_key_id else {})}
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
        }
        said = _base64(orjson.dumps(head)) + "." + _base64(orjson.dumps(claims))
        return said + "." + _base64(sign(self._key, said.encode()))


def load_key(pem: str) -> Any:
    """Load a private RSA key.

    Raises:
        Misconfigured: It is none, or what reads keys is not installed.
    """
    try:
        serialization = importlib.import_module("cryptography.hazmat.primitives.serialization")
        rsa = importlib.import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    except ModuleNotFoundError:
        raise Misconfigured("kind vertex needs the extra: pip install weighbridge[vertex]") from None
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise Misconfigured("the service account's private_key cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured("the service account's private_key is no RSA key")
    return key


def sign(key: Any, data: bytes) -> bytes:
    """Sign with RS256 (RFC 7518 §3.3)."""
    padding = importlib.import_module("cryptography.hazmat.primitives.asymmetric.padding")
    hashes = importlib.import_module("cryptography.hazmat.primitives.hashes")
    signature: bytes = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return signature


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
