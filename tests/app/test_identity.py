from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.app.identity import Issuers, build_identity
from gateway.app.keyring import KeyRing
from gateway.clients.clock import SystemClock
from gateway.clients.http import HttpClient
from gateway.clients.key_file import KeyFile
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.core.errors import AuthenticationFailed, StoreUnavailable
from gateway.core.exchange import Principal
from gateway.core.ports import Identity
from gateway.identity.jwt import JwtIdentity
from gateway.identity.several import SeveralIdentities
from tests.support.clock import ManualClock

KEYS = "keys: [{id: k1, key: env:ONE, team: red, tags: {env: prod}}]"
ISSUER = "issuer: 'http://127.0.0.1:9', audience: weighbridge"


def settings_of(tmp_path: Path, text: str, environ: dict[str, str]) -> Settings:
    file = tmp_path / "weighbridge.yaml"
    file.write_text("version: 1\n" + text)
    result = load_settings(Options(config=str(file)), environ, tmp_path)
    assert result.settings is not None, result.problems
    return result.settings


def built(settings: Settings, check: Callable[[Identity, KeyRing], None]) -> None:
    async def main() -> None:
        http = HttpClient()
        issuers = Issuers(http=http, clock=SystemClock())
        try:
            keyring = KeyRing(ManualClock())
            check(build_identity(settings, keyring, issuers), keyring)
        finally:
            await issuers.close()
            await http.close()

    asyncio.run(main())


def test_open_asks_nobody(tmp_path: Path) -> None:
    def check(identity: Identity, keyring: KeyRing) -> None:
        assert identity.identify({}) == Principal()
        assert keyring.store is None

    built(settings_of(tmp_path, "", {}), check)


def test_keys_are_those_of_the_configuration(tmp_path: Path) -> None:
    def check(identity: Identity, keyring: KeyRing) -> None:
        assert isinstance(keyring.store, KeyFile)
        principal = identity.identify({b"authorization": b"Bearer wb-one"})
        assert (principal.key_id, principal.team, principal.tags) == ("k1", "red", {"env": "prod"})
        assert principal.lasting
        with pytest.raises(AuthenticationFailed):
            identity.identify({})

    built(settings_of(tmp_path, f"identity: {{mode: keys, {KEYS}}}\n", {"ONE": "wb-one"}), check)


def test_several_ways_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    def check(identity: Identity, keyring: KeyRing) -> None:
        assert isinstance(identity, SeveralIdentities)
        cert = {b"x-forwarded-client-cert": b"URI=spiffe://acme/ns/blue/sa/a"}
        assert identity.identify(cert, "127.0.0.1:9").team == "blue"
        assert identity.identify({b"api-key": b"wb-one"}, "127.0.0.1:9").team == "red"
        # There may be such a key in the store, which nobody has read yet.
        with pytest.raises(StoreUnavailable):
            identity.identify({b"api-key": b"wb-two"}, "127.0.0.1:9")

    text = f"identity: {{modes: [mesh, jwt, keys], {ISSUER}, peers: [127.0.0.0/8], {KEYS}}}\n"
    built(settings_of(tmp_path, text, {"ONE": "wb-one"}), check)


def test_a_reload_goes_on_with_the_keys_of_an_issuer_that_is_still_trusted(tmp_path: Path) -> None:
    async def main() -> None:
        http = HttpClient()
        issuers = Issuers(http=http, clock=SystemClock())
        settings = settings_of(tmp_path, f"identity: {{mode: jwt, {ISSUER}}}\n", {})
        assert settings.tokens is not None
        first, second = (issuers.verifier(settings.tokens[0]) for _ in range(2))
        assert first.keys is second.keys
        identity = build_identity(settings, KeyRing(ManualClock()), issuers)
        assert isinstance(identity, JwtIdentity)
        assert build_identity(settings, KeyRing(ManualClock()), issuers) is identity
        other = settings_of(tmp_path, f"identity: {{mode: jwt, {ISSUER}, algorithms: [ES256]}}\n", {})
        assert other.tokens is not None
        assert issuers.verifier(other.tokens[0]).keys is not first.keys
        await issuers.close()
        await http.close()

    asyncio.run(main())
