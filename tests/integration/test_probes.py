"""A deployment that was down is found to be back without a client's call, by the gateway in processes of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway_run import Gateway, running, until
from tests.support.provider import END, EVENTS, RESET, Asked, Step, chunk, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      mine: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1"}}
    models:
      - alias: m
        candidates: [{{provider: mine, model: small}}]
        fallback: [sim/echo]
        breaker: {{consecutive: 1, open: 1s, max_open: 1s}}
        probe: {{every: 1h, max_cost_usd_per_day: 0.01}}
    capture: {{bodies: redacted}}
    prices: {{overrides: prices.yaml}}
"""
USAGE = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}


def said(**more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": "pong"}, "finish_reason": "stop"}
    choices = [] if "usage" in more else [choice]
    document = {"id": "1", "object": "chat.completion.chunk", "model": "small", "choices": choices, **more}
    return chunk(b"data: " + orjson.dumps(document) + b"\n\n")


class Server:
    """Is down until it is told to come back."""

    def __init__(self) -> None:
        self.up = False

    def __call__(self, asked: Asked) -> list[Step]:
        if not self.up:
            return [RESET]
        if orjson.loads(asked.body)["stream"]:
            return [EVENTS, said(), said(usage=USAGE), chunk(b"data: [DONE]\n\n"), END]
        return [whole(b'{"choices": []}')]


def mine(gateway: Gateway) -> dict[str, Any]:
    found = gateway.ask_operator("/api/deployments").json()["deployments"]
    return {each["provider"]: each for each in found}.get("mine", {})


def test_who_comes_back_is_found_by_a_probe(tmp_path: Path) -> None:
    server = Server()
    (tmp_path / "prices.yaml").write_text("- {provider: mine, model: small, input: 1.0, output: 2.0}\n")
    with (
        provider_in_thread(server) as provider,
        running(tmp_path, operator=True, config=CONFIG.format(port=provider.port)) as gateway,
    ):
        assert gateway.chat("m").status == 200
        until(lambda: mine(gateway).get("breaker") == "open")
        server.up = True
        # No client asks for it any more.
        until(lambda: mine(gateway)["breaker"] == "closed")
        last = provider.asked[-1]
        assert (last.path, orjson.loads(last.body)["messages"]) == (
            "/v1/chat/completions", [{"role": "user", "content": "ping"}],
        )  # fmt: skip
        assert gateway.metric('weighbridge_attempts_total{provider="mine",kind="probe",outcome="ok"}') == 1
        assert gateway.metric('weighbridge_probe_cost_nanousd_total{alias="m"}') >= 12_000
        rows = until(
            lambda: gateway.sql(
                "SELECT provider, status, cost_nanousd, tags['weighbridge'] AS who FROM exchanges "
                "WHERE tags['weighbridge'] = 'probe' AND status = 200"
            )
        )
        assert rows == [{"provider": "mine", "status": 200, "cost_nanousd": 12_000, "who": "probe"}]
        kinds = (
            "SELECT DISTINCT kind FROM attempts AS a JOIN exchanges AS e ON e.id = a.exchange_id "
            "WHERE e.tags['weighbridge'] = 'probe'"
        )
        assert gateway.sql(kinds) == [{"kind": "probe"}]
        # It is no exchange of a client's, and its text is not kept.
        served = [line for line in gateway.ask_operator("/metrics").body.decode().splitlines()
                  if line.startswith("weighbridge_exchanges_total") and 'provider="mine"' in line]  # fmt: skip
        assert served == []
        probes = [each for each in gateway.spooled() if each["tags"].get("weighbridge") == "probe"]
        assert {each["request_body"] for each in probes} <= {None}
        assert gateway.chat("m").status == 200
        assert gateway.stop() == 0
