"""``kill -9`` of a gateway with limits in memory: the next one goes on counting where it stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest

from tests.support.gateway_run import Gateway, exhausted, running, until

pytestmark = pytest.mark.integration

# Each call costs half a dollar, so that the third is refused.
CONFIG = """
    version: 1
    capture: {{bodies: none}}
    policies: {{bundle: []}}
    prices: {{source: genai-prices, overrides: prices.yaml}}
    providers:
      scripted: {{kind: openai, base_url: "{provider}"}}
    models:
      - {{alias: m, candidates: [{{provider: scripted, model: m}}]}}
    limits:
      - {{scope: model, budget: {{usd: 1, per: month}}}}
      - {{scope: provider, requests: {{max: 50, per: hour}}}}
"""
PRICES = "- {provider: scripted, model: m, input: 0, output: 0, per_call: 0.5}\n"
AWAY = '    stores: {traces: "clickhouse://127.0.0.1:9/none"}\n'
REBUILT = "weighbridge_limits_rebuild_total"


class Provider(BaseHTTPRequestHandler):
    """Answers everything with two words."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = orjson.dumps({
            "id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "so"}}],
        })  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield CONFIG.format(provider=f"http://127.0.0.1:{server.server_port}/v1")
        server.shutdown()


def kill(gateway: Gateway) -> None:
    os.killpg(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(30)
    until(lambda: exhausted(gateway.process.pid))


def rebuilt(gateway: Gateway, times: int) -> None:
    """Wait until the store's part has been counted so often, in all runs."""
    until(lambda: gateway.log.count("limits: what was used before is counted") >= times)
    until(lambda: gateway.metric("weighbridge_limits_rebuilding") == 0)


def statuses(gateway: Gateway, number: int) -> list[int]:
    return [gateway.chat("m").status for _ in range(number)]


def test_with_lines_in_the_spool_alone(tmp_path: Path, config: str) -> None:
    with running(tmp_path, config=config) as gateway:
        assert statuses(gateway, 3) == [200, 200, 429]
        kill(gateway)
    with running(tmp_path, config=config) as gateway:
        refused = gateway.chat("m")
        assert (refused.status, refused.json()["error"]["code"]) == (429, "budget_exceeded")


def test_with_lines_in_the_store_and_in_the_spool_each_counts_once(tmp_path: Path, config: str) -> None:
    with running(tmp_path, operator=True, config=config) as gateway:
        rebuilt(gateway, 1)
        assert statuses(gateway, 1) == [200]
        assert gateway.stop() == 0
        assert list((gateway.home / "spool").glob("*.ndjson")) == []
    with running(tmp_path, operator=True, config=config) as gateway:
        rebuilt(gateway, 2)
        # Had the first one been counted twice, there would be no room for this one.
        assert statuses(gateway, 1) == [200]
        kill(gateway)
    with running(tmp_path, operator=True, config=config) as gateway:
        rebuilt(gateway, 3)
        assert gateway.metric(REBUILT + '{event="answered"}') == 1
        assert statuses(gateway, 1) == [429]
        # A worker that dies alone finds the same.
        gateway.kill_worker()
        rebuilt(gateway, 4)
        assert statuses(gateway, 1) == [429]


def test_a_store_that_is_away_refuses_no_calls_and_what_lies_in_the_spool_counts(tmp_path: Path, config: str) -> None:
    with running(tmp_path, operator=True, config=config + AWAY) as gateway:
        assert statuses(gateway, 1) == [200]
        until(lambda: gateway.metric(REBUILT + '{event="failed"}'))
        assert gateway.metric("weighbridge_limits_rebuilding") == 1
        until(lambda: "what was used before is not counted yet" in gateway.log)
        kill(gateway)
    with running(tmp_path, operator=True, config=config + AWAY) as gateway:
        assert statuses(gateway, 2) == [200, 429]
