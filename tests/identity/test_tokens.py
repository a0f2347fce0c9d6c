from __future__ import annotations

import pytest

from gateway.core.caller import CallerPending
from gateway.core.jwt import JwtRefused
from tests.support.issuer import NOW_S, Issuer, rsa_jwk, token
from tests.support.token_rooms import TokenRooms, with_tokens


def test_a_token_that_holds_gives_its_claims_and_its_end() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        said, ends_s = rooms.verifier.check(token())
        assert (said["sub"], ends_s) == ("ann", NOW_S + 3600)

    with_tokens(work, Issuer(rsa_jwk()))


def test_a_token_without_a_name_of_its_key_needs_a_single_one_of_that_kind() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        with pytest.raises(JwtRefused):
            rooms.verifier.check(token(kid=None))
        rooms.clock.advance(60)
        with pytest.raises(CallerPending):
            rooms.verifier.check(token(kid=None))

    with_tokens(work, Issuer(rsa_jwk(), rsa_jwk("two")))


def test_only_algorithms_that_the_configuration_allows() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        assert rooms.verifier.check(token(algorithm="PS256"))[0]["sub"] == "ann"
        with pytest.raises(JwtRefused):
            rooms.verifier.check(token(algorithm="RS256"))

    with_tokens(work, Issuer(rsa_jwk()), algorithms=("PS256",))
