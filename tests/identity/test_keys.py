from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import AuthenticationFailed
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.identity.keys import KeyIdentity

PROCESS_KEY = b"p" * 32


def declared(key_id: str, secret: bytes, **fields) -> DeclaredKey:
    return DeclaredKey(id=key_id, digest=digest_secret(secret, PROCESS_KEY), **fields)


IDENTITY = KeyIdentity.of(
    (
        declared("k1", b"wb-one", team="support", tenant="acme", tags={"env": "prod"}, models=("gpt-*",)),
        declared("k2", b"wb-two", team="research"),
    ),
    PROCESS_KEY,
)


@pytest.mark.parametrize(
    ("headers", "consumed"),
    [
        ({b"authorization": b"Bearer wb-one"}, {b"authorization"}),
        ({b"authorization": b"bearer  wb-one "}, {b"authorization"}),
        ({b"x-api-key": b"wb-one"}, {b"x-api-key"}),
        ({b"api-key": b"wb-one"}, {b"api-key"}),
        ({b"x-goog-api-key": b"wb-one"}, {b"x-goog-api-key"}),
        ({b"authorization": b"Bearer wb-one", b"x-api-key": b"wb-one"}, {b"authorization", b"x-api-key"}),
        (
            {b"authorization": b"Bearer wb-one", b"x-api-key": b"wb-one", b"api-key": b"wb-one"},
            {b"authorization", b"x-api-key", b"api-key"},
        ),
        ({b"authorization": b"Basic abc", b"x-api-key": b"wb-one"}, {b"x-api-key"}),
        ({b"authorization": b"Bearer ", b"api-key": b"wb-one"}, {b"api-key"}),
    ],
)
def test_a_known_key_is_found_wherever_it_is_sent(headers: dict[bytes, bytes], consumed: set[bytes]):
    principal = IDENTITY.identify(headers)
    assert (principal.key_id, principal.team, principal.tenant) == ("k1", "support", "acme")
    assert principal.tags == {"env": "prod"}
    assert principal.models == ("gpt-*",)
    assert principal.consumed == consumed


def test_each_key_has_its_own_principal():
    assert IDENTITY.identify({b"x-api-key": b"wb-two"}).key_id == "k2"
    assert IDENTITY.identify({b"x-api-key": b"wb-one"}).key_id == "k1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer wb-three"},
        {b"authorization": b"wb-one"},
        {b"authorization": b"Basic wb-one"},
        {b"authorization": b"Bearer wb-one, Bearer wb-two"},
        {b"x-api-key": b""},
        {b"x-api-key": b"wb-one" * 1000},
    ],
)
def test_no_key_and_an_unknown_key_are_refused(headers: dict[bytes, bytes]):
    with pytest.raises(AuthenticationFailed) as caught:
        IDENTITY.identify(headers)
    assert caught.value.status == 401


def test_two_different_keys_are_refused_even_when_both_are_known():
    with pytest.raises(AuthenticationFailed, match="two different"):
        IDENTITY.identify({b"authorization": b"Bearer wb-one", b"x-api-key": b"wb-two"})


def test_no_error_repeats_what_was_sent():
    with pytest.raises(AuthenticationFailed) as caught:
        IDENTITY.identify({b"authorization": b"Bearer wb-secret-value"})
    assert "wb-secret" not in str(caught.value)


@given(st.dictionaries(st.sampled_from([b"authorization", b"x-api-key", b"api-key"]), st.binary(max_size=40)))
def test_whatever_is_sent_gives_a_principal_or_a_refusal(headers: dict[bytes, bytes]):
    try:
        principal = IDENTITY.identify(headers)
    except AuthenticationFailed:
        return
    assert principal.key_id in {"k1", "k2"}
    assert principal.consumed <= set(headers)


def steps_of(identity: KeyIdentity, secret: bytes) -> int:
    """How many lines and calls the interpreter runs to find a caller."""
    count = 0

    def count_one(_frame: object, _event: str, _what: object) -> Any:
        nonlocal count
        count += 1
        return count_one

    headers = {b"authorization": b"Bearer " + secret}
    identity.identify(headers)
    before = sys.gettrace()
    sys.settrace(count_one)
    try:
        identity.identify(headers)
    finally:
        sys.settrace(before)
    return count


def test_ten_thousand_keys_are_looked_up_in_as_many_steps_as_one():
    many = KeyIdentity.of(tuple(declared(str(number), b"wb-%d" % number) for number in range(10_000)), PROCESS_KEY)
    one = KeyIdentity.of((declared("1", b"wb-1"),), PROCESS_KEY)
    steps = {steps_of(many, b"wb-%d" % number) for number in (0, 1, 5_000, 9_999)} | {steps_of(one, b"wb-1")}
    assert len(steps) == 1
    assert steps.pop() > 5
