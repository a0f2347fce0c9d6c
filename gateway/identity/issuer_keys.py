"""The keys of an issuer of tokens: fetched, kept, and fetched again when they are old or lack one that is asked for.

Whoever sends tokens chooses the names of the keys in them. So at most one fetch is under way, there is a pause after
each, and every wait has an end.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from gateway.clients.brief_call import fetch
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.clients.jws import VerifyingKey, read_key_set
from gateway.clients.outside import is_elsewhere, public_addresses
from gateway.core.errors import GatewayError, InvalidAnswer
from gateway.core.exchange import Timeouts
from gateway.core.jwt import EVERY_ALGORITHM, JwtRefused
from gateway.core.trust import TokenTrust

log = logging.getLogger("weighbridge.identity")
DISCOVERY = "/.well-known/openid-configuration"
MAX_DOCUMENT_BYTES = 262_144
# All of a fetch together, and so the longest that a call waits for one.
FETCH_S = 5.0
# Between a fetch and the next that somebody's token gives cause for.
COOLDOWN_S = 10.0
# After one that failed, while there are no keys at all.
BACK_OFF_S = 2.0
MAX_WAITING = 1_000
_TIMEOUTS = Timeouts(connect_s=3.0, first_token_s=4.0, idle_s=3.0, total_s=FETCH_S)


class _Discovered(msgspec.Struct):
    issuer: str
    jwks_uri: str


class IssuerKeys:
    """The keys of one issuer.

    Args:
        trust: Whose.
        http: Fetches them.
        clock: Says how old they are.
    """

    def __init__(self, trust: TokenTrust, http: HttpClient, clock: Clock) -> None:
        self._trust = trust
        self._http = http
        self._clock = clock
        self._keys: tuple[VerifyingKey, ...] | None = None
        self._fetched_s = self._tried_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0
        self._failing = False
        self.fetches = 0

    def current(self) -> tuple[VerifyingKey, ...] | None:
        """The keys that are good now; ``None`` where there are none. They stay the same object while they are equal."""
        age_s = self._clock.monotonic_ns() / 1e9 - self._fetched_s
        if age_s > self._trust.refresh_s:
            self.renew()
            if age_s > self._trust.keep_s:
                self._keys = None
        return self._keys

    def renew(self) -> None:
        """Fetch them, beside whatever goes on, unless that is under way or was tried just now."""
        if self._fetching is None and self._rested(BACK_OFF_S if self._keys is None else COOLDOWN_S):
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    def may_wait(self) -> bool:
        """Whether :meth:`renewed` may bring something new; else the keys that are there are all there is to know."""
        pause_s = BACK_OFF_S if self._keys is None else COOLDOWN_S
        return self._waiting < MAX_WAITING and (self._fetching is not None or self._rested(pause_s))

    async def renewed(self) -> None:
        """Wait for the fetch that is under way, or begin one; ends after :data:`FETCH_S` seconds, whatever comes."""
        self.renew()
        if self._fetching is None:
            return
        self._waiting += 1
        try:
            # Who leaves ends its own wait, not the fetch.
            await asyncio.wait({self._fetching})
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Fetch no more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _rested(self, pause_s: float) -> bool:
        return self._now_s() - self._tried_s >= pause_s

    async def _fetch(self) -> None:
        self.fetches += 1
        try:
            async with asyncio.timeout(FETCH_S):
                keys = await self._ask()
        except (GatewayError, JwtRefused, TimeoutError) as error:
            why = error.public_message if isinstance(error, GatewayError) else "no set of keys, or not in time"
            if not self._failing:
                log.warning("identity: the keys of %s cannot be fetched: %s", self._trust.issuer, why)
            self._failing = True
        else:
            self._failing = False
            self._fetched_s = self._now_s()
            if self._keys is None or _digests(keys) != _digests(self._keys):
                self._keys = keys
        finally:
            self._tried_s = self._now_s()
            self._fetching = None

    async def _ask(self) -> tuple[VerifyingKey, ...]:
        if self._trust.jwks_url:
            document = await self._document(self._trust.jwks_url)
        else:
            discovery = self._trust.issuer.rstrip("/") + DISCOVERY
            document = await self._named(await self._discover(discovery), discovery)
        return read_key_set(document, self._trust.algorithms or EVERY_ALGORITHM)

    async def _discover(self, url: str) -> str:
        """Ask the issuer where its keys are (OpenID Connect Discovery 1.0 §4)."""
        try:
            said = msgspec.json.decode(await self._document(url), type=_Discovered)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidAnswer("The issuer's configuration cannot be read.") from None
        if said.issuer != self._trust.issuer:
            raise InvalidAnswer("The issuer's configuration is that of another issuer.")
        return said.jwks_uri

    async def _document(self, url: str) -> bytes:
        return await _fetched(self._http, url)

    async def _named(self, url: str, named_by: str) -> bytes:
        """Fetch what the issuer's own document names: on another host, from the internet alone."""
        if not is_elsewhere(url, named_by):
            return await self._document(url)
        http = HttpClient(tls=self._http.context(), resolve=public_addresses)
        try:
            return await _fetched(http, url)
        finally:
            await http.close()


async def _fetched(http: HttpClient, url: str) -> bytes:
    return await fetch(http, url, {"accept": "application/json"}, MAX_DOCUMENT_BYTES, _TIMEOUTS)


def _digests(keys: tuple[VerifyingKey, ...]) -> list[tuple[str, str]]:
    return sorted((key.kid, key.digest) for key in keys)
