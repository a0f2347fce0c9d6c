"""Everything else the data plane answers: probes, passed-through paths, and the processes' own manners."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from openai import OpenAI

from tests.support.figures import BUSY
from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import JSON_HEAD, USAGE, answer
from tests.support.provider import END, chunk, whole
from tests.support.raw_http import raw_connection
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.waiting import until

pytestmark = pytest.mark.integration
CONFIG = """
version: 1
providers:
  house: {{kind: openai, base_url: "{url}", api_key: env:HOUSE_KEY}}
models:
  - alias: "*"
    candidates: [{{provider: house, model: "{{model}}"}}]
"""
RESPONSE_USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 16},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 40},
    "total_tokens": 123,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Transparent mode."""
    running = GatewayProcess(tmp_path_factory.mktemp("surface"), "--upstream", provider.url)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def configured(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A provider of the configuration."""
    running = GatewayProcess(
        tmp_path_factory.mktemp("house"), config=CONFIG.format(url=provider.url), env={"HOUSE_KEY": "sk-own"}
    )
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url, api_key="sk-client", max_retries=0, timeout=60) as made:
        yield made


def recorded(gateway: GatewayProcess, headers: Any) -> dict[str, Any]:
    return gateway.exchange(headers["x-weighbridge-id"])


# --- probes and greeting


def test_greeting_is_the_base_url_the_operator_url_and_a_curl(gateway):
    base, operator, curl = gateway.greeting
    assert base == f"http://127.0.0.1:{gateway.port}/v1"
    assert operator == gateway.operator_url
    assert curl.startswith(f"curl {base}/chat/completions ")


def test_probes(gateway):
    assert gateway.ask("GET", "/healthz")[0] == 200
    assert gateway.ask("GET", "/readyz")[0] == 200
    status, _, body = gateway.ask("GET", "/readyz?verbose")
    assert status == 200
    assert orjson.loads(body)["config_hash"]


def test_without_operator_records_stay_in_the_spool(tmp_path):
    alone = GatewayProcess(tmp_path, operator=False)
    try:
        status, headers, _ = alone.post("/v1/chat/completions", {"model": "sim/echo", "messages": []})
        assert status == 200
        lines = b"".join(file.read_bytes() for file in (alone.data / "spool").rglob("*.ndjson")).splitlines()
        assert [orjson.loads(line)["id"] for line in lines] == [headers["x-weighbridge-id"]]
        assert len(alone.workers) == 1
    finally:
        assert alone.stop() == 0


# --- paths that are passed through


def test_moderations_by_the_official_client(client, gateway, provider):
    result = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}
    provider.script = answer({"id": "modr-1", "model": "omni-moderation-latest", "results": [result]})
    raw = client.moderations.with_raw_response.create(model="omni-moderation-latest", input="hello")
    assert raw.parse().results[0].flagged is False
    assert (provider.last.method, provider.last.path) == ("POST", "/v1/moderations")
    assert orjson.loads(provider.last.body) == {"model": "omni-moderation-latest", "input": "hello"}
    record = recorded(gateway, raw.headers)
    assert (record["dialect"], record["route"], record["status"]) == ("passthrough", "/v1/moderations", 200)
    assert record["model_requested"] == "omni-moderation-latest"


def test_file_upload_by_the_official_client(client, gateway, provider):
    provider.script = answer({"id": "file-1", "object": "file", "bytes": 5, "created_at": 1, "filename": "a.jsonl",
                              "purpose": "batch", "status": "processed"})  # fmt: skip
    content = b'{"a":1}\n\x00\xff'
    raw = client.files.with_raw_response.create(file=("a.jsonl", content), purpose="batch")
    assert raw.parse().id == "file-1"
    assert provider.last.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert content in provider.last.body
    assert b'name="purpose"' in provider.last.body
    record = recorded(gateway, raw.headers)
    assert (record["route"], record["bytes_in"]) == ("/v1/files", len(provider.last.body))


def test_file_content_comes_back_byte_for_byte(client, gateway, provider):
    content = bytes(range(256)) * 40
    provider.script = [whole(content, "200 OK", b"content-type: application/octet-stream\r\n")]
    raw = client.files.with_raw_response.content("file-1")
    assert raw.content == content
    assert provider.last.path == "/v1/files/file-1/content"
    assert recorded(gateway, raw.headers)["bytes_out"] == len(content)


def response_document(text: str) -> dict[str, Any]:
    content = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [content]}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4.1-2025-04-14",
        "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": RESPONSE_USAGE,
    }  # fmt: skip


def test_responses_whole_by_the_official_client(client, gateway, provider):
    provider.script = answer(response_document("Hello there."))
    raw = client.responses.with_raw_response.create(model="gpt-4.1", input="hi")
    assert raw.parse().output_text == "Hello there."
    record = recorded(gateway, raw.headers)
    assert (record["route"], record["model_served"], record["usage_source"]) == (
        "/v1/responses", "gpt-4.1-2025-04-14", "reported",
    )  # fmt: skip
    assert (record["input_tokens"], record["cached_input_tokens"]) == (36, 16)
    assert (record["output_tokens"], record["reasoning_tokens"]) == (87, 40)


def test_responses_streamed_by_the_official_client(client, gateway, provider):
    documents = [
        {"type": "response.created", "sequence_number": 0, "response": {**response_document(""), "output": []}},
        *(
            {"type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1", "output_index": 0,
             "content_index": 0, "delta": text, "logprobs": []}
            for number, text in enumerate(["Hello ", "there."], 1)
        ),
        {"type": "response.completed", "sequence_number": 3, "response": response_document("Hello there.")},
    ]  # fmt: skip
    events = b"".join(b"event: %b\ndata: %b\n\n" % (d["type"].encode(), orjson.dumps(d)) for d in documents)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    provider.script = [head, *(chunk(events[at : at + 7]) for at in range(0, len(events), 7)), END]
    raw = client.responses.with_raw_response.create(model="gpt-4.1", input="hi", stream=True)
    with raw.parse() as stream:
        got = list(stream)
    assert [each.type for each in got] == [document["type"] for document in documents]
    assert got[-1].response.output_text == "Hello there."
    record = recorded(gateway, raw.headers)
    assert (record["stream"], record["usage_source"]) == (True, "reported")
    assert (record["input_tokens"], record["output_tokens"]) == (36, 87)
    assert record["bytes_out"] == len(events)


def test_cancelled_stream_of_a_passed_through_path_reaches_the_provider(gateway, provider):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    provider.script = [head, chunk(b'data: {"type":"x"}\n\n'), asyncio.Event()]
    asked = len(provider.asked)
    with raw_connection(gateway.port) as connection:
        connection.request(b'{"model":"m","stream":true}', "/v1/responses")
        until(lambda: len(provider.asked) > asked or None)
        during = provider.open
    until(lambda: provider.open < during or None, 1.0 * BUSY)
    rows = until(lambda: gateway.sql("SELECT route, error_code FROM exchanges WHERE status = 499") or None)
    assert rows == [{"route": "/v1/responses", "error_code": "client_closed"}]


def test_any_path_of_a_provider_passes_bytes_unchanged(configured, provider):
    sent, back = b'{ "model": "m", "x": [1.0, 1e2, "\\u00e9"] }', b'{"ok" : true,  "y": 1.50}\n'
    provider.script = [whole(back, "201 Created", JSON_HEAD + b"x-of-theirs: 1\r\n")]
    status, headers, body = configured.ask(
        "PUT", "/providers/house/vendor/thing?a=1&b=%2F", sent, {"content-type": "application/json", "x-mine": "2"}
    )
    assert (status, body) == (201, back)
    assert (provider.last.method, provider.last.path) == ("PUT", "/v1/vendor/thing?a=1&b=%2F")
    assert provider.last.body == sent
    assert provider.last.headers["x-mine"] == "2"
    assert (headers["x-of-theirs"], headers["x-weighbridge-provider"]) == ("1", "house")
    record = recorded(configured, headers)
    assert (record["route"], record["provider"], record["status"]) == ("/providers/{name}/*", "house", 201)
    assert (record["bytes_in"], record["bytes_out"]) == (len(sent), len(back))


def test_usage_of_a_passed_through_answer_is_weighed(configured, provider):
    provider.script = answer({"model": "m-1", "usage": USAGE})
    _, headers, _ = configured.post("/providers/house/v2/generate", {"model": "m"})
    record = recorded(configured, headers)
    assert (record["usage_source"], record["input_tokens"], record["output_tokens"]) == ("reported", 1000, 300)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answer_without_a_body(configured, provider, status):
    provider.script = [f"HTTP/1.1 {status}\r\nx-of-theirs: 1\r\n\r\n".encode()]
    got, headers, body = configured.ask("DELETE", "/providers/house/thing")
    assert (got, body) == (int(status[:3]), b"")
    assert recorded(configured, headers)["status"] == got


def test_head_has_headers_and_no_body(configured, provider):
    provider.script = [b"HTTP/1.1 200 OK\r\nx-of-theirs: 1\r\ncontent-length: 5\r\n\r\n"]
    got, headers, body = configured.ask("HEAD", "/providers/house/thing")
    assert (got, body, headers["x-of-theirs"]) == (200, b"", "1")
    assert provider.last.method == "HEAD"


def test_redirect_is_the_clients_to_follow(configured, provider):
    provider.script = [whole(b"", "307 Temporary Redirect", b"location: https://elsewhere.example/\r\n")]
    got, headers, _ = configured.ask("GET", "/providers/house/thing")
    assert (got, headers["location"]) == (307, "https://elsewhere.example/")


def test_unknown_provider_is_404(configured):
    status, headers, body = configured.post("/providers/nobody/x", {"a": 1})
    assert status == 404
    assert orjson.loads(body)["error"]["code"] in {"model_not_found", "not_found"}
    assert recorded(configured, headers)["status"] == 404


def test_secret_in_a_passed_through_body_is_cut_out_both_ways(configured, provider):
    secret = "ghp_" + "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp9Oo8"
    provider.script = answer({"deep": [{"er": f"here: {secret}"}]})
    status, headers, body = configured.post("/providers/house/x", {"any": {"thing": f"take {secret} now"}})
    assert status == 200
    assert secret.encode() not in provider.last.body + body
    assert b"take [GITHUB_TOKEN] now" in provider.last.body
    assert b"here: [GITHUB_TOKEN]" in body
    assert {hit["direction"] for hit in recorded(configured, headers)["guard_events"]} == {"request", "response"}


def test_operator_counts_what_passed(gateway, provider):
    provider.script = answer({"id": "modr-1", "model": "m", "results": []})
    _, headers, _ = gateway.post("/v1/moderations", {"model": "m", "input": "x"})
    recorded(gateway, headers)
    counted = gateway.cli(
        "traces", "sql", "--json", "SELECT count() AS n FROM exchanges WHERE route = '/v1/moderations'"
    )
    assert counted.json[0]["n"] >= 1


def test_commands_without_an_operator_say_so(gateway):
    ran = gateway.cli("spend", "--operator", "127.0.0.1:9")
    assert ran.code == 3
    assert "127.0.0.1:9" in ran.err
