from __future__ import annotations

from pathlib import Path

from gateway.app.key_stores import key_store
from gateway.clients.key_file import KeyFile
from gateway.clients.redis_keys import RedisKeys
from tests.support.settings import good, load


def test_keys_are_in_the_home_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    for text in ("version: 1\n", "version: 1\nstores: {keys: home}\n"):
        store = key_store(good(load(tmp_path, text, None)))
        assert isinstance(store, KeyFile)
        assert store.folder.parent == good(load(tmp_path, text, None)).home
    text = "version: 1\nstores: {keys: 'redis://:env:REDIS@127.0.0.1:7777/3'}\n"
    assert isinstance(key_store(good(load(tmp_path, text, None, REDIS="x"))), RedisKeys)


def test_keys_are_where_limits_are_counted_together_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    text = "version: 1\nstores: {state: 'redis://:env:REDIS@127.0.0.1:7777/3'}\n"
    settings = good(load(tmp_path, text, None, REDIS="x"))
    assert settings.state is not None
    assert settings.key_store == settings.state.redis
    assert isinstance(key_store(settings), RedisKeys)
    apart = good(load(tmp_path, text.replace("}\n", ", keys: home}\n"), None, REDIS="x"))
    assert isinstance(key_store(apart), KeyFile)
