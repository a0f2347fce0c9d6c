"""Triton's official client, unmodified, against the gateway, whose server is spoken to by HTTP and by gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.ports import free_port
from tests.support.gateway_process import GatewayProcess
from tests.support.triton_llm import repository
from tests.support.triton_server import served

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("triton_llm")]
http: Any = import_module("tritonclient.http")
utils: Any = import_module("tritonclient.utils")

CONFIG = """
version: 1
providers:
  trt: {{kind: triton, base_url: "{url}"}}
models:
  - {{alias: "*", candidates: [{{provider: trt}}]}}
  - {{alias: house, candidates: [{{provider: trt, model: plain}}]}}
policies: {{dir: policies, bundle: [baseline.yaml]}}
"""
SECRET = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    port = free_port()
    models: Path = repository(tmp_path_factory.mktemp("repository"))
    with served(models, tmp_path_factory.mktemp("triton"), port) as url:
        yield {"http": url, "grpc": f"grpc://127.0.0.1:{port}"}


@pytest.fixture(scope="module", params=["http", "grpc"])
def gateway(
    request: pytest.FixtureRequest, addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=CONFIG.format(url=addresses[request.param]))
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[Any]:
    made = http.InferenceServerClient(f"{gateway.host}:{gateway.port}")
    try:
        yield made
    finally:
        made.close()


def asked(texts: list[str], numbers: list[float], *, raw: bool) -> list[Any]:
    inputs = [http.InferInput("text_input", [len(texts)], "BYTES"), http.InferInput("numbers", [len(numbers)], "FP32")]
    inputs[0].set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_), binary_data=raw)
    inputs[1].set_data_from_numpy(np.array(numbers, dtype=np.float32), binary_data=raw)
    return inputs


def test_it_finds_a_server_and_its_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "weighbridge"
    assert {"name": "house", "state": "READY"} in client.get_model_repository_index()
    assert client.is_model_ready("house")
    assert not client.is_model_ready("nobody")
    described = client.get_model_metadata("house")
    assert [each["name"] for each in described["inputs"]] == ["text_input", "numbers"]
    assert described["inputs"][1]["datatype"] == "FP32"
    assert client.get_model_config("ensemble")["model_transaction_policy"]["decoupled"] is True
    assert client.get_inference_statistics("house")["model_stats"][0]["name"] == "plain"


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("raw_answer", [True, False])
def test_tensors_go_and_come_raw_and_as_json(client: Any, *, raw: bool, raw_answer: bool) -> None:
    outputs = [http.InferRequestedOutput(name, binary_data=raw_answer) for name in ("text_output", "doubled")]
    answer = client.infer("house", asked(["ä", "b\n"], [1.5, -0.1], raw=raw), outputs=outputs, request_id="7")
    assert [text.decode() if isinstance(text, bytes) else text for text in answer.as_numpy("text_output")] == [
        "<ä>",
        "<b\n>",
    ]
    assert np.array_equal(answer.as_numpy("doubled"), np.array([1.5, -0.1], dtype=np.float32) * 2)
    assert answer.get_response()["id"] == "7"


@pytest.mark.parametrize("raw", [True, False])
def test_secrets_are_cut_out_of_tensors(client: Any, *, raw: bool) -> None:
    answer = client.infer("house", asked([f"use {SECRET} now"], [1.0], raw=raw))
    assert list(answer.as_numpy("text_output")) == [b"<use [GITHUB_TOKEN] now>"]


def test_what_is_wrong_is_what_the_server_says(client: Any) -> None:
    with pytest.raises(utils.InferenceServerException, match="nobody"):
        client.infer("nobody", asked(["a"], [1.0], raw=True))
    with pytest.raises(utils.InferenceServerException, match="numbers"):
        client.infer("house", asked(["a"], [1.0], raw=True)[:1])


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "json"])
def test_secrets_are_cut_out_of_answers(client: Any, gateway: GatewayProcess, *, raw: bool) -> None:
    # Backwards, the bytes of the second are no text, and pass as they came; JSON cannot hold them.
    other = "Güte" if raw else "Gute"
    texts = [f"use {SECRET} now"[::-1], other]
    inputs = http.InferInput("text_input", [2], "BYTES")
    inputs.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_), binary_data=raw)
    outputs = [http.InferRequestedOutput(name, binary_data=raw) for name in ("text_output", "output_log_probs")]
    answer = client.infer("mirror", [inputs], outputs=outputs)
    said = [text if isinstance(text, bytes) else text.encode() for text in answer.as_numpy("text_output")]
    assert said == [b"use [GITHUB_TOKEN] now", other.encode()[::-1]]
    # What tells the text again is gone with it.
    assert answer.as_numpy("output_log_probs") is None
    outputs = [http.InferRequestedOutput("output_log_probs", binary_data=raw)]
    assert list(client.infer("mirror", [inputs], outputs=outputs).as_numpy("output_log_probs")) == [-0.5, -0.5]
