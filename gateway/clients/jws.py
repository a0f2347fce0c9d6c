"""Checks signatures of tokens, with keys as issuers publish them (JSON Web Keys, RFC 7517).

Which algorithms a key is good for follows from what the key is, never from what a token says: a token names one of
them, or is refused. There is no key for ``none``, and none that is shared, so that a public key cannot be taken for a
secret. The arithmetic is the package ``cryptography``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec

from gateway.core.jwt import ALGORITHMS, EVERY_ALGORITHM, MAX_KID_CHARS, JwtRefused, decode_base64url

MAX_KEYS = 100
# What is shorter can be broken, and what is longer would keep us busy.
_RSA_BITS = range(2048, 8193)

_Check = Callable[[bytes, bytes], None]
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, JwtRefused)


class VerifyingKey(msgspec.Struct, frozen=True, kw_only=True):
    """One public key of an issuer.

    Attributes:
        kid: Its name; empty where it has none.
        digest: Tells one key from another of the same name.
        checks: By algorithm: raises where a signature is not over that text.
    """

    kid: str
    digest: str
    checks: dict[str, _Check]


class _Published(Protocol):
    """A public key of any kind."""

    verify: Callable[..., None]


class _Set(msgspec.Struct):
    keys: list[Any]


def read_key_set(document: bytes, allowed: tuple[str, ...] = EVERY_ALGORITHM) -> tuple[VerifyingKey, ...]:
    """Read a published set of keys.

    Args:
        document: JSON, as it was fetched.
        allowed: Algorithms that may be used at all.

    Returns:
        Those that check signatures and that we know how to use; others are passed over, as RFC 7517 §5 asks.

    Raises:
        JwtRefused: It is no set of keys, or too large a one.
    """
    try:
        keys = msgspec.json.decode(document, type=_Set).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise JwtRefused("jwks") from None
    if len(keys) > MAX_KEYS:
        raise JwtRefused("jwks")
    return tuple(key for each in keys if (key := _read(each, allowed)) is not None)


def verify(keys: tuple[VerifyingKey, ...], algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether one of some keys has signed a text by an algorithm that is the key's own."""
    from cryptography.exceptions import InvalidSignature

    for key in keys:
        check = key.checks.get(algorithm)
        if check is not None:
            try:
                check(signature, signed)
            except (InvalidSignature, ValueError):
                continue
            return True
    return False


def _read(written: Any, allowed: tuple[str, ...]) -> VerifyingKey | None:
    """Make a key of what is written of it; ``None`` where it is of no use here."""
    if not isinstance(written, dict):
        return None
    said = cast("dict[str, Any]", written)
    kid, alone, operations = said.get("kid", ""), said.get("alg"), said.get("key_ops")
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARS or said.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in cast("list[Any]", operations)):
        return None
    try:
        checks = _checks(said)
    except _FAULTS:
        return None
    checks = {name: check for name, check in checks.items() if name in allowed and alone in (None, name)}
    if not checks:
        return None
    digest = msgspec.json.encode(said, order="sorted").decode()
    return VerifyingKey(kid=kid, digest=digest, checks=checks)


def _checks(said: dict[str, Any]) -> dict[str, _Check]:
    kind = said["kty"]
    if kind == "RSA":
        return _rsa(said)
    if kind == "EC":
        return _elliptic(said)
    if kind == "OKP" and said["crv"] == "Ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        key = Ed25519PublicKey.from_public_bytes(decode_base64url(said["x"]))
        return dict.fromkeys(ALGORITHMS["Ed25519"], key.verify)
    return {}


def _rsa(said: dict[str, Any]) -> dict[str, _Check]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus = _number(said["n"])
    if modulus.bit_length() not in _RSA_BITS:
        return {}
    key: _Published = RSAPublicNumbers(_number(said["e"]), modulus).public_key()
    checks: dict[str, _Check] = {}
    for bits, hashed in (("256", hashes.SHA256()), ("384", hashes.SHA384()), ("512", hashes.SHA512())):
        ways = {"RS": padding.PKCS1v15(), "PS": padding.PSS(padding.MGF1(hashed), hashed.digest_size)}
        for way, padded in ways.items():
            checks[way + bits] = _bound(key, padded, hashed)
    return checks


def _bound(key: _Published, padded: object, hashed: object) -> _Check:
    def check(signature: bytes, signed: bytes) -> None:
        key.verify(signature, signed, padded, hashed)

    return check


def _elliptic(said: dict[str, Any]) -> dict[str, _Check]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    name = said["crv"]
    curve, hashed = {
        "P-256": (ec.SECP256R1(), hashes.SHA256()),
        "P-384": (ec.SECP384R1(), hashes.SHA384()),
        "P-521": (ec.SECP521R1(), hashes.SHA512()),
    }[name]
    key = ec.EllipticCurvePublicNumbers(_number(said["x"]), _number(said["y"]), curve).public_key()
    size = (curve.key_size + 7) // 8

    def check(signature: bytes, signed: bytes) -> None:
        # RFC 7518 §3.4: two numbers of the curve's size, one after the other.
        if len(signature) != 2 * size:
            raise ValueError("length")
        both = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(*both), signed, ec.ECDSA(hashed))

    return dict.fromkeys(ALGORITHMS[name], check)


def _number(text: str) -> int:
    return int.from_bytes(decode_base64url(text), "big")
