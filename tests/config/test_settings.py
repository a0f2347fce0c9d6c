from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.references import Secret
from gateway.config.settings import ProviderEntry, Settings, config_hash


def settings(cwd: Path = Path("/srv/a")) -> Settings:
    result = load_settings(Options(), {"OPENAI_API_KEY": "sk-1"}, cwd)
    assert result.settings is not None
    return result.settings


def test_the_hash_is_twelve_hexadecimal_digits_and_does_not_hash_itself():
    one = settings()
    digest = config_hash(one, (Path("/srv/a"),))
    assert len(digest) == 12
    assert int(digest, 16) >= 0
    assert config_hash(msgspec.structs.replace(one, config_hash="other"), (Path("/srv/a"),)) == digest


def test_any_value_changes_the_hash():
    one = settings()
    digests = {
        config_hash(changed, (Path("/srv/a"),))
        for changed in (
            one,
            msgspec.structs.replace(one, workers=2),
            msgspec.structs.replace(one, drain_timeout_s=1.0),
            msgspec.structs.replace(one, models=()),
            msgspec.structs.replace(one, providers={"x": ProviderEntry(name="x", kind="openai", base_url="http://h")}),
        )
    }
    assert len(digests) == 5


def test_a_rotated_secret_changes_no_hash_and_another_reference_does():
    def with_key(secret: Secret) -> str:
        entry = ProviderEntry(name="x", kind="openai", base_url="http://h", api_key=secret)
        return config_hash(msgspec.structs.replace(settings(), providers={"x": entry}), ())

    assert with_key(Secret("old", "env:A")) == with_key(Secret("new", "env:A"))
    assert with_key(Secret("old", "env:A")) != with_key(Secret("old", "env:B"))


def test_the_same_configuration_elsewhere_has_the_same_hash():
    assert settings(Path("/srv/a")).config_hash == settings(Path("/srv/b")).config_hash


def test_settings_are_frozen_and_show_no_secret():
    one = settings()
    assert "sk-1" not in repr(one)
    assert "***" in repr(one)
    assert all(kind.__struct_config__.frozen for kind in (type(one), type(one.listen), type(one.spool)))
