"""Two workers, one Redis: what they admit together is what one would; either may die, and Redis may go."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis

from tests.support.agreement import number
from tests.support.gateway_run import Gateway, running, until
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]

CONFIG = """
    version: 1
    workers: 2
    capture: {{bodies: none}}
    policies: {{bundle: []}}
    stores:
      state: "redis://:env:REDIS_PASSWORD@127.0.0.1:{port}/1"
      state_timeout: {limit}
      on_store_error: {otherwise}
    limits:
      - {{scope: model, requests: {{max: {calls}, per: day}}, concurrency: 50}}
"""
PASSWORD = "s3cret"


def configured(redis: RedisServer, calls: int, *, limit: str = "20s", otherwise: str = "deny") -> str:
    return CONFIG.format(port=redis.port, calls=calls, limit=limit, otherwise=otherwise)


def statuses(gateway: Gateway, number: int) -> list[int]:
    """Ask so often, eight at a time, each on a connection of its own: both workers are asked."""

    def ask(_: int) -> int:
        try:
            return gateway.chat().status
        except ConnectionError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(number)))


def told(gateway: Gateway, index: int) -> dict[str, Any]:
    return gateway.counts(index)["state"]


def held(redis: RedisServer) -> dict[str, int]:
    """Calls that hold something, and seats that are taken, as Redis knows them."""
    with Redis(port=redis.port, db=1, password=PASSWORD) as client:
        records = cast("list[bytes]", client.keys("{wb}:w:*"))
        leases = [
            field for key in records for field in cast("list[bytes]", client.hkeys(key.decode()))
            if field not in {b"epoch", b"settled"}
        ]  # fmt: skip
        seats = cast("list[bytes]", client.keys("{wb}:c:*/seats/*"))
        return {"leases": len(leases), "seats": len(seats)}


def test_two_workers_admit_exactly_what_one_would_and_one_of_them_may_die(tmp_path: Path) -> None:
    with redis_server("--requirepass", PASSWORD) as redis:
        with running(tmp_path, operator=True, config=configured(redis, 100), REDIS_PASSWORD=PASSWORD) as gateway:
            with redis.watched() as heard:
                first = statuses(gateway, 70)
                assert first == [200] * 70
                until(lambda: told(gateway, 0)["asked"] and told(gateway, 1)["asked"])
                until(lambda: told(gateway, 0)["asked"] + told(gateway, 1)["asked"] == 70)
                until(lambda: held(redis)["leases"] == 0)
            costs_what_docs_say(heard, 70)
            until(lambda: number(gateway, "count()") == 70)
            assert [number(gateway, "count()", table) for table in ("attempts", "bodies", "guard_events")] == [70, 0, 0]
            # Its successor counts on where all of them are.
            gateway.kill_worker(1)
            second = statuses(gateway, 80)
            # Whoever was with it when it died was answered by nobody, and may have been counted.
            assert set(second) <= {200, 429, 0}
            assert second.count(200) <= 30 <= second.count(200) + second.count(0)
            assert gateway.chat().status == 429
            until(lambda: gateway.metric("weighbridge_state_connected") == 1)
            assert gateway.metric('weighbridge_state_total{event="asked"}') >= 70
            until(lambda: held(redis)["seats"] == 0)
            assert gateway.stop() == 0
        # Nothing is left of either but what the killed one held, and the counters.
        assert held(redis)["leases"] == 0


def costs_what_docs_say(heard: list[tuple[bool, list[str]]], calls: int) -> None:
    """Hold what calls with two counters asked of Redis against what docs/scale.md reckons with."""
    scripts = [words for by_script, words in heard if not by_script and words[0] == "EVALSHA"]
    # All others are workers that say that they live.
    of_calls = [words for words in scripts if "{wb}:mark" not in words]
    assert len(of_calls) == 2 * calls
    # All counters are in one slot of a cluster.
    assert {key.partition("}")[0] for words in of_calls for key in words[3 : 3 + int(words[2])]} == {"{wb"}
    inside = Counter(words[0].upper() for by_script, words in heard if by_script and "{wb}:rebuilt" not in words)
    assert (inside["HMGET"], inside["MGET"], inside["HDEL"], inside["ZREM"]) == (2 * calls, 2 * calls, calls, calls)
    # A call that used what was thought is counted once; its seat is taken, and given back.
    assert inside["SET"] - (len(scripts) - len(of_calls)) == inside["ZADD"] - (len(scripts) - len(of_calls)) == calls


def seen_whole(gateway: Gateway) -> None:
    """Wait until each worker has seen Redis with all that was counted so far: each looks every second."""
    for index in range(2):
        for _ in range(3):
            gateway.next_counts(index)


@pytest.mark.parametrize("otherwise", ["deny", "allow", "local"])
def test_calls_go_on_as_configured_while_redis_is_gone(tmp_path: Path, otherwise: str) -> None:
    with redis_server("--requirepass", PASSWORD) as redis:
        config = configured(redis, 40, limit="1s", otherwise=otherwise)
        with running(tmp_path, operator=True, config=config, REDIS_PASSWORD=PASSWORD) as gateway:
            assert statuses(gateway, 20) == [200] * 20
            until(lambda: told(gateway, 0)["workers"] == told(gateway, 1)["workers"] == 2)
            until(lambda: int(gateway.sql("SELECT count() AS calls FROM exchanges")[0]["calls"]) == 20)
            seen_whole(gateway)
            redis.stop()
            until(lambda: not told(gateway, 0)["connected"] and not told(gateway, 1)["connected"])
            until(lambda: gateway.metric("weighbridge_state_connected") == 0)
            went = statuses(gateway, 30)
            # Half of what was left when a worker was last told, for each of two: more than none, less than there was.
            expected = {"deny": range(1), "allow": range(30, 31), "local": range(1, 30)}
            assert went.count(200) in expected[otherwise]
            assert set(went) <= {200, 503 if otherwise == "deny" else 429}
            redis.start()
            until(lambda: told(gateway, 0)["connected"] and told(gateway, 1)["connected"])
            until(lambda: told(gateway, 0)["waiting"] == told(gateway, 1)["waiting"] == 0)
            # It was empty when it came back; what was spent before and meanwhile is in it.
            with Redis(port=redis.port, db=1, password=PASSWORD) as client:
                until(lambda: client.get("{wb}:rebuilt") == b"done")
                assert len(cast("list[bytes]", client.keys("{wb}:c:*/requests/*"))) == 1
            assert statuses(gateway, 45).count(200) == max(0, 20 - went.count(200))


@pytest.mark.parametrize("otherwise", ["allow", "local"])
def test_what_was_spent_while_redis_was_gone_counts_once(tmp_path: Path, otherwise: str) -> None:
    with redis_server("--requirepass", PASSWORD) as redis:
        config = configured(redis, 40, limit="1s", otherwise=otherwise)
        with running(tmp_path, operator=True, config=config, REDIS_PASSWORD=PASSWORD) as gateway:
            assert statuses(gateway, 20) == [200] * 20
            until(lambda: told(gateway, 0)["workers"] == told(gateway, 1)["workers"] == 2)
            until(lambda: int(gateway.sql("SELECT count() AS calls FROM exchanges")[0]["calls"]) == 20)
            seen_whole(gateway)
            redis.stop()
            until(lambda: not told(gateway, 0)["connected"] and not told(gateway, 1)["connected"])
            # Few enough that a second counting of them would be seen.
            assert statuses(gateway, 8) == [200] * 8
            until(lambda: int(gateway.sql("SELECT count() AS calls FROM exchanges")[0]["calls"]) == 28)
            redis.start()
            until(lambda: told(gateway, 0)["connected"] and told(gateway, 1)["connected"])
            until(lambda: told(gateway, 0)["waiting"] == told(gateway, 1)["waiting"] == 0)
            with Redis(port=redis.port, db=1, password=PASSWORD) as client:
                until(lambda: client.get("{wb}:rebuilt") == b"done")
            assert statuses(gateway, 45).count(200) == 12


def test_workers_are_reloaded_and_drained_together(tmp_path: Path) -> None:
    with redis_server("--requirepass", PASSWORD) as redis:
        config = configured(redis, 20)
        with running(tmp_path, operator=True, config=config, REDIS_PASSWORD=PASSWORD) as gateway:
            assert statuses(gateway, 20) == [200] * 20
            assert gateway.chat().status == 429
            file = tmp_path / "weighbridge.yaml"
            file.write_text(file.read_text().replace("max: 20", "max: 30"))
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: all(gateway.counts(index)["config_reloads"].get("applied") for index in (0, 1)))
            # The limit has changed, what was counted has not.
            assert statuses(gateway, 20).count(200) == 10
            assert gateway.stop() == 0
        with Redis(port=redis.port, db=1, password=PASSWORD) as client:
            assert not client.exists("{wb}:workers")


def test_nobody_waits_for_a_redis_that_is_not_there_when_the_gateway_starts(tmp_path: Path) -> None:
    config = configured(RedisServer(), 6, limit="1s", otherwise="local")
    with running(tmp_path, config=config, REDIS_PASSWORD=PASSWORD) as gateway:
        # Three for each of two workers.
        assert 3 <= statuses(gateway, 20).count(200) <= 6
        until(lambda: "Redis cannot be reached" in gateway.log)
        assert PASSWORD not in gateway.log


def test_budgets_are_counted_again_after_redis_has_lost_all(tmp_path: Path) -> None:
    with redis_server("--requirepass", PASSWORD) as redis, Redis(port=redis.port, db=1, password=PASSWORD) as client:
        with running(tmp_path, operator=True, config=configured(redis, 12), REDIS_PASSWORD=PASSWORD) as gateway:
            until(lambda: client.get("{wb}:rebuilt") == b"done")
            first = statuses(gateway, 14)
            assert sorted(first) == [200] * 12 + [429] * 2
            until(lambda: held(redis)["leases"] == 0)
            # What has not been seen there since is told again by the workers, and not asked for.
            seen_whole(gateway)
            client.flushall()
            # The workers notice at their next beat; then one of them asks the trace store.
            until(lambda: client.get("{wb}:rebuilt") == b"done")
            assert gateway.log.count("counted again in Redis, 1 counters") == 1
            # What was admitted meanwhile counts as well.
            assert gateway.chat().status == 429
            assert gateway.stop() == 0
        # A restart finds it done.
        with running(tmp_path, operator=True, config=configured(redis, 13), REDIS_PASSWORD=PASSWORD) as gateway:
            assert gateway.chat().status == 200
            assert gateway.chat().status == 429
