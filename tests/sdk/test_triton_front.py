"""Triton's official client by gRPC, unmodified, against the gateway's own front; a real server is behind it."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc as transport
import numpy as np
import pytest

from gateway.clients.triton_messages import Messages
from loadtests.ports import free_port
from tests.support.gateway_process import GatewayProcess
from tests.support.triton_llm import repository
from tests.support.triton_server import served
from tests.support.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("triton_llm")]
grpc: Any = import_module("tritonclient.grpc")
aio: Any = import_module("tritonclient.grpc.aio")
utils: Any = import_module("tritonclient.utils")

CONFIG = """
version: 1
listen: {{grpc: "127.0.0.1:{port}", max_body_bytes: 1MiB}}
identity:
  mode: keys
  keys: [{{id: one, key: "env:KEY_ONE", tenant: acme}}]
providers:
  trt: {{kind: triton, base_url: "{url}"}}
models:
  - {{alias: "*", candidates: [{{provider: trt}}]}}
  - {{alias: house, candidates: [{{provider: trt, model: plain}}]}}
  - {{alias: writer, candidates: [{{provider: trt, model: ensemble}}]}}
policies: {{dir: policies, bundle: [baseline.yaml, words.yaml]}}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  words: {use: pattern, patterns: ["osprey"]}
rules:
  - {id: stop, match: {direction: request}, when: words, do: block, mode: enforce}
"""
SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
KEY = "wb-0123456789abcdef0123456789abcdef"
WHO = {"authorization": f"Bearer {KEY}"}
WAIT_S = 30.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def addresses(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    port = free_port()
    with served(models, tmp_path_factory.mktemp("triton"), port) as url:
        yield {"http": url, "grpc": f"grpc://127.0.0.1:{port}"}


@pytest.fixture(scope="module", params=["http", "grpc"])
def front(
    request: pytest.FixtureRequest, addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, str]]:
    home = tmp_path_factory.mktemp("gateway")
    (home / "policies").mkdir()
    (home / "policies" / "words.yaml").write_text(POLICY)
    port = free_port()
    config = CONFIG.format(url=addresses[request.param], port=port)
    started = GatewayProcess(home, config=config, env={"KEY_ONE": KEY})
    try:
        yield started, f"127.0.0.1:{port}"
    finally:
        started.stop()


@pytest.fixture
def client(front: tuple[GatewayProcess, str]) -> Iterator[Any]:
    made = grpc.InferenceServerClient(front[1])
    try:
        yield made
    finally:
        made.close()


def asked(texts: list[str], numbers: list[float]) -> list[Any]:
    inputs = [grpc.InferInput("text_input", [len(texts)], "BYTES"), grpc.InferInput("numbers", [len(numbers)], "FP32")]
    inputs[0].set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_))
    inputs[1].set_data_from_numpy(np.array(numbers, dtype=np.float32))
    return inputs


def written(text: str, count: int = 50) -> list[Any]:
    inputs = [
        grpc.InferInput("text_input", [1], "BYTES"),
        grpc.InferInput("max_tokens", [1], "INT32"),
        grpc.InferInput("stream", [1], "BOOL"),
    ]
    inputs[0].set_data_from_numpy(np.array([text.encode()], dtype=np.object_))
    inputs[1].set_data_from_numpy(np.array([count], dtype=np.int32))
    inputs[2].set_data_from_numpy(np.array([True]))
    return inputs


def streamed(client: Any, text: str, count: int = 50) -> tuple[str, list[Any], str]:
    """All that a stream says: its text, its answers, and how it failed."""
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: came.put((result, error)), headers=WHO)
    answers: list[Any] = []
    said, failure = "", ""
    try:
        client.async_stream_infer("writer", written(text, count), request_id="7", enable_empty_final_response=True)
        while True:
            result, error = came.get(timeout=WAIT_S)
            if error is not None:
                failure = error.message()
                break
            answers.append(result.get_response())
            if (tensor := result.as_numpy("text_output")) is not None:
                said += b"".join(tensor.reshape(-1)).decode()
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
    finally:
        client.stop_stream()
    return said, answers, failure


def test_it_finds_a_server_and_its_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata(headers=WHO).name == "weighbridge"
    index = client.get_model_repository_index(headers=WHO).models
    assert ("house", "READY") in [(each.name, each.state) for each in index]
    assert client.is_model_ready("house", headers=WHO)
    assert not client.is_model_ready("nobody", headers=WHO)
    described = client.get_model_metadata("house", headers=WHO)
    assert [each.name for each in described.inputs] == ["text_input", "numbers"]
    assert (described.inputs[1].datatype, list(described.inputs[1].shape)) == ("FP32", [-1])
    assert client.get_model_config("writer", headers=WHO).config.model_transaction_policy.decoupled is True
    assert client.get_inference_statistics("house", headers=WHO).model_stats[0].name == "plain"


@pytest.mark.parametrize("named", [True, False])
def test_tensors_go_and_come(client: Any, *, named: bool) -> None:
    outputs = [grpc.InferRequestedOutput("doubled")] if named else None
    answer = client.infer("house", asked(["ä", "b\n"], [1.5, -0.1]), outputs=outputs, request_id="7", headers=WHO)
    assert np.array_equal(answer.as_numpy("doubled"), np.array([1.5, -0.1], dtype=np.float32) * 2)
    texts = None if named else ["<ä>".encode(), b"<b\n>"]
    told = answer.as_numpy("text_output")
    assert (told if told is None else list(told)) == texts
    assert answer.get_response().id == "7"


def test_secrets_are_cut_out_of_tensors(client: Any) -> None:
    answer = client.infer("house", asked([f"use {SECRET} now"], [1.0]), headers=WHO)
    assert list(answer.as_numpy("text_output")) == [b"<use [GITHUB_TOKEN] now>"]


def test_what_is_refused_is_said_with_its_status(client: Any, front: tuple[GatewayProcess, str]) -> None:
    cases: list[tuple[str, str, list[Any], dict[str, str]]] = [
        ("UNAUTHENTICATED", "house", asked(["a"], [1.0]), {}),
        ("INVALID_ARGUMENT", "house", asked(["an osprey"], [1.0]), WHO),
        ("INVALID_ARGUMENT", "house", asked(["a"], [1.0])[:1], WHO),
        ("NOT_FOUND", "nobody", asked(["a"], [1.0]), WHO),
        ("RESOURCE_EXHAUSTED", "house", asked(["a" * (1 << 20)], [1.0]), WHO),
    ]
    for status, model, inputs, headers in cases:
        with pytest.raises(utils.InferenceServerException) as raised:
            client.infer(model, inputs, headers=headers)
        assert raised.value.status() == f"StatusCode.{status}", raised.value
        assert "osprey" not in str(raised.value)
    assert client.is_server_live()


def test_tensors_in_shared_memory_are_refused_by_name(client: Any) -> None:
    inputs = asked(["a"], [1.0])
    inputs[1].set_shared_memory("region", 4)
    with pytest.raises(utils.InferenceServerException, match="shared memory"):
        client.infer("house", inputs, headers=WHO)


def test_a_call_is_recorded_and_tells_its_name(front: tuple[GatewayProcess, str]) -> None:
    gateway, address = front
    messages = Messages()
    with transport.insecure_channel(address) as channel:
        stub: Any = messages.services.GRPCInferenceServiceStub(channel)
        message = messages.classes.ModelInferRequest(model_name="house")
        for each in asked(["a"], [1.0]):
            message.inputs.append(each._get_tensor())
            message.raw_input_contents.append(each._get_content())
        _, call = stub.ModelInfer.with_call(message, metadata=tuple(WHO.items()))
    told = dict(call.trailing_metadata())
    row = gateway.exchange(told["x-weighbridge-id"])
    assert (row["tenant"], row["model_requested"], row["provider"]) == ("acme", "house", "trt")
    assert (row["route"], row["status"]) == ("/v2/models/{model}/infer", 200)


def test_a_model_that_writes_is_streamed(client: Any) -> None:
    said, answers, failure = streamed(client, "one two three four", 3)
    assert (said, failure) == ("one two three ", "")
    assert [each.parameters["triton_final_response"].bool_param for each in answers] == [False, False, False, True]
    assert {(each.model_name, each.id) for each in answers} == {("ensemble", "7")}
    assert not answers[-1].outputs


def test_secrets_are_cut_out_of_streams(client: Any) -> None:
    assert streamed(client, f"use {SECRET} now")[0] == "use [GITHUB_TOKEN] now "


def test_failures_are_told_in_the_stream(client: Any) -> None:
    said, _, failure = streamed(client, "one two BREAK three")
    assert said == "one two "
    assert "out of memory" in failure
    said, answers, failure = streamed(client, "an osprey")
    assert (said, answers) == ("", [])
    assert failure
    assert "osprey" not in failure


def test_a_client_that_goes_stops_the_model(client: Any, models: Path) -> None:
    seen = models / "ensemble" / "cancelled"
    seen.unlink(missing_ok=True)
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: came.put((result, error)), headers=WHO)
    client.async_stream_infer("writer", written("FOREVER"))
    assert came.get(timeout=WAIT_S)[1] is None
    client.stop_stream(cancel_requests=True)
    until(lambda: seen.exists() or None, 5)


def test_the_client_for_loops(front: tuple[GatewayProcess, str]) -> None:
    async def calls() -> AsyncIterator[dict[str, Any]]:
        for text in ("a b", "c d"):
            yield {"model_name": "writer", "inputs": written(text)}
        yield {"model_name": "house", "inputs": asked(["e"], [1.0])}

    async def spoken() -> tuple[Any, list[str], list[bool]]:
        client = aio.InferenceServerClient(front[1])
        texts: list[str] = []
        finals: list[bool] = []
        try:
            once = await client.infer("house", asked(["x"], [2.0]), headers=WHO)
            async for result, error in client.stream_infer(calls(), headers=WHO):
                assert error is None
                finals.append(result.get_response().parameters["triton_final_response"].bool_param)
                if (tensor := result.as_numpy("text_output")) is not None:
                    texts.append(b"".join(tensor.reshape(-1)).decode())
        finally:
            await client.close()
        return once.as_numpy("doubled")[0], texts, finals

    once, texts, finals = asyncio.run(spoken())
    assert once == 4.0
    # Calls of one stream are served in their order.
    assert texts == ["a ", "b ", "c ", "d ", "<e>"]
    assert finals == [False, False, False, False, True]


def test_it_stops_with_a_stream_open(addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("stopping")
    (home / "policies").mkdir()
    (home / "policies" / "words.yaml").write_text(POLICY)
    port = free_port()
    config = CONFIG.format(url=addresses["http"], port=port)
    started = GatewayProcess(home, config=config, env={"KEY_ONE": KEY})
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client = grpc.InferenceServerClient(f"127.0.0.1:{port}")
    client.start_stream(callback=lambda result, error: came.put((result, error)), headers=WHO)
    client.async_stream_infer("writer", written("a b"), enable_empty_final_response=True)
    said = [came.get(timeout=WAIT_S)[1] for _ in range(3)]
    assert said == [None, None, None]
    started.stop()
    # The stream that was left open is ended, not left hanging.
    assert came.get(timeout=WAIT_S)[1] is not None
    client.close()
