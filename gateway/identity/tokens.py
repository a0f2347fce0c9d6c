"""Whether a token is to be believed: taken apart, its claims checked, its signature checked with its issuer's keys."""

from __future__ import annotations

from typing import Any

from gateway.clients.clock import Clock
from gateway.clients.jws import VerifyingKey, verify
from gateway.core.caller import CallerPending
from gateway.core.errors import StoreUnavailable
from gateway.core.jwt import Expected, JwtRefused, Token, check_claims, take_apart
from gateway.core.trust import TokenTrust
from gateway.identity.issuer_keys import BACK_OFF_S, IssuerKeys


class TokenVerifier:
    """Checks the tokens of one issuer.

    Args:
        trust: Which, and what its tokens must be like.
        keys: Its keys.
        clock: Says whether a token still holds.
    """

    def __init__(self, trust: TokenTrust, keys: IssuerKeys, clock: Clock) -> None:
        self.keys = keys
        self.leeway_s = trust.leeway_s
        self._expected = Expected(issuer=trust.issuer, audiences=trust.audiences, leeway_s=trust.leeway_s)
        self._clock = clock

    def check(self, secret: bytes) -> tuple[dict[str, Any], float]:
        """Check a token.

        Returns:
            Its claims, and when it ends, in seconds since 1970.

        Raises:
            JwtRefused: It is not to be believed.
            CallerPending: The key that it names may be among those that can be fetched now.
            StoreUnavailable: There are no keys, and none to be had at the moment.
        """
        token = take_apart(secret)
        # First, since it costs least: for what would be refused anyway nobody is asked for keys.
        ends_s = check_claims(token.claims, self._expected, self._clock.unix_ms() / 1000)
        keys = self.keys.current()
        if keys is None:
            if self.keys.may_wait():
                raise CallerPending(self.keys.renewed)
            raise StoreUnavailable("Callers cannot be identified at the moment.", retry_after_s=BACK_OFF_S)
        suiting = _suiting(keys, token)
        if suiting and verify(suiting, token.algorithm, token.signed, token.signature):
            return token.claims, ends_s
        # A key of that name is known, so what it did not sign is no reason to ask for others.
        if (token.kid and suiting) or not self.keys.may_wait():
            raise JwtRefused("signature")
        raise CallerPending(self.keys.renewed)


def _suiting(keys: tuple[VerifyingKey, ...], token: Token) -> tuple[VerifyingKey, ...]:
    """Those that may have signed a token: of its name, or, where it names none, the only one of its kind."""
    if token.kid:
        return tuple(key for key in keys if key.kid == token.kid)
    of_kind = tuple(key for key in keys if token.algorithm in key.checks)
    return of_kind if len(of_kind) == 1 else ()
