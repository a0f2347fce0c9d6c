from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.trust import RoleTrust, TokenTrust
from gateway.operator.auth import Gate, hold_token
from gateway.operator.edge import guard, json_answer
from gateway.operator.roles import EVERY_ROLE, Visitor, actor_of, visitor_of
from gateway.operator.visitor_tokens import VisitorTokens, visitor_tokens
from tests.support.clock import ManualClock
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, adversarial, claims, rsa_jwk, token
from tests.support.provider import scripted
from tests.support.token_rooms import TokenRooms, with_tokens

TRUST = TokenTrust(issuer=ISSUER, audiences=(AUDIENCE,))


def visitor(rooms: TokenRooms, said: dict[str, Any], **trust: Any) -> Visitor | None:
    tokens = VisitorTokens(RoleTrust(tokens=TRUST, **trust), rooms.verifier)
    return tokens.visitor(token(claims(**said)).decode())


def test_claims_say_who_somebody_is_and_what_they_may_do() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        found = visitor(rooms, {"roles": ["viewer", "key_admin", "boss", 7]})
        assert found == Visitor(name="ann", roles=frozenset({"viewer", "key_admin"}))
        assert visitor(rooms, {"roles": "admin"}) == Visitor(name="ann", roles=EVERY_ROLE)
        assert visitor(rooms, {}) == Visitor(name="ann", roles=frozenset())
        mapped: dict[str, Any] = {"name": "email", "roles": "realm.groups", "by_value": {"sre": ("operator",)}}
        said = {"email": "ann@example.com", "realm": {"groups": ["sre", "admin"]}}
        assert visitor(rooms, said, **mapped) == Visitor(name="ann@example.com", roles=frozenset({"operator"}))
        assert visitor(rooms, {"realm": {"groups": ["sre"]}}, **mapped) is None

    with_tokens(work, Issuer(rsa_jwk()))


def test_what_must_not_be_believed_is_nobody() -> None:
    async def work(rooms: TokenRooms) -> None:
        await rooms.keys.renewed()
        tokens = VisitorTokens(RoleTrust(tokens=TRUST), rooms.verifier)
        ours = ("team", "models")
        for wrong, secret in adversarial().items():
            if not any(word in wrong for word in ours):
                assert tokens.visitor(secret.decode("latin-1")) is None, wrong
        assert tokens.visitor("plain") is None

    with_tokens(work, Issuer(rsa_jwk()))


async def whoami(request: web.Request) -> web.StreamResponse:
    return json_answer({"name": visitor_of(request).name, "who": actor_of(request).who})


@pytest.mark.parametrize(
    ("secret", "path", "status"),
    [
        (token(claims(roles=["viewer"])).decode(), "/look", 200),
        (token(claims(roles=["viewer"])).decode(), "/keys", 403),
        (token(claims(roles=["key_admin"])).decode(), "/keys", 200),
        (token(claims(roles=[])).decode(), "/look", 403),
        (token(claims(roles=["admin"], aud="callers")).decode(), "/look", 401),
        ("root", "/keys", 200),
        ("bob", "/look", 200),
        ("bob", "/keys", 403),
        ("nobody", "/look", 401),
    ],
)
def test_the_plane_takes_tokens_of_both_kinds(secret: str, path: str, status: int) -> None:
    async def main() -> None:
        issuer = Issuer(rsa_jwk())
        async with scripted(issuer.answer) as server:
            where = TokenTrust(issuer=ISSUER, audiences=(AUDIENCE,), jwks_url=f"http://127.0.0.1:{server.port}/keys")
            async with visitor_tokens(RoleTrust(tokens=where), ManualClock()) as tokens:
                bob = hold_token("bob", Visitor(name="bob", roles=frozenset({"operator"})))
                needed: Any = {("GET", "/look"): "viewer", ("GET", "/keys"): "key_admin"}
                app = web.Application(middlewares=[guard(Gate("root", (bob,), tokens), needed)])
                app.router.add_get("/look", whoami)
                app.router.add_get("/keys", whoami)
                served = TestServer(app)
                await served.start_server()
                url, headers = served.make_url(path), {"authorization": f"Bearer {secret}"}
                async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
                    assert answer.status == status
                    if status == 200:
                        said = await answer.json()
                        assert said["name"] == said["who"] in {"ann", "token", "bob"}
                await served.close()

    asyncio.run(main())


def test_without_a_provider_there_is_nothing_to_keep() -> None:
    async def main() -> None:
        async with visitor_tokens(None, ManualClock()) as tokens:
            assert tokens is None

    asyncio.run(main())


def test_an_identity_provider_that_is_away_is_a_503() -> None:
    async def main() -> None:
        issuer = Issuer(rsa_jwk())
        issuer.status = "500 Oops"
        async with scripted(issuer.answer) as server:
            where = TokenTrust(issuer=ISSUER, audiences=(AUDIENCE,), jwks_url=f"http://127.0.0.1:{server.port}/keys")
            async with visitor_tokens(RoleTrust(tokens=where), ManualClock()) as tokens:
                app = web.Application(middlewares=[guard(Gate(None, (), tokens), {("GET", "/look"): "viewer"})])
                app.router.add_get("/look", whoami)
                served = TestServer(app)
                await served.start_server()
                headers = {"authorization": f"Bearer {token().decode()}"}
                async with aiohttp.ClientSession() as session:
                    async with session.get(served.make_url("/look"), headers=headers) as answer:
                        assert answer.status == 503
                    async with session.get(served.make_url("/look")) as answer:
                        assert answer.status == 401
                await served.close()

    asyncio.run(main())
