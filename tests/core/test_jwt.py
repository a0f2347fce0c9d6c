from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jwt import (
    Expected,
    JwtRefused,
    check_claims,
    decode_base64url,
    looks_like_jwt,
    take_apart,
)
from tests.support.issuer import AUDIENCE, ISSUER, NOW_S, b64, claims, token

EXPECTED = Expected(issuer=ISSUER, audiences=("other", AUDIENCE), leeway_s=30)


def test_a_token_is_taken_apart() -> None:
    good = token()
    found = take_apart(good)
    assert (found.algorithm, found.kid, found.claims["sub"]) == ("RS256", "rsa-one", "ann")
    assert good.startswith(found.signed + b".")
    assert looks_like_jwt(good)
    assert not looks_like_jwt(b"wb-abc")


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+JWT", None])
def test_types_of_access_tokens_pass(kind: str | None) -> None:
    assert take_apart(token(typ=kind)).claims["sub"] == "ann"


@given(
    st.binary(max_size=200)
    | st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(
        lambda parts: b".".join(b64(part).encode() for part in parts)
    )
)
def test_whatever_comes_is_a_token_or_refused(secret: bytes) -> None:
    try:
        take_apart(secret)
    except JwtRefused:
        return
    assert secret.count(b".") == 2


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "exp", "nbf", "iat"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(),
            st.lists(st.text()),
            st.just(AUDIENCE),
        ),
    )
)
def test_whatever_claims_say_they_are_refused_or_in_order(said: dict[str, object]) -> None:
    try:
        check_claims(said, EXPECTED, NOW_S)
    except JwtRefused:
        return
    raise AssertionError(said)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["x", AUDIENCE]},
        {"aud": "other"},
        {"exp": NOW_S - 29},
        {"exp": NOW_S + 0.5},
        {"nbf": NOW_S + 30},
        {"iat": NOW_S + 30},
        {"iat": None},
    ],
)
def test_claims_in_order_tell_when_they_end(changes: dict[str, object]) -> None:
    assert check_claims(claims(**changes), EXPECTED, NOW_S) == changes.get("exp", NOW_S + 3600)


@given(st.binary(max_size=100))
def test_base64url_comes_back(data: bytes) -> None:
    if data:
        assert decode_base64url(b64(data)) == data


@pytest.mark.parametrize("text", ["", "a", "a=", "a+b/", "aé", "ab\n", "a b"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    with pytest.raises(JwtRefused):
        decode_base64url(text)


def test_a_document_with_bytes_that_are_no_text_is_refused() -> None:
    part = b64(b'{"alg":"\xff"}').encode()
    with pytest.raises(JwtRefused):
        take_apart(part + b"." + b64(orjson.dumps({})).encode() + b".AA")
