"""A service account with a real key, and a server that gives out tokens for it after checking the signature."""

from __future__ import annotations

import base64
import functools
from typing import Any
from urllib.parse import parse_qs

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.core.service_account import ServiceAccount
from tests.support.provider import Asked, Step, whole


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    return (
        private_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def key_file(token_uri: str) -> str:
    """As Google's console hands it out, line breaks included."""
    document = {
        "type": "service_account",
        "project_id": "acme-prod",
        "private_key_id": "key-1",
        "private_key": pem(),
        "client_email": "gateway@acme-prod.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_uri,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def account(token_uri: str) -> ServiceAccount:
    return ServiceAccount(
        client_email="gateway@acme-prod.iam.gserviceaccount.com",
        private_key=pem(),
        private_key_id="key-1",
        token_uri=token_uri,
    )


def claims_of(asked: Asked) -> dict[str, Any]:
    """What a statement claims, once its signature was found good."""
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signature = form["assertion"].split(".")
    assert orjson.loads(_plain(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    signed = f"{head}.{claims}".encode()
    private_key().public_key().verify(_plain(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    return orjson.loads(_plain(claims))


def given(token: str = "ya29.first", expires_in: int = 3600) -> list[Step]:
    return [whole(orjson.dumps({"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}))]


def _plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
