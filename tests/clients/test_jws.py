from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.jws import MAX_KEYS, read_key_set, verify
from gateway.core.jwt import EVERY_ALGORITHM, JwtRefused
from tests.support.issuer import ec_jwk, ed_jwk, key_set, number, public_pem, rsa_jwk, rsa_key, signature

ALL = read_key_set(key_set(rsa_jwk(), ec_jwk(), ec_jwk("P-384"), ec_jwk("P-521"), ed_jwk()))
TEXT = b"head.claims"
KID = {"RS": "rsa-one", "PS": "rsa-one", "ES256": "ec-P-256", "ES384": "ec-P-384", "ES512": "ec-P-521", "Ed": "ed"}


def of(algorithm: str) -> str:
    return KID.get(algorithm) or KID[algorithm[:2]]


@pytest.mark.parametrize("algorithm", EVERY_ALGORITHM)
def test_each_kind_of_key_checks_what_it_signed_and_nothing_else(algorithm: str) -> None:
    right = tuple(key for key in ALL if key.kid == of(algorithm))
    signed = signature(algorithm, TEXT)
    assert verify(right, algorithm, TEXT, signed)
    assert not verify(right, algorithm, TEXT + b"x", signed)
    assert not verify(right, algorithm, TEXT, signed[:-1])
    assert not verify(right, algorithm, TEXT, b"")
    for other in set(EVERY_ALGORITHM) - {algorithm}:
        assert not verify(right, other, TEXT, signed) or {other, algorithm} == {"EdDSA", "Ed25519"}
    assert not verify(tuple(key for key in ALL if key.kid != of(algorithm)), algorithm, TEXT, signed)


@pytest.mark.parametrize("algorithm", ["none", "", "HS256", "HS512", "RS1", "rs256", "dir"])
def test_no_other_algorithm_is_anybodys(algorithm: str) -> None:
    assert not verify(ALL, algorithm, TEXT, b"")
    assert not verify(ALL, algorithm, TEXT, signature("RS256", TEXT))


def test_a_key_that_is_for_one_algorithm_checks_no_other() -> None:
    (key,) = read_key_set(key_set(rsa_jwk(alg="PS384")))
    assert set(key.checks) == {"PS384"}
    assert read_key_set(key_set(rsa_jwk(alg="HS256"))) == ()
    (key,) = read_key_set(key_set(rsa_jwk(), ec_jwk()), ("ES256",))
    assert key.kid == "ec-P-256"


@pytest.mark.parametrize(
    "written",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        rsa_jwk(use="enc"),
        rsa_jwk(key_ops=["encrypt"]),
        rsa_jwk(key_ops="verify"),
        rsa_jwk("small", 1024),
        rsa_jwk() | {"e": "AA"},
        rsa_jwk() | {"e": number(2)},
        rsa_jwk() | {"n": "not base64!"},
        rsa_jwk() | {"n": number(1 << 9000)},
        {"kty": "RSA"},
        ec_jwk() | {"x": number(7)},
        ec_jwk() | {"crv": "P-384"},
        ec_jwk() | {"crv": "secp256k1"},
        ec_jwk() | {"y": 7},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        ed_jwk() | {"x": "AA"},
        rsa_jwk() | {"kid": 7},
        rsa_jwk() | {"kid": "k" * 257},
        {"kty": ["RSA"]},
        "text",
        7,
        None,
    ],
)
def test_keys_of_no_use_are_passed_over(written: Any) -> None:
    found = read_key_set(orjson.dumps({"keys": [written, ec_jwk("P-521")]}))
    assert [key.kid for key in found] == ["ec-P-521"]


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"keys":{}}', b"\xff", b'{"keys":' * 100_000, public_pem()])
def test_what_is_no_set_of_keys_is_refused(document: bytes) -> None:
    with pytest.raises(JwtRefused):
        read_key_set(document)


def test_a_set_has_an_end() -> None:
    with pytest.raises(JwtRefused):
        read_key_set(key_set(*[ec_jwk()] * (MAX_KEYS + 1)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["kty", "kid", "n", "e", "crv", "x", "y", "alg", "use", "key_ops"]), JSON))
def test_whatever_is_published_breaks_nothing(written: dict[str, Any]) -> None:
    found = read_key_set(key_set({"kty": "RSA"} | written, rsa_jwk()))
    assert [key.kid for key in found][-1] == "rsa-one"


def test_a_changed_key_of_the_same_name_has_another_digest() -> None:
    (one,), (two,) = read_key_set(key_set(rsa_jwk())), read_key_set(key_set(rsa_jwk("two", kid="rsa-one")))
    assert one.kid == two.kid
    assert one.digest != two.digest
    assert rsa_key().key_size == 2048
