"""Two gateways that share a Redis: what one has found, the other need not find; and Redis may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway_run import Gateway, running, until
from tests.support.redis_server import needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]

CONFIG = """
    version: 1
    providers:
      nowhere: {{kind: openai, base_url: "http://127.0.0.1:1/v1"}}
    models:
      - alias: m
        candidates: [{{provider: nowhere, model: m}}]
        fallback: [sim/echo]
        breaker: {{consecutive: 3, open: 1m}}
    capture: {{bodies: none}}
    policies: {{bundle: []}}
    stores: {{hints: "redis://:env:REDIS_PASSWORD@127.0.0.1:{port}/1"}}
"""


def hints(gateway: Gateway) -> dict[str, Any]:
    return gateway.next_counts()["hints"]


def tried(gateway: Gateway) -> int:
    """How many calls went to the deployment that is not there."""
    return sum(count for (provider, *_), count in gateway.counts()["tries"] if provider == "nowhere")


def test_what_one_gateway_has_found_another_believes(tmp_path: Path) -> None:
    with redis_server("--requirepass", "s3cret") as redis:
        config = CONFIG.format(port=redis.port)
        with (
            running(tmp_path / "one", config=config, REDIS_PASSWORD="s3cret") as one,
            running(tmp_path / "other", operator=True, config=config, REDIS_PASSWORD="s3cret") as other,
        ):
            assert other.chat("m").status == 200
            for _ in range(3):
                assert one.chat("m").status == 200
            until(lambda: hints(one)["told"] == 1)
            until(lambda: hints(other)["believed"] == 1)
            for _ in range(5):
                assert other.chat("m").status == 200
            other.next_counts()
            assert (tried(one), tried(other)) == (3, 1)
            until(lambda: other.metric("weighbridge_hints_connected") == 1)
            assert other.metric('weighbridge_hints_total{event="believed"}') == 1
            # Without Redis all goes on as it is, and it is seen.
            redis.stop()
            assert one.chat("m").status == other.chat("m").status == 200
            until(lambda: not hints(one)["connected"])
            redis.start()
            until(lambda: hints(one)["connected"])
        assert "s3cret" not in one.log + other.log


def test_a_redis_that_is_not_there_keeps_nobody_from_starting(tmp_path: Path) -> None:
    with running(tmp_path, config=CONFIG.format(port=1), REDIS_PASSWORD="x") as gateway:
        assert gateway.chat("m").status == 200
        assert until(lambda: hints(gateway)["failed"]) > 0
