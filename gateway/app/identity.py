"""Builds what tells callers apart, as the configuration asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from gateway.app.key_stores import key_store
from gateway.app.keyring import KeyRing
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.config.settings import Settings
from gateway.core.ports import Identity
from gateway.core.trust import ClaimNames, MeshTrust, Mode, TokenTrust
from gateway.identity.issuer_keys import IssuerKeys
from gateway.identity.jwt import JwtIdentity
from gateway.identity.mesh import MeshIdentity
from gateway.identity.open import OpenIdentity
from gateway.identity.several import SeveralIdentities
from gateway.identity.tokens import TokenVerifier


@dataclass(kw_only=True, slots=True)
class Issuers:
    """The keys of issuers, which outlive a reload."""

    http: HttpClient
    clock: Clock
    _keys: dict[TokenTrust, IssuerKeys] = field(default_factory=dict[TokenTrust, IssuerKeys])
    _last: tuple[TokenTrust, ClaimNames, JwtIdentity] | None = None

    def verifier(self, trust: TokenTrust) -> TokenVerifier:
        """What checks an issuer's tokens; its keys are fetched at once, so that the first call finds them."""
        keys = self._keys.get(trust)
        if keys is None:
            keys = self._keys[trust] = IssuerKeys(trust, self.http, self.clock)
            keys.renew()
        return TokenVerifier(trust, keys, self.clock)

    def identity(self, trust: TokenTrust, names: ClaimNames) -> JwtIdentity:
        """What knows callers by an issuer's tokens: the same as before while the same is asked for."""
        if self._last is None or self._last[:2] != (trust, names):
            self._last = trust, names, JwtIdentity(self.verifier(trust), names, self.clock, os.urandom(32))
        return self._last[2]

    async def close(self) -> None:
        """Fetch no more keys."""
        for keys in self._keys.values():
            await keys.close()


def build_identity(settings: Settings, keyring: KeyRing, issuers: Issuers) -> Identity:
    """Build it.

    Args:
        settings: The checked configuration.
        keyring: Has the virtual keys, where these are asked for.
        issuers: Have what tokens are checked with.
    """
    if not settings.modes:
        return OpenIdentity()
    identities = tuple(_identity(mode, settings, keyring, issuers) for mode in settings.modes)
    return identities[0] if len(identities) == 1 else SeveralIdentities(identities)


def _identity(mode: Mode, settings: Settings, keyring: KeyRing, issuers: Issuers) -> Identity:
    if mode == "jwt" and settings.tokens is not None:
        return issuers.identity(*settings.tokens)
    if mode == "mesh":
        return MeshIdentity(settings.mesh or MeshTrust(peers=(), rules=()))
    keyring.follow(key_store(settings))
    return keyring.identity(settings.keys)
