"""What is on record of a call: to the token and the nano-dollar, soon, and without the secrets that passed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support.figures import BUSY
from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import COST_NANOUSD, MODEL, PRICES, USAGE, answer, chat, piece, said, stream
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]
ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO}
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
AWS = "AKIA" + "QXPRWZ7TSNEMHD5K"
TABLES = ("exchanges", "attempts", "guard_events", "bodies", "feedback", "spend_by_minute", "spend_by_tag_minute")


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("traces")
    (home / "prices.yaml").write_text(PRICES)
    running = GatewayProcess(home, "--upstream", provider.url, config="version: 1\nprices: {overrides: prices.yaml}\n")
    yield running
    assert running.stop() == 0


def call(gateway: GatewayProcess, document: Any, path: str = CHAT, **headers: str) -> str:
    """Make a call that goes well; returns its id."""
    status, got, body = gateway.post(path, document, {name.replace("_", "-"): text for name, text in headers.items()})
    assert status == 200, body
    return got["x-weighbridge-id"]


def show(gateway: GatewayProcess, exchange_id: str) -> dict[str, Any]:
    """The record, by the command a user has."""
    return gateway.cli("traces", "show", exchange_id, "--json").json


def figures(record: dict[str, Any]) -> dict[str, Any]:
    names = ("usage_source", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "cost_nanousd")
    return {name: record[name] for name in names}


REPORTED = {
    "usage_source": "reported",
    "input_tokens": 1000,
    "output_tokens": 300,
    "cached_input_tokens": 600,
    "reasoning_tokens": 120,
    "cost_nanousd": COST_NANOUSD,
}


def test_whole_call_to_the_token_and_the_nano_dollar(gateway, provider):
    provider.script = answer(chat("Hi there."))
    record = show(gateway, call(gateway, ASKED))
    assert figures(record) == REPORTED
    assert (record["status"], record["error_code"], record["verdict"]) == (200, "", "allow")
    assert (record["dialect"], record["route"], record["provider"]) == ("openai_chat", CHAT, "upstream")
    assert (record["model_requested"], record["model_served"]) == ("gpt-4o-mini", MODEL)
    assert (record["finish_reason"], record["stream"], record["cache"]) == ("stop", False, "off")
    assert record["bytes_in"] == len(orjson.dumps(ASKED))
    assert record["bytes_out"] == len(orjson.dumps(chat("Hi there.")))
    assert 0 < record["overhead_ms"] <= record["duration_ms"]
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["kind"], attempt["status"], attempt["provider"]) == (1, "first", 200, "upstream")
    assert (attempt["input_tokens"], attempt["output_tokens"], attempt["cost_nanousd"]) == (1000, 300, COST_NANOUSD)


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_stream_to_the_token_and_the_nano_dollar(gateway, provider, options):
    provider.script = stream(*said("to be or not"))
    record = show(gateway, call(gateway, {**ASKED, "stream": True, **options}))
    assert figures(record) == REPORTED
    assert (record["stream"], record["finish_reason"], record["model_served"]) == (True, "stop", MODEL)
    assert record["ttft_ms"] > 0
    assert record["chunks"] >= 4
    assert record["attempts"][0]["cost_nanousd"] == COST_NANOUSD


@pytest.mark.parametrize("streamed", [False, True])
def test_usage_that_nobody_reported_is_estimated(gateway, provider, streamed):
    provider.script = stream(*said("to be or not"), usage=None) if streamed else answer(chat("to be or not", None))
    record = show(gateway, call(gateway, {**ASKED, "stream": streamed}))
    # One message of one token: 3 around it, 1 for its role's name, 3 that prime the answer; as OpenAI counts.
    assert record["usage_source"] == "estimated"
    assert 5 <= record["input_tokens"] <= 9
    assert record["output_tokens"] == 4
    assert record["cost_nanousd"] == record["input_tokens"] * 150 + 4 * 600
    assert record["cached_input_tokens"] is None


def test_unknown_price_is_null_and_not_zero(gateway, provider):
    provider.script = answer({**chat("ok"), "model": "house-model"})
    exchange_id = call(gateway, {**ASKED, "model": "house-model"})
    record = show(gateway, exchange_id)
    assert record["cost_nanousd"] is None
    assert record["input_tokens"] == 1000
    rows = gateway.cli(
        "traces", "sql", "--json", f"SELECT isNull(cost_nanousd) AS n FROM exchanges WHERE id = '{exchange_id}'"
    )
    assert rows.json == [{"n": 1}]


def test_a_call_can_be_queried_within_two_seconds_of_its_end(gateway, provider):
    provider.script = answer(chat("ok"))
    call(gateway, ASKED)
    for _ in range(5):
        exchange_id, ended = call(gateway, ASKED), time.monotonic()
        gateway.exchange(exchange_id)
        assert time.monotonic() - ended < 2 * BUSY


def test_labels_of_a_call_are_kept(gateway, provider):
    provider.script = answer(chat("ok"))
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    exchange_id = call(
        gateway, ASKED, x_weighbridge_tags="env=test,feature=search", x_weighbridge_session="s-42",
        traceparent=f"00-{trace}-{span}-01",
    )  # fmt: skip
    record = show(gateway, exchange_id)
    assert record["tags"] == {"env": "test", "feature": "search"}
    assert record["session_id"] == "s-42"
    assert (record["trace_id"], record["span_id"]) == (trace, span)


def test_sql_and_export_and_show_say_the_same(gateway, provider):
    provider.script = answer(chat("ok"))
    ids = [call(gateway, ASKED) for _ in range(3)]
    shown = {exchange_id: figures(show(gateway, exchange_id)) for exchange_id in ids}
    names = ", ".join(REPORTED)
    listed = ", ".join(f"'{exchange_id}'" for exchange_id in ids)
    rows = gateway.cli("traces", "sql", "--json", f"SELECT id, {names} FROM exchanges WHERE id IN ({listed})").json
    assert {row.pop("id"): row for row in rows} == shown
    exported = gateway.cli("traces", "export", "--since", "1h")
    assert exported.code == 0, exported.err
    lines = [orjson.loads(line) for line in exported.out.splitlines()]
    assert {line["id"]: figures(line) for line in lines if line["id"] in shown} == shown


def test_spend_adds_up_to_what_was_reported(gateway, provider):
    def spent() -> dict[str, int]:
        run = gateway.cli("spend", "--json", "--by", "tag", "--since", "1h")
        found = [row for row in run.json if "spend" in orjson.dumps(row).decode()]
        names = ("calls", "input_tokens", "output_tokens", "cost_nanousd")
        return {name: sum(int(row[name]) for row in found) for name in names}

    provider.script = answer(chat("ok"))
    ids = [call(gateway, ASKED, x_weighbridge_tags="run=spend") for _ in range(2)]
    provider.script = stream(*said("a b"))
    ids.append(call(gateway, {**ASKED, "stream": True}, x_weighbridge_tags="run=spend"))
    for exchange_id in ids:
        gateway.exchange(exchange_id)
    assert spent() == {"calls": 3, "input_tokens": 3000, "output_tokens": 900, "cost_nanousd": 3 * COST_NANOUSD}


def test_embeddings_are_weighed(gateway, provider):
    provider.script = answer(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "model": "gpt-4o-mini",
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        }
    )
    record = show(gateway, call(gateway, {"model": "gpt-4o-mini", "input": "x"}, "/v1/embeddings"))
    assert (record["input_tokens"], record["output_tokens"], record["cost_nanousd"]) == (7, 0, 7 * 150)
    assert record["dialect"] == "openai_embeddings"


def text_of_all_tables(gateway: GatewayProcess) -> str:
    """Every value of every row of every table, as text."""
    return "\n".join(orjson.dumps(gateway.sql(f"SELECT * FROM {table}")).decode() for table in TABLES)


def test_secret_in_a_request_goes_nowhere(gateway, provider):
    provider.script = answer(chat("ok"))
    exchange_id = call(gateway, {**ASKED, "messages": [{"role": "user", "content": f"clone with {GITHUB} please"}]})
    assert GITHUB.encode() not in provider.last.body
    assert b"clone with [GITHUB_TOKEN] please" in provider.last.body
    record = show(gateway, exchange_id)
    assert record["verdict"] == "edit"
    (hit,) = record["guard_events"]
    assert (hit["rule"], hit["direction"], hit["action"], hit["mode"]) == (
        "no-secrets-out", "request", "redact", "enforce",
    )  # fmt: skip
    assert (hit["start"], hit["end"]) == (11, 11 + len(GITHUB))
    assert "[GITHUB_TOKEN]" in record["bodies"]["request_body"]
    assert GITHUB not in text_of_all_tables(gateway)
    assert GITHUB not in gateway.stderr


@pytest.mark.parametrize("streamed", [False, True])
def test_secret_in_an_answer_goes_nowhere(gateway, provider, streamed):
    if streamed:
        texts = ("your key is AK", AWS[2:9], AWS[9:], " and that is all")
        provider.script = stream(*(piece({"content": text}) for text in texts), piece({}, "stop"))
    else:
        provider.script = answer(chat(f"your key is {AWS} and that is all"))
    status, headers, body = gateway.post(CHAT, {**ASKED, "stream": streamed})
    assert status == 200
    assert AWS.encode() not in body
    assert b"[AWS_KEY]" in body
    record = show(gateway, headers["x-weighbridge-id"])
    assert record["verdict"] == "edit"
    assert [hit["rule"] for hit in record["guard_events"]] == ["no-secrets-back"]
    assert record["guard_events"][0]["direction"] == "response"
    assert "[AWS_KEY]" in record["bodies"]["response_body"]
    assert figures(record) == REPORTED
    assert AWS not in text_of_all_tables(gateway)
    assert AWS not in gateway.stderr


def test_bodies_are_kept_as_they_were_sent(gateway, provider):
    provider.script = stream(*said("to be or not"))
    record = show(gateway, call(gateway, {**ASKED, "stream": True}))
    asked = orjson.loads(record["bodies"]["request_body"])
    assert asked["messages"] == HELLO
    kept = record["bodies"]["response_body"]
    assert "to be or not" in kept


def test_credentials_of_a_call_are_on_no_record_and_in_no_log(gateway, provider):
    credential = "sk-proj-" + "Zk3Jd8Qm5Tn7Vb2X" * 3
    provider.script = answer(chat("ok"))
    exchange_id = call(gateway, ASKED, authorization=f"Bearer {credential}")
    gateway.exchange(exchange_id)
    assert provider.last.headers["authorization"] == f"Bearer {credential}"
    assert credential not in text_of_all_tables(gateway)
    assert credential not in gateway.stderr


def test_provider_that_lies_about_usage_cannot_break_the_record(gateway, provider):
    odd = {"prompt_tokens": -5, "completion_tokens": "many", "prompt_tokens_details": {"cached_tokens": 2**63}}
    provider.script = answer(chat("to be", odd))
    record = show(gateway, call(gateway, ASKED))
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] == 2
    provider.script = answer(chat("to be", {**USAGE, "prompt_tokens_details": {"cached_tokens": 5000}}))
    record = show(gateway, call(gateway, ASKED))
    assert (record["input_tokens"], record["cached_input_tokens"]) == (1000, 1000)


def test_refused_connection_is_on_record(gateway, tmp_path_factory):
    home = tmp_path_factory.mktemp("refused")
    alone = GatewayProcess(home, "--upstream", "http://127.0.0.1:9/v1")
    try:
        status, headers, body = alone.post(CHAT, ASKED)
        assert status == 502
        assert orjson.loads(body)["error"]["code"] == "upstream_error"
        record = show(alone, headers["x-weighbridge-id"])
        assert (record["status"], record["error_code"]) == (502, "upstream_error")
        assert record["attempts"][0]["error_code"] == "upstream_error"
        assert record["cost_nanousd"] in {0, None}
    finally:
        assert alone.stop() == 0
