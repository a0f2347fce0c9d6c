"""Visitors of the operator plane who show a token of an identity provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.core.jwt import JwtRefused, looks_like_jwt
from gateway.core.trust import RoleTrust
from gateway.core.vouched import is_name
from gateway.identity.claims import find_claim
from gateway.identity.issuer_keys import IssuerKeys
from gateway.identity.tokens import TokenVerifier
from gateway.operator.roles import Visitor, roles_of

MAX_VALUES = 1_000


class VisitorTokens:
    """Makes visitors of tokens.

    Args:
        trust: Whose, and what their claims mean.
        verifier: Checks them.
    """

    def __init__(self, trust: RoleTrust, verifier: TokenVerifier) -> None:
        self._trust = trust
        self._verifier = verifier

    def visitor(self, token: str) -> Visitor | None:
        """Say who has come; ``None`` when the token is not to be believed.

        Raises:
            CallerPending: That cannot be told yet.
            StoreUnavailable: Nor will it soon.
        """
        secret = token.encode("utf-8", "replace")
        if not looks_like_jwt(secret):
            return None
        try:
            claims, _ = self._verifier.check(secret)
        except JwtRefused:
            return None
        name = find_claim(claims, self._trust.name)
        if not is_name(name):
            return None
        return Visitor(name=str(name), roles=roles_of(self._words(claims)))

    def _words(self, claims: dict[str, Any]) -> tuple[str, ...]:
        said = find_claim(claims, self._trust.roles)
        values = cast("list[Any]", said)[:MAX_VALUES] if isinstance(said, list) else [said]
        texts = [value for value in values if isinstance(value, str)]
        if not self._trust.by_value:
            return tuple(texts)
        return tuple(word for text in texts for word in self._trust.by_value.get(text, ()))


@asynccontextmanager
async def visitor_tokens(trust: RoleTrust | None, clock: Clock) -> AsyncGenerator[VisitorTokens | None, None]:
    """Keep the issuer's keys for as long as the plane is served."""
    if trust is None:
        yield None
        return
    http = HttpClient()
    keys = IssuerKeys(trust.tokens, http, clock)
    keys.renew()
    try:
        yield VisitorTokens(trust, TokenVerifier(trust.tokens, keys, clock))
    finally:
        await keys.close()
        await http.close()
