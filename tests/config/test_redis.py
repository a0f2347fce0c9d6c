"""Where Redis is: by URL, with a password that is only referred to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.addresses import Address
from gateway.config.redis import RedisStore, SharedCounting, parse_redis
from tests.config.test_build import good, load
from tests.config.test_check import wrong

FILE = "version: 1\nstores: {hints: '%s'}\n"


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("redis://r", RedisStore(address=Address("r", 6379))),
        ("redis://r:7000/12", RedisStore(address=Address("r", 7000), database=12)),
        ("rediss://[::1]:6380", RedisStore(address=Address("::1", 6380), tls=True)),
        ("redis://us@r/1", RedisStore(address=Address("r", 6379), database=1, user="us")),
    ],
)
def test_a_url_is_taken_apart(tmp_path: Path, url: str, store: RedisStore) -> None:
    assert good(load(tmp_path, FILE % url)).hints == store


def test_a_password_comes_from_where_it_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file")
    for url, user, password in (
        ("redis://us:env:R@r", "us", "from outside"),
        ("redis://:env:R@r", "", "from outside"),
        ("redis://us:file:secret@r", "us", "from a file"),
    ):
        store = good(load(tmp_path, FILE % url, None, R="from outside")).hints
        assert store is not None
        assert store.password is not None
        assert (store.user, store.password.reveal()) == (user, password)
        assert password not in repr(store)
    assert wrong(load(tmp_path, FILE % "redis://us:env:GONE@r")) == [
        "weighbridge.yaml:2: stores.hints: environment variable GONE is not set"
    ]


@pytest.mark.parametrize(
    "url",
    ["memory://", "http://r", "redis://", "redis://us:hunter2@r", "redis://r:0", "redis://r:99999", "redis://r/x"],
)
def test_what_is_none_is_refused_without_being_quoted(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="should be redis://") as refused:
        parse_redis(url)
    assert "hunter2" not in str(refused.value)
    (told,) = wrong(load(tmp_path, FILE % url))
    assert told.startswith("weighbridge.yaml:2: stores.hints: should be redis://host:port/0")


def test_without_it_nothing_is_told(tmp_path: Path) -> None:
    assert good(load(tmp_path, "version: 1\n")).hints is None


def test_limits_are_counted_there_where_the_file_says_so(tmp_path: Path) -> None:
    assert good(load(tmp_path, "version: 1\n")).state is None
    redis = RedisStore(address=Address("r", 6379))
    text = "version: 1\nworkers: 3\nlimits: [{scope: key, concurrency: 1}]\nstores: {state: 'redis://r'%s}\n"
    assert good(load(tmp_path, text % "")).state == SharedCounting(redis=redis, timeout_s=0.05, on_error="local")
    told = good(load(tmp_path, text % ", state_timeout: 20ms, on_store_error: deny")).state
    assert told == SharedCounting(redis=redis, timeout_s=0.02, on_error="deny")
