"""An issuer of tokens with real keys: what it signs, what it publishes, and what an attacker would make of both."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.support.provider import Asked, Step, whole

ISSUER = "https://login.example.com/"
AUDIENCE = "weighbridge"
NOW_S = 1_700_000_000
_CURVES: dict[str, tuple[ec.EllipticCurve, Any]] = {
    "P-256": (ec.SECP256R1(), hashes.SHA256()),
    "P-384": (ec.SECP384R1(), hashes.SHA384()),
    "P-521": (ec.SECP521R1(), hashes.SHA512()),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


_KEPT: dict[str, Any] = {}


def rsa_key(name: str = "one", bits: int = 2048) -> rsa.RSAPrivateKey:
    if name not in _KEPT:
        _KEPT[name] = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return _KEPT[name]


def ec_key(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    if curve not in _KEPT:
        _KEPT[curve] = ec.generate_private_key(_CURVES[curve][0])
    return _KEPT[curve]


@functools.cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def rsa_jwk(name: str = "one", bits: int = 2048, **more: Any) -> dict[str, Any]:
    numbers = rsa_key(name, bits).public_key().public_numbers()
    return {"kty": "RSA", "kid": f"rsa-{name}", "n": number(numbers.n), "e": number(numbers.e), **more}


def ec_jwk(curve: str = "P-256", **more: Any) -> dict[str, Any]:
    numbers, size = ec_key(curve).public_key().public_numbers(), (_CURVES[curve][0].key_size + 7) // 8
    x, y = (b64(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "kid": f"ec-{curve}", "crv": curve, "x": x, "y": y, **more}


def ed_jwk(**more: Any) -> dict[str, Any]:
    return {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": b64(ed_key().public_key().public_bytes_raw()), **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    return orjson.dumps({"keys": keys})


def signature(algorithm: str, signed: bytes, name: str = "one") -> bytes:
    bits = algorithm[2:]
    if algorithm[:2] in {"RS", "PS"}:
        hashed = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[bits]
        pss = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
        return rsa_key(name).sign(signed, pss if algorithm[0] == "P" else padding.PKCS1v15(), hashed)
    if algorithm[:2] == "ES":
        curve = {"256": "P-256", "384": "P-384", "512": "P-521"}[bits]
        size = (_CURVES[curve][0].key_size + 7) // 8
        r, s = decode_dss_signature(ec_key(curve).sign(signed, ec.ECDSA(_CURVES[curve][1])))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if algorithm in {"EdDSA", "Ed25519"}:
        return ed_key().sign(signed)
    return b"nobody"


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a token that is in order; ``None`` takes one away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": NOW_S + 3600, "iat": NOW_S, "team": "support"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def unsigned(head: dict[str, Any], said: dict[str, Any]) -> bytes:
    return f"{b64(orjson.dumps(head))}.{b64(orjson.dumps(said))}".encode()


def token(said: dict[str, Any] | None = None, algorithm: str = "RS256", name: str = "one", **head: Any) -> bytes:
    """A token, signed as its head says; ``kid: None`` names no key."""
    written = {"alg": algorithm, "typ": "JWT", "kid": f"rsa-{name}"} | head
    signed = unsigned({key: value for key, value in written.items() if value is not None}, said or claims())
    return signed + b"." + b64(signature(algorithm, signed, name)).encode()


def shared_secret_token(secret: bytes, said: dict[str, Any] | None = None) -> bytes:
    """As an attacker makes it who takes a public key for a shared one."""
    signed = unsigned({"alg": "HS256", "typ": "JWT", "kid": "rsa-one"}, said or claims())
    return signed + b"." + b64(hmac.new(secret, signed, hashlib.sha256).digest()).encode()


def public_pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa_key().public_key().public_bytes(serialization.Encoding.PEM, form)


def adversarial() -> dict[str, bytes]:
    """Tokens that must not be believed, by what is wrong with them."""
    good = token()
    head, said, signed = good.split(b".")
    foreign = rsa_jwk("two")
    parts = {"jwk": foreign, "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/chain"}
    return {
        "another key's signature": token(name="two", kid="rsa-one"),
        "a changed claim": head + b"." + b64(orjson.dumps(claims(team="root"))).encode() + b"." + signed,
        "no signature": head + b"." + said + b".",
        "half a signature": good[:-100],
        "alg none": unsigned({"alg": "none", "typ": "JWT"}, claims()) + b".",
        "alg none with something": unsigned({"alg": "none", "kid": "rsa-one"}, claims()) + b".AA",
        "alg None": unsigned({"alg": "None", "kid": "rsa-one"}, claims()) + b".AA",
        "alg is no text": unsigned({"alg": ["RS256"], "kid": "rsa-one"}, claims()) + b".AA",
        "no alg": unsigned({"kid": "rsa-one"}, claims()) + b"." + signed,
        "the public key as a secret": shared_secret_token(public_pem()),
        "the published key as a secret": shared_secret_token(orjson.dumps(rsa_jwk())),
        "its modulus as a secret": shared_secret_token(rsa_jwk()["n"].encode()),
        "an empty secret": shared_secret_token(b""),
        "a key of its own": token(name="two", kid="rsa-two", **parts),
        "a key of its own without a name": token(name="two", kid=None, **parts),
        "something critical": token(crit=["exp"]),
        "another type": token(typ="dpop+jwt"),
        "expired": token(claims(exp=NOW_S - 31)),
        "expired long ago": token(claims(exp=0)),
        "no end": token(claims(exp=None)),
        "an end that is no number": token(claims(exp=str(NOW_S + 60))),
        "an end that is true": token(claims(exp=True)),
        "not yet valid": token(claims(nbf=NOW_S + 31)),
        "made in the future": token(claims(iat=NOW_S + 31)),
        "another audience": token(claims(aud="somebody-else")),
        "no audience": token(claims(aud=None)),
        "other audiences": token(claims(aud=["a", "b"])),
        "an audience of none": token(claims(aud=[])),
        "another issuer": token(claims(iss="https://login.example.com")),
        "no issuer": token(claims(iss=None)),
        "issuers in a list": token(claims(iss=[ISSUER])),
        "nobody": token(claims(sub=None)),
        "an empty name": token(claims(sub="")),
        "a name that is a number": token(claims(sub=7)),
        "a header in a name": token(claims(sub="ann\r\nx-weighbridge-session: root")),
        "a statement in a name": token(claims(sub="ann'; DROP TABLE exchanges; --")),
        "a statement in a team": token(claims(team="x' OR 1=1 --")),
        "markup in a team": token(claims(team="<script>alert(1)</script>")),
        "a NUL in a team": token(claims(team="support\x00root")),
        "a very long team": token(claims(team="x" * 257)),
        "several teams": token(claims(team=["support", "root"])),
        "no team": token(claims(team=None)),
        "a huge token": token(claims(padding="x" * 20_000)),
        "deep nesting": b"." .join([b64(b'{"a":' * 5_000).encode()] * 3),
        "not JSON": b"eyJ.eyJ.AA",
        "not an object": b".".join([b64(b"[1]").encode(), b64(b"[1]").encode(), b"AA"]),
        "four parts": good + b".AA",
        "two parts": head + b"." + said,
        "padding": head + b"=." + said + b"." + signed,
        "bytes that are no base64url": b"ey\xff." + said + b"." + signed,
        "a line break": head + b"\n." + said + b"." + signed,
    }  # fmt: skip


def published(*keys: dict[str, Any]) -> list[Step]:
    """The script of a server that gives out keys."""
    return [whole(key_set(*keys))]


class Issuer:
    """Answers for an issuer at its own address: says where its keys are, and gives them out.

    Args:
        keys: What it gives out; may be changed.
    """

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = keys
        self.url = ""
        self.jwks_uri = ""
        self.status = "200 OK"
        self.discovered: dict[str, Any] = {}

    def answer(self, asked: Asked) -> list[Step]:
        if asked.path.endswith("/.well-known/openid-configuration"):
            said = {"issuer": self.url, "jwks_uri": self.jwks_uri or f"{self.url}/keys", **self.discovered}
            return [whole(orjson.dumps(said), self.status)]
        return [whole(key_set(*self.keys), self.status)]
