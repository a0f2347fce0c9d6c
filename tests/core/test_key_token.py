from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.key_token import ID_BYTES, SECRET_BYTES, make_id, make_token, parse_token

IDS = st.binary(min_size=ID_BYTES, max_size=ID_BYTES).map(make_id)
SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)


@given(IDS, SECRETS)
def test_what_is_made_can_be_taken_apart(key_id: str, entropy: bytes):
    token = make_token(key_id, entropy)
    parsed = parse_token(token)
    assert parsed is not None
    assert parsed.id == key_id
    assert (token[:3], len(token)) == ("wb-", 65)
    assert token.isascii()


@given(IDS, SECRETS, SECRETS)
def test_every_bit_of_the_secret_is_in_the_token(key_id: str, one: bytes, other: bytes):
    assert (make_token(key_id, one) == make_token(key_id, other)) == (one == other)


@given(IDS, SECRETS, st.integers(0, 64), st.characters(codec="ascii"))
def test_a_slip_in_one_character_is_no_token(key_id: str, entropy: bytes, place: int, char: str):
    token = make_token(key_id, entropy)
    slipped = token[:place] + char + token[place + 1 :]
    assert slipped == token or parse_token(slipped) is None


@given(st.text(max_size=100))
def test_any_text_is_a_token_or_none_and_nothing_is_raised(text: str):
    parsed = parse_token(text)
    assert parsed is None or text.startswith(f"wb-{parsed.id}-{parsed.secret}")


def test_a_token_with_something_around_it_is_none():
    token = make_token(make_id(b"\0" * 8), b"\xff" * 32)
    for text in (f" {token}", f"{token}\n", f"{token}x", token.upper(), token[:-1], ""):
        assert parse_token(text) is None
