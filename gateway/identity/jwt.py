"""Callers who show a token of an issuer that the configuration trusts.

A token that was believed is remembered by a digest of it, until it ends or its issuer's keys change: the calls that
bring it again pay a look-up.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

from gateway.clients.clock import Clock
from gateway.clients.jws import VerifyingKey
from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Headers, Principal
from gateway.core.jwt import JwtRefused
from gateway.core.trust import ClaimNames
from gateway.identity.claims import principal_of
from gateway.identity.credential import read_credential
from gateway.identity.tokens import TokenVerifier

MAX_REMEMBERED = 10_000
_REFUSED = "Incorrect API key provided."

K = TypeVar("K")
V = TypeVar("V")
_Place = tuple[bytes, bytes | tuple[bytes, ...]]


class JwtIdentity:
    """Knows callers by their tokens.

    Args:
        verifier: Checks them.
        names: Which claims say what.
        clock: Says whether one still holds.
        process_key: Random bytes under which digests of tokens are made: they are worth nothing anywhere else.
    """

    __slots__ = ("_clock", "_keys", "_names", "_principals", "_process_key", "_remembered", "_verifier")

    def __init__(self, verifier: TokenVerifier, names: ClaimNames, clock: Clock, process_key: bytes) -> None:
        self._verifier = verifier
        self._names = names
        self._clock = clock
        self._process_key = process_key
        self._remembered: dict[_Place, tuple[int, Principal]] = {}
        self._principals: dict[str, Principal] = {}
        self._keys: tuple[VerifyingKey, ...] | None = None

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Find out who is calling.

        Raises:
            AuthenticationFailed: No token, one that is not to be believed, or two different ones.
            CallerPending: That cannot be told yet.
            StoreUnavailable: Nor will it soon.
        """
        secret, consumed = read_credential(headers)
        if not secret:
            raise AuthenticationFailed("You didn't provide an API key.")
        keys = self._verifier.keys.current()
        if keys is not self._keys:
            # What an old key has signed is not believed for ever.
            self._remembered.clear()
            self._keys = keys
        place = (hashlib.blake2b(secret, digest_size=32, key=self._process_key).digest(), consumed)
        found = self._remembered.get(place)
        if found is not None:
            if self._clock.unix_ms() < found[0]:
                return found[1]
            del self._remembered[place]
        return self._check(secret, place)

    def _check(self, secret: bytes, place: _Place) -> Principal:
        consumed = place[1]
        try:
            claims, ends_s = self._verifier.check(secret)
            headers = frozenset((consumed,) if isinstance(consumed, bytes) else consumed)
            principal = self._same(principal_of(claims, self._names, headers))
        except JwtRefused:
            raise AuthenticationFailed(_REFUSED) from None
        _keep(self._remembered, place, (int((ends_s + self._verifier.leeway_s) * 1000), principal))
        return principal

    def _same(self, principal: Principal) -> Principal:
        """One object for equal callers, so that what is worked out for one token holds for the next."""
        shown = repr(principal)
        found = self._principals.get(shown)
        if found is None:
            found = principal
            _keep(self._principals, shown, principal)
        return found


def _keep(table: dict[K, V], key: K, value: V) -> None:
    if len(table) >= MAX_REMEMBERED:
        del table[next(iter(table))]
    table[key] = value
