"""JSON Web Tokens as text: taken apart, and their claims checked. Nothing here knows a key.

RFC 7519, 7515 and 8725. A token is believed only where its signature was checked as well: see ``clients.jws``. Of its
head only ``alg``, ``kid``, ``typ`` and ``crit`` are looked at; keys that it brings along (``jwk``, ``jku``, ``x5c``,
``x5u``) are its own affair.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any, cast

import msgspec

MAX_TOKEN_BYTES = 16_384
MAX_KID_CHARS = 256
# Those that a key is good for, by its type or its curve.
ALGORITHMS: dict[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}
EVERY_ALGORITHM = tuple(name for names in ALGORITHMS.values() for name in names)
_PARTS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_TYPES = frozenset({"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"})


class JwtRefused(Exception):
    """A token is not to be believed. Why is for tests and counts: a caller is told nothing but that."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token taken apart, its claims not yet believed.

    Attributes:
        signed: What the signature is over.
        algorithm: ``alg`` of the head, whatever it says.
        kid: The name of the key; empty where the head has none.
    """

    signed: bytes
    signature: bytes
    algorithm: str
    kid: str
    claims: dict[str, Any]


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must say.

    Attributes:
        issuer: Exactly this ``iss``.
        audiences: One of these is in ``aud``.
        leeway_s: By how much the issuer's clock may differ from ours.
    """

    issuer: str
    audiences: tuple[str, ...]
    leeway_s: float


def looks_like_jwt(secret: bytes) -> bool:
    """Whether a credential has a token's form: three parts, the first of which begins as ``{"`` does in base64."""
    return secret.startswith(b"ey") and secret.count(b".") == 2


def take_apart(secret: bytes) -> Token:
    """Take a token apart.

    Raises:
        JwtRefused: It is none, or asks for something that nobody here understands.
    """
    if len(secret) > MAX_TOKEN_BYTES or _PARTS.fullmatch(secret) is None:
        raise JwtRefused("form")
    head_part, claims_part, signature = secret.split(b".")
    head, claims = _document(head_part), _document(claims_part)
    # Whatever is critical changes what a token means; we know of nothing that is.
    if "crit" in head:
        raise JwtRefused("crit")
    algorithm, kid, kind = head.get("alg"), head.get("kid", ""), head.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str) or len(kid) > MAX_KID_CHARS:
        raise JwtRefused("head")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise JwtRefused("typ")
    return Token(
        signed=head_part + b"." + claims_part,
        signature=decode_base64url(signature.decode()),
        algorithm=algorithm,
        kid=kid,
        claims=claims,
    )


def check_claims(claims: dict[str, Any], expected: Expected, now_s: float) -> float:
    """Check who made a token, for whom, and when.

    Args:
        claims: As the token has them.
        expected: What they must say.
        now_s: Seconds since 1970.

    Returns:
        When it ends, in seconds since 1970.

    Raises:
        JwtRefused: They say something else.
    """
    if claims.get("iss") != expected.issuer:
        raise JwtRefused("iss")
    audience = claims.get("aud")
    named: list[Any] = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    if not any(isinstance(one, str) and one in expected.audiences for one in named):
        raise JwtRefused("aud")
    ends_s = _moment(claims, "exp")
    if ends_s is None or now_s >= ends_s + expected.leeway_s:
        raise JwtRefused("exp")
    begins_s, made_s = _moment(claims, "nbf"), _moment(claims, "iat")
    if begins_s is not None and now_s < begins_s - expected.leeway_s:
        raise JwtRefused("nbf")
    if made_s is not None and now_s < made_s - expected.leeway_s:
        raise JwtRefused("iat")
    return ends_s


def decode_base64url(text: str) -> bytes:
    """Decode base64url without padding, as RFC 7515 §2 has it.

    Raises:
        JwtRefused: It is not that.
    """
    if _ALPHABET.fullmatch(text) is None:
        raise JwtRefused("base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise JwtRefused("base64url") from None


def _document(part: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(decode_base64url(part.decode()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JwtRefused("json") from None
    if not isinstance(document, dict):
        raise JwtRefused("json")
    return cast("dict[str, Any]", document)


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise JwtRefused(name)
    return float(value)
