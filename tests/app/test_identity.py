from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.identity import build_identity
from gateway.app.keyring import KeyRing
from gateway.clients.key_file import KeyFile
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Principal
from tests.support.clock import ManualClock


def settings_of(tmp_path: Path, text: str, environ: dict[str, str]) -> Settings:
    file = tmp_path / "weighbridge.yaml"
    file.write_text("version: 1\n" + text)
    result = load_settings(Options(config=str(file)), environ, tmp_path)
    assert result.settings is not None, result.problems
    return result.settings


def test_open_asks_nobody(tmp_path: Path) -> None:
    keyring = KeyRing(ManualClock())
    assert build_identity(settings_of(tmp_path, "", {}), keyring).identify({}) == Principal()
    assert keyring.store is None


def test_keys_are_those_of_the_configuration(tmp_path: Path) -> None:
    text = "identity: {mode: keys, keys: [{id: k1, key: env:ONE, team: red, tags: {env: prod}}]}\n"
    keyring = KeyRing(ManualClock())
    identity = build_identity(settings_of(tmp_path, text, {"ONE": "wb-one"}), keyring)
    assert isinstance(keyring.store, KeyFile)
    principal = identity.identify({b"authorization": b"Bearer wb-one"})
    assert (principal.key_id, principal.team, principal.tags, principal.lasting) == ("k1", "red", {"env": "prod"}, True)
    with pytest.raises(AuthenticationFailed):
        identity.identify({})
