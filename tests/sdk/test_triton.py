"""Triton behind the gateway, for real: its own dialect, the official clients of others, and errors in the middle."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, BadRequestError, OpenAI

from loadtests.ports import free_port
from tests.support.gateway_process import GatewayProcess
from tests.support.triton_llm import repository
from tests.support.triton_server import served
from tests.support.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("triton_llm")]

CONFIG = """
version: 1
providers:
  trt: {{kind: triton, base_url: "{url}", model: ensemble}}
models:
  - {{alias: house, candidates: [{{provider: trt}}]}}
  - {{alias: ensemble, candidates: [{{provider: trt}}]}}
policies: {{dir: policies, bundle: [baseline.yaml]}}
"""
SECRET = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def addresses(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    port = free_port()
    with served(models, tmp_path_factory.mktemp("triton"), port) as url:
        yield {"http": url, "grpc": f"grpc://127.0.0.1:{port}"}


@pytest.fixture(scope="module", params=["http", "grpc"])
def gateway(
    request: pytest.FixtureRequest, addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    url = addresses[request.param]
    started = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=CONFIG.format(url=url))
    try:
        yield started
    finally:
        started.stop()


def generated(gateway: GatewayProcess, text: str, count: int = 50) -> list[dict[str, object]]:
    path = "/v2/models/house/generate_stream"
    _, headers, body = gateway.post(path, {"text_input": text, "max_tokens": count, "stream": True})
    assert headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in body.split(b"\n\n") if line.startswith(b"data: ")]


def test_its_own_dialect_passes_and_is_recorded(gateway: GatewayProcess) -> None:
    events = generated(gateway, "one two three four", 3)
    assert [event["text_output"] for event in events] == ["one ", "two ", "three "]
    assert {event["model_name"] for event in events} == {"ensemble"}
    _, headers, _ = gateway.post(
        "/v2/models/house/generate_stream", {"text_input": "a b", "max_tokens": 9, "stream": True}
    )
    row = gateway.exchange(headers["x-weighbridge-id"])
    assert (row["dialect"], row["model_requested"], row["provider"]) == ("triton", "house", "trt")
    assert row["usage_source"] == "estimated"
    assert row["output_tokens"] > 0


def test_other_calls_of_a_model_pass(gateway: GatewayProcess) -> None:
    status, _, _ = gateway.ask("GET", "/v2/models/house/ready")
    assert status == 200
    status, _, body = gateway.ask("GET", "/v2/models/house/config")
    assert json.loads(body)["name"] == "ensemble"
    status, _, body = gateway.ask("GET", "/v2/models/nobody/ready")
    assert status == 404
    assert set(json.loads(body)) == {"error"}


def test_secrets_are_cut_out_of_its_dialect_on_both_ways(gateway: GatewayProcess) -> None:
    said = "".join([str(event["text_output"]) for event in generated(gateway, f"use {SECRET} now")])
    assert said == "use [GITHUB_TOKEN] now "


def test_the_official_client_of_another_dialect_streams_from_it(
    gateway: GatewayProcess, connect: Callable[..., OpenAI]
) -> None:
    client = connect(gateway)
    messages: Any = [{"role": "user", "content": "alpha beta gamma"}]
    raw = client.chat.completions.with_raw_response.create(model="house", messages=messages, max_tokens=50)
    answer = raw.parse()
    whole = answer.choices[0].message.content or ""
    assert "alpha beta gamma" in whole
    # Nobody has counted: the client is told nothing, and the record says that its figures are estimates.
    assert answer.usage is None
    row = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (row["usage_source"], row["input_tokens"] > 0, row["output_tokens"] > 0) == ("estimated", True, True)
    stream = client.chat.completions.create(
        model="house", messages=messages, stream=True, max_tokens=50, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join([each.choices[0].delta.content or "" for each in chunks if each.choices]).split() == whole.split()
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"


def test_what_it_cannot_do_is_refused_by_name(gateway: GatewayProcess, connect: Callable[..., OpenAI]) -> None:
    tools: Any = [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}]
    with pytest.raises(BadRequestError, match="tools"):
        connect(gateway).chat.completions.create(
            model="house", messages=[{"role": "user", "content": "x"}], tools=tools
        )


def test_an_error_in_the_middle_is_one_in_every_dialect(
    gateway: GatewayProcess, connect: Callable[..., OpenAI]
) -> None:
    events = generated(gateway, "one two BREAK three")
    assert [event.get("text_output") for event in events[:2]] == ["one ", "two "]
    assert "out of memory" in str(events[-1]["error"])
    got: list[str] = []
    stream = connect(gateway).chat.completions.create(
        model="house", messages=[{"role": "user", "content": "one two BREAK three"}], stream=True
    )
    with pytest.raises(APIError, match="out of memory"):
        got.extend(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert "one two " in "".join(got)


def test_a_client_that_goes_stops_the_model(gateway: GatewayProcess, models: Path) -> None:
    seen = models / "ensemble" / "cancelled"
    seen.unlink(missing_ok=True)
    body = json.dumps({"text_input": "FOREVER", "max_tokens": 9, "stream": True})
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=60)
    connection.request("POST", "/v2/models/house/generate_stream", body, {"content-type": "application/json"})
    assert connection.getresponse().read(10) == b'data: {"mo'
    connection.close()
    # A second, and what a loaded machine takes beyond it to look.
    until(lambda: seen.exists() or None, 5)


def test_many_streams_at_once(gateway: GatewayProcess) -> None:
    def one(number: int) -> str:
        return "".join([str(event["text_output"]) for event in generated(gateway, f"stream {number} of many")])

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(one, range(200))) == [f"stream {number} of many " for number in range(200)]
