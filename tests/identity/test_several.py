from __future__ import annotations

import pytest

from gateway.core.caller import CallerPending
from gateway.core.errors import AuthenticationFailed
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.core.trust import ISTIO, MeshTrust
from gateway.identity.keys import KeyIdentity
from gateway.identity.mesh import MeshIdentity, NotBelieved
from gateway.identity.several import SeveralIdentities
from tests.support.issuer import Issuer, adversarial, rsa_jwk, token
from tests.support.token_rooms import TokenRooms, with_tokens

KEYS = KeyIdentity.of((DeclaredKey(id="k1", digest=digest_secret(b"wb-one", b"p" * 32), team="keys"),), b"p" * 32)
MESH = MeshIdentity(MeshTrust(peers=("10.0.0.0/8",), rules=(ISTIO,)))
CERT = {b"x-forwarded-client-cert": b"URI=spiffe://acme/ns/mesh/sa/a"}
KEY = {b"authorization": b"Bearer wb-one"}


@pytest.mark.parametrize("turned", [False, True])
def test_each_way_is_looked_at_in_turn(turned: bool) -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        ways = [KEYS, rooms.identity, MESH]
        several = SeveralIdentities(tuple(reversed(ways) if turned else ways))
        assert several.identify(KEY, "1.1.1.1:1").team == "keys"
        assert several.identify({b"x-api-key": token()}, "1.1.1.1:1").team == "support"
        assert several.identify(CERT, "10.0.0.1:1").team == "mesh"
        for headers in ({}, {b"x-api-key": b"wb-two"}, *({b"x-api-key": bad} for bad in adversarial().values())):
            with pytest.raises(AuthenticationFailed):
                several.identify(headers, "10.0.0.1:1")

    with_tokens(work, Issuer(rsa_jwk()))


def test_the_first_that_knows_the_caller_counts() -> None:
    both = CERT | KEY
    assert SeveralIdentities((KEYS, MESH)).identify(both, "10.0.0.1:1").team == "keys"
    assert SeveralIdentities((MESH, KEYS)).identify(both, "10.0.0.1:1").team == "mesh"


def test_who_forges_a_certificate_is_refused_whatever_else_they_have() -> None:
    with pytest.raises(NotBelieved):
        SeveralIdentities((MESH, KEYS)).identify(CERT | KEY, "1.1.1.1:1")
    with pytest.raises(NotBelieved):
        SeveralIdentities((KEYS, MESH)).identify(CERT, "1.1.1.1:1")


def test_a_way_that_has_to_ask_is_waited_for() -> None:
    async def work(rooms: TokenRooms) -> None:
        with pytest.raises(CallerPending):
            SeveralIdentities((KEYS, rooms.identity)).identify({b"x-api-key": token()})

    with_tokens(work, Issuer(rsa_jwk()))
