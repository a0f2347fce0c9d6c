"""What checks tokens, with the issuer's keys at a scripted server and a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from gateway.clients.http import HttpClient
from gateway.core.caller import CallerPending
from gateway.core.exchange import Headers, Principal
from gateway.core.trust import ClaimNames, TokenTrust
from gateway.identity.issuer_keys import IssuerKeys
from gateway.identity.jwt import JwtIdentity
from gateway.identity.tokens import TokenVerifier
from tests.support.clock import ManualClock
from tests.support.issuer import AUDIENCE, ISSUER, Issuer
from tests.support.provider import ScriptedProvider, scripted


@dataclass
class TokenRooms:
    """One of each."""

    server: ScriptedProvider
    issuer: Issuer
    clock: ManualClock
    keys: IssuerKeys
    verifier: TokenVerifier
    identity: JwtIdentity

    async def identify(self, headers: Headers) -> Principal:
        """As a call does it: once more after a wait, and never a third time."""
        try:
            return self.identity.identify(headers)
        except CallerPending as pending:
            await pending.wait()
        try:
            return self.identity.identify(headers)
        except CallerPending:
            raise AssertionError("a call would wait twice") from None

    async def bearer(self, secret: bytes) -> Principal:
        return await self.identify({b"authorization": b"Bearer " + secret})


def with_tokens(
    work: Callable[[TokenRooms], Awaitable[None]], issuer: Issuer, names: ClaimNames | None = None, /, **trust: object
) -> None:
    """Run a test; keys are at ``jwks_url`` unless the test says where to discover them."""

    async def main() -> None:
        async with scripted(issuer.answer) as server:
            issuer.url = f"http://127.0.0.1:{server.port}"
            told = {"issuer": ISSUER, "audiences": (AUDIENCE,), "jwks_url": f"{issuer.url}/keys"} | trust
            if told["issuer"] == "discovered":
                told |= {"issuer": issuer.url, "jwks_url": ""}
            trusted = msgspec.convert(told, TokenTrust)
            http, clock = HttpClient(), ManualClock()
            keys = IssuerKeys(trusted, http, clock)
            verifier = TokenVerifier(trusted, keys, clock)
            identity = JwtIdentity(verifier, names or ClaimNames(team="team"), clock, b"p" * 32)
            try:
                await asyncio.wait_for(work(TokenRooms(server, issuer, clock, keys, verifier, identity)), 60)
            finally:
                await keys.close()
                await http.close()

    asyncio.run(main())
