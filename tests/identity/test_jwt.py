from __future__ import annotations

import logging

import pytest

from gateway.core.errors import AuthenticationFailed
from gateway.core.trust import ClaimNames
from gateway.identity import jwt
from tests.support.issuer import AUDIENCE, NOW_S, Issuer, adversarial, claims, ec_jwk, ed_jwk, rsa_jwk, token
from tests.support.token_rooms import TokenRooms, with_tokens

BAD = adversarial()


def issuer() -> Issuer:
    return Issuer(rsa_jwk(), ec_jwk(), ed_jwk())


def test_who_shows_a_token_is_who_it_says() -> None:
    async def work(rooms: TokenRooms) -> None:
        principal = await rooms.bearer(token())
        assert (principal.key_id, principal.team, principal.lasting) == ("ann", "support", False)
        assert principal.consumed == {b"authorization"}
        for name in (b"x-api-key", b"api-key", b"x-goog-api-key"):
            assert (await rooms.identify({name: token()})).consumed == {name}
        assert (await rooms.bearer(token(algorithm="ES256", kid="ec-P-256"))).key_id == "ann"
        assert (await rooms.bearer(token(algorithm="EdDSA", kid="ed"))).key_id == "ann"
        assert (await rooms.bearer(token(algorithm="PS384", kid=None))).key_id == "ann"

    with_tokens(work, issuer())


@pytest.mark.parametrize("wrong", sorted(BAD))
def test_what_must_not_be_believed_is_refused_in_the_same_words(wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.bearer(token())
        with pytest.raises(AuthenticationFailed) as caught:
            await rooms.bearer(BAD[wrong])
        assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
        assert caught.value.public_message == "Incorrect API key provided."
        assert caught.value.__cause__ is None

    with caplog.at_level(logging.DEBUG, "weighbridge"):
        with_tokens(work, issuer())
    assert [record for record in caplog.records if record.name.startswith("weighbridge")] == []


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer "}, {b"authorization": b"Basic YTpi"}])
def test_without_a_token_nobody_is_asked_for_keys(headers: dict[bytes, bytes]) -> None:
    async def work(rooms: TokenRooms) -> None:
        with pytest.raises(AuthenticationFailed):
            await rooms.identify(headers)
        assert rooms.keys.fetches == 0

    with_tokens(work, issuer())


def test_two_tokens_are_refused() -> None:
    async def work(rooms: TokenRooms) -> None:
        with pytest.raises(AuthenticationFailed):
            await rooms.identify({b"authorization": b"Bearer " + token(), b"x-api-key": token(claims(sub="bob"))})

    with_tokens(work, issuer())


def test_a_token_is_checked_once_and_forgotten_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(rooms: TokenRooms) -> None:
        secret, checked = token(), 0
        real = rooms.verifier.check

        def counted(given: bytes) -> object:
            nonlocal checked
            checked += 1
            return real(given)

        monkeypatch.setattr(rooms.verifier, "check", counted)
        first = await rooms.bearer(secret)
        before = checked
        for _ in range(10):
            assert await rooms.bearer(secret) is first
        assert checked == before
        rooms.clock.advance(3600 + 29)
        assert await rooms.bearer(secret) is first
        rooms.clock.advance(1)
        with pytest.raises(AuthenticationFailed):
            await rooms.bearer(secret)

    with_tokens(work, issuer())


def test_the_next_token_of_the_same_caller_is_the_same_caller() -> None:
    async def work(rooms: TokenRooms) -> None:
        first = await rooms.bearer(token())
        assert await rooms.bearer(token(claims(exp=NOW_S + 7200))) is first
        assert await rooms.bearer(token(claims(sub="bob"))) is not first

    with_tokens(work, issuer())


def test_what_is_remembered_has_an_end_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "MAX_REMEMBERED", 5)

    async def work(rooms: TokenRooms) -> None:
        secrets = [token(claims(sub=f"u{number}")) for number in range(12)]
        for secret in secrets:
            await rooms.bearer(secret)
        remembered, principals = rooms.identity._remembered, rooms.identity._principals
        assert len(remembered) == len(principals) == 5
        kept = repr(remembered) + repr(principals)
        assert not any(part in kept for secret in secrets for part in secret.decode().split("."))

    with_tokens(work, issuer())


def test_what_a_key_signed_that_is_gone_is_not_believed_any_more() -> None:
    async def work(rooms: TokenRooms) -> None:
        secret = token()
        await rooms.bearer(secret)
        rooms.issuer.keys = (rsa_jwk("two"),)
        rooms.clock.advance(601)
        await rooms.bearer(secret)
        await rooms.keys.renewed()
        rooms.clock.advance(11)
        with pytest.raises(AuthenticationFailed):
            await rooms.bearer(secret)

    with_tokens(work, issuer())


def test_claims_say_what_the_configuration_says_they_say() -> None:
    async def work(rooms: TokenRooms) -> None:
        said = claims(
            azp="app-7",
            org={"name": "acme"},
            realm={"groups": ["blue"]},
            scope="gpt-* claude-*",
            env="prod",
            aud=[AUDIENCE],
        )
        principal = await rooms.bearer(token(said))
        assert (principal.key_id, principal.tenant, principal.team) == ("app-7", "acme", "blue")
        assert principal.models == ("gpt-*", "claude-*")
        assert principal.tags == {"stage": "prod"}

    names = ClaimNames(
        key_id="azp", tenant="org.name", team="realm.groups", models="scope", tags={"stage": "env", "cost": "centre"}
    )
    with_tokens(work, issuer(), names)
