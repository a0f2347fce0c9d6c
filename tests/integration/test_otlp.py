"""Calls as a collector is told of them: joined to their caller's trace, whole, and of no cost to anybody."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.core.span_ids import span_of, try_span_of
from tests.support.collector import HAS_COLLECTOR, Collector, attributes_of, collector
from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import answer, chat
from tests.support.provider import Step
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.waiting import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not HAS_COLLECTOR, reason="the collector (rotel) has no wheel for this Python"),
]
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
JOINED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
CONFIG = """
version: 1
workers: 2
providers:
  one: {{kind: openai, base_url: "{url}"}}
  two: {{kind: openai, base_url: "{url}"}}
models:
  - alias: m
    candidates: [{{provider: one, model: bad}}]
    fallback: [two/good]
    # Every call is to be tried twice, however many came before.
    breaker: {{consecutive: 1000000, min_calls: 1000000}}
telemetry:
  otlp: {{endpoint: "{collector}", protocol: grpc, every: 1s, timeout: 1s}}
"""


def play(asked: Any) -> list[Step]:
    if orjson.loads(asked.body)["model"] == "bad":
        return answer({"error": {"message": "busy"}}, status="503 Service Unavailable")
    return answer(chat("ok"))


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        running.script = play
        yield running


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, there: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("otlp")
    running = GatewayProcess(home, config=CONFIG.format(url=provider.url, collector=there.grpc))
    yield running
    assert running.stop() == 0


def call(gateway: GatewayProcess, **headers: str) -> str:
    status, got, body = gateway.post(CHAT, {"model": "m", "messages": HELLO}, headers)
    assert status == 200, body
    return got["x-weighbridge-id"]


def metrics(gateway: GatewayProcess) -> list[str]:
    with urllib.request.urlopen(f"{gateway.operator_url}/metrics") as answered:
        return answered.read().decode().splitlines()


def test_a_call_is_part_of_its_callers_trace_and_each_try_of_it_goes_on_with_its_own_span(gateway, provider, there):
    before = len(provider.asked)
    exchange_id = call(gateway, **JOINED)
    sent = [each.headers for each in provider.asked[before:]]
    assert [each["traceparent"] for each in sent] == [
        f"00-{TRACE}-{try_span_of(exchange_id, number)}-01" for number in (1, 2)
    ]
    assert [each["tracestate"] for each in sent] == ["vendor=1", "vendor=1"]
    wanted = {span_of(exchange_id), *(try_span_of(exchange_id, number) for number in (1, 2))}

    def told_of() -> dict[str, Any] | None:
        # Other calls are joined to the same trace.
        found = {span.span_id.hex(): span for span in there.received.of_trace(TRACE)}
        return found if found.keys() >= wanted else None

    by_id = until(told_of)
    ours = by_id[span_of(exchange_id)]
    assert (ours.parent_span_id.hex(), ours.trace_state, ours.name) == (PARENT, "vendor=1", "chat m")
    told = attributes_of(ours)
    assert told["weighbridge.exchange.id"] == exchange_id
    assert (told["gen_ai.usage.input_tokens"], told["weighbridge.tries"]) == (1000, 2)
    first, second = (by_id[try_span_of(exchange_id, number)] for number in (1, 2))
    assert first.parent_span_id == second.parent_span_id == ours.span_id
    assert (first.status.code, attributes_of(first)["http.response.status_code"]) == (2, 503)
    assert (second.name, attributes_of(second)["gen_ai.provider.name"]) == ("chat good", "openai")


def test_a_call_of_no_trace_is_told_of_and_sends_no_header_on(gateway, provider, there):
    exchange_id = call(gateway)
    assert "traceparent" not in provider.last.headers
    spans = until(lambda: there.received.of_trace(exchange_id.replace("-", "")) or None)
    assert {span.span_id.hex() for span in spans} >= {span_of(exchange_id)}


def test_metrics_by_the_conventions_arrive(gateway, there):
    call(gateway)

    def told() -> set[str] | None:
        names = {metric.name for metric in there.received.metrics}
        return names if "gen_ai.client.token.usage" in names else None

    assert until(told) >= {"gen_ai.client.operation.duration", "gen_ai.server.request.duration"}


def test_what_is_said_never_goes_there(gateway, there):
    secret = "the-words-of-a-prompt"
    gateway.post(CHAT, {"model": "m", "messages": [{"role": "user", "content": secret}]}, JOINED)
    exchange_id = call(gateway)
    until(lambda: there.received.of_trace(exchange_id.replace("-", "")) or None)
    assert not [span for span in there.received.spans if secret.encode() in span.SerializeToString()]


def test_a_collector_that_is_away_costs_no_call_anything(tmp_path, provider):
    config = CONFIG.format(url=provider.url, collector="http://127.0.0.1:1").replace("workers: 2", "workers: 1")
    gateway = GatewayProcess(tmp_path, config=config)
    for _ in range(20):
        call(gateway, **JOINED)

    def failed() -> str | None:
        return next((line for line in metrics(gateway) if 'signal="traces",outcome="failed"' in line), None)

    assert int(until(failed).split()[-1]) >= 1
    assert "weighbridge_spool_dropped_lines_total 0" in metrics(gateway)
    assert gateway.stop() == 0
    assert "spans were not sent" in gateway.stderr
