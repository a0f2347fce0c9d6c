"""Triton's official clients, unmodified, by HTTP and by gRPC, for models that no Triton server has.

What the provider was asked is read by the codec of its own dialect.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import orjson
import pytest

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Reasoning, Text, TokenLogprob
from gateway.core.usage import Usage
from gateway.wire.bridge import CODECS
from loadtests.ports import free_port
from tests.parity.speakers import SPEAKERS
from tests.support.gateway_process import GatewayProcess
from tests.support.provider import CLOSE, END, EVENTS, chunk, whole
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.waiting import until

pytestmark = pytest.mark.integration
http: Any = import_module("tritonclient.http")
grpc: Any = import_module("tritonclient.grpc")
aio: Any = import_module("tritonclient.grpc.aio")
utils: Any = import_module("tritonclient.utils")

CONFIG = """
version: 1
listen: {grpc: "127.0.0.1:PORT"}
providers:
  gpt: {kind: openai, base_url: "SERVER/v1"}
  claude: {kind: anthropic, base_url: "SERVER/v1"}
  google: {kind: gemini, base_url: "SERVER/v1beta"}
models:
  - {alias: house, candidates: [{provider: gpt, model: m}], retry: {attempts: 1}}
policies: {dir: policies, bundle: [baseline.yaml]}
"""
SPEAKS = {"gpt": "openai_chat", "claude": "anthropic_messages", "google": "gemini"}
USAGE = Usage(input_fresh_tokens=40, output_text_tokens=18)
SECRET = "ghp_" + "a1B2c3D4e5F6" * 3
WORDS = "Grüße aus Ulm."
LIKELY = (TokenLogprob(token="a", logprob=-0.5), TokenLogprob(token="b", logprob=-0.25))
WAIT_S = 30.0


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def gateway(
    provider: ScriptedServer, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    config = CONFIG.replace("SERVER", provider.url.removesuffix("/v1")).replace("PORT", address.partition(":")[2])
    running = GatewayProcess(tmp_path_factory.mktemp("abroad"), config=config)
    yield running
    assert running.stop() == 0


class Caller:
    """One of the clients, and the classes of its values."""

    def __init__(self, package: Any, client: Any) -> None:
        self.client = client
        self._package = package

    def tensor(self, name: str, datatype: str, value: Any, raw: bool = True) -> Any:
        dtype = np.object_ if datatype == "BYTES" else utils.triton_to_np_dtype(datatype)
        made = self._package.InferInput(name, [1], datatype)
        held = np.array([value.encode() if isinstance(value, str) else value], dtype=dtype)
        if self._package is http:
            made.set_data_from_numpy(held, binary_data=raw)
        else:
            made.set_data_from_numpy(held)
        return made

    def asked(self, text: str, raw: bool = True, **more: Any) -> list[Any]:
        kinds = {int: "INT32", float: "FP32", bool: "BOOL", str: "BYTES"}
        return [
            self.tensor(name, kinds[type(value)], value, raw) for name, value in (("text_input", text), *more.items())
        ]

    def named(self, *names: str) -> list[Any]:
        return [self._package.InferRequestedOutput(name) for name in names]


@pytest.fixture(params=["http", "grpc"])
def caller(request: pytest.FixtureRequest, gateway: GatewayProcess, address: str) -> Iterator[Caller]:
    package = http if request.param == "http" else grpc
    where = f"{gateway.host}:{gateway.port}" if request.param == "http" else address
    client = package.InferenceServerClient(where)
    try:
        yield Caller(package, client)
    finally:
        client.close()


def playing(
    provider: ScriptedServer, model: str, text: str, *, stream: bool = False, likely: Any = None
) -> list[ChatRequest]:
    """Let the provider say this in its dialect; returns what it was asked."""
    asked: list[ChatRequest] = []
    dialect = SPEAKS[model]

    def script(request: Any) -> list[Any]:
        path = request.path.removeprefix("/v1beta").removeprefix("/v1")
        asked.append(CODECS[dialect].read_request(orjson.loads(request.body), path))
        parts = (Text(text=text),) if model == "gpt" else (Reasoning(text="Hm.", summary=True), Text(text=text))
        choice = Choice(index=0, parts=parts, finish="stop", logprobs=likely)
        answer = ChatAnswer(id="answer-1", model="m-1", choices=(choice,), usage=USAGE, created_s=1_700_000_000)
        if not stream:
            return [whole(SPEAKERS[dialect].answer(answer))]
        return [EVENTS, *(chunk(each) for each in SPEAKERS[dialect].events(answer, (3, 4, 5))), END]

    provider.script = script
    return asked


def said(answer: Any) -> list[str]:
    return [
        each.decode() if isinstance(each, bytes) else str(each) for each in answer.as_numpy("text_output").reshape(-1)
    ]


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "json"])
@pytest.mark.parametrize("model", SPEAKS)
def test_a_call_in_tensors(caller: Caller, provider: ScriptedServer, model: str, raw: bool) -> None:
    asked = playing(provider, model, WORDS)
    inputs = caller.asked("Wie geht's?", raw, max_tokens=7, temperature=0.5, stop_words="END")
    answer = caller.client.infer(f"{model}/m", inputs, request_id="7")
    assert said(answer) == [WORDS]
    (chat,) = asked
    assert [part.text for turn in chat.turns for part in turn.parts if isinstance(part, Text)] == ["Wie geht's?"]
    assert (chat.sampling.max_tokens, chat.sampling.temperature, chat.sampling.stop) == (7, 0.5, ("END",))
    assert not chat.stream


def test_what_else_is_wanted_is_told(caller: Caller, provider: ScriptedServer) -> None:
    asked = playing(provider, "gpt", "ab", likely=LIKELY)
    outputs = caller.named("text_output", "num_output_tokens", "finish_reason", "output_log_probs", "cum_log_probs")
    answer = caller.client.infer("house", caller.asked("x"), outputs=outputs)
    assert said(answer) == ["ab"]
    assert list(answer.as_numpy("num_output_tokens")) == [18]
    assert [bytes(each) for each in answer.as_numpy("finish_reason")] == [b"stop"]
    assert list(answer.as_numpy("output_log_probs")) == [-0.5, -0.25]
    assert list(answer.as_numpy("cum_log_probs")) == [-0.75]
    assert asked[0].sampling.logprobs is True


def test_what_a_model_is_can_be_asked(caller: Caller) -> None:
    client = caller.client
    rpc = not isinstance(client, http.InferenceServerClient)
    for model in ("house", "claude/some/model"):
        assert client.is_model_ready(model)
        assert not client.is_model_ready(model, "9")
        told = client.get_model_metadata(model, **({"as_json": True} if rpc else {}))
        assert told["name"] == model
        assert [each["name"] for each in told["inputs"]][:2] == ["text_input", "max_tokens"]
        config = client.get_model_config(model, **({"as_json": True} if rpc else {}))
        held = config["config"] if rpc else config
        assert held["model_transaction_policy"]["decoupled"] is True
        assert held["input"][0]["data_type"] == "TYPE_STRING"
    assert not client.is_model_ready("nobody")
    with pytest.raises(utils.InferenceServerException, match="not yet available"):
        client.get_inference_statistics("house")


def test_what_cannot_be_carried_is_refused_by_name(caller: Caller, provider: ScriptedServer) -> None:
    before = len(provider.asked)
    for model, inputs, outputs, named in (
        ("house", caller.asked("x", beam_search_diversity_rate=0.5), None, "beam_search_diversity_rate"),
        ("house", caller.asked("x"), caller.named("context_logits"), "context_logits"),
        ("claude/m", caller.asked("x", random_seed=3), None, "random_seed"),
        ("google/m", [caller.tensor("max_tokens", "INT32", 1)], None, "text_input"),
    ):
        with pytest.raises(utils.InferenceServerException, match=named):
            caller.client.infer(model, inputs, outputs=outputs)
    assert len(provider.asked) == before


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "UNAUTHENTICATED"), (404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")],
)
def test_errors_are_the_providers(caller: Caller, provider: ScriptedServer, status: int, code: str) -> None:
    body = orjson.dumps({"error": {"message": "No luck.", "type": "x", "param": None, "code": None}})
    provider.script = [whole(body, status=f"{status} No")]
    with pytest.raises(utils.InferenceServerException, match="No luck") as caught:
        caller.client.infer("gpt/m", caller.asked("x"))
    assert caught.value.status() in (str(status), f"StatusCode.{code}")


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "json"])
def test_secrets_are_cut_out_on_both_ways(caller: Caller, provider: ScriptedServer, raw: bool) -> None:
    asked = playing(provider, "gpt", f"take {SECRET} now")
    answer = caller.client.infer("house", caller.asked(f"use {SECRET}", raw, max_tokens=9))
    assert said(answer) == ["take [GITHUB_TOKEN] now"]
    assert SECRET not in str(asked)
    assert asked[0].sampling.max_tokens == 9


def test_a_call_is_recorded_with_what_it_used(gateway: GatewayProcess, provider: ScriptedServer) -> None:
    playing(provider, "gpt", WORDS)
    tensors = [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["x"]}]
    _, headers, _ = gateway.post("/v2/models/gpt/m/infer", {"inputs": tensors})
    row = gateway.exchange(headers["x-weighbridge-id"])
    assert (row["dialect"], row["route"], row["provider"]) == ("kserve", "/v2/models/{model}/infer", "gpt")
    assert (row["usage_source"], row["input_tokens"], row["output_tokens"]) == ("reported", 40, 18)


def streamed(client: Any, model: str, inputs: list[Any]) -> tuple[str, list[Any], str]:
    """All that a stream says: its text, its answers, and how it failed."""
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: came.put((result, error)))
    answers: list[Any] = []
    text, failure = "", ""
    try:
        client.async_stream_infer(model, inputs, request_id="7", enable_empty_final_response=True)
        while True:
            result, error = came.get(timeout=WAIT_S)
            if error is not None:
                failure = error.message()
                break
            answers.append(result)
            if (tensor := result.as_numpy("text_output")) is not None:
                text += b"".join(tensor.reshape(-1)).decode()
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
    finally:
        client.stop_stream()
    return text, answers, failure


@pytest.fixture
def rpc(gateway: GatewayProcess, address: str) -> Iterator[Caller]:
    client = grpc.InferenceServerClient(address)
    try:
        yield Caller(grpc, client)
    finally:
        client.close()


@pytest.mark.parametrize("model", SPEAKS)
def test_a_stream(rpc: Caller, provider: ScriptedServer, model: str) -> None:
    asked = playing(provider, model, WORDS, stream=True)
    inputs = rpc.asked("x", stream=True, return_finish_reason=True, return_num_output_tokens=True)
    text, answers, failure = streamed(rpc.client, f"{model}/m", inputs)
    assert (text, failure) == (WORDS, "")
    assert len(answers) > 2
    assert {each.get_response().id for each in answers} == {"7"}
    assert asked[0].stream or model == "google"
    # What it wants besides comes with the last answer that has tensors.
    assert list(answers[-2].as_numpy("num_output_tokens")) == [18]
    assert [bytes(each) for each in answers[-2].as_numpy("finish_reason")] == [b"stop"]


def test_secrets_are_cut_out_of_streams(rpc: Caller, provider: ScriptedServer) -> None:
    playing(provider, "claude", f"take {SECRET} now", stream=True)
    assert streamed(rpc.client, "claude/m", rpc.asked("x", stream=True))[0] == "take [GITHUB_TOKEN] now"


def test_a_stream_that_breaks_says_so(rpc: Caller, provider: ScriptedServer) -> None:
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": {"content": "Half"}, "finish_reason": None}]}  # fmt: skip
    provider.script = [EVENTS, chunk(b"data: " + orjson.dumps(event) + b"\n\n"), CLOSE]
    text, answers, failure = streamed(rpc.client, "gpt/m", rpc.asked("x", stream=True))
    assert (text, len(answers)) == ("Half", 1)
    assert failure


def test_the_client_for_loops(gateway: GatewayProcess, address: str, provider: ScriptedServer) -> None:
    maker = Caller(grpc, None)

    async def calls() -> AsyncIterator[dict[str, Any]]:
        for _ in range(2):
            yield {"model_name": "google/m", "inputs": maker.asked("x", stream=True)}

    async def spoken() -> tuple[list[str], str]:
        client = aio.InferenceServerClient(address)
        try:
            playing(provider, "claude", WORDS)
            once = said(await client.infer("claude/m", maker.asked("x")))
            playing(provider, "google", WORDS, stream=True)
            text = ""
            async for result, error in client.stream_infer(calls()):
                assert error is None
                text += "".join(said(result))
        finally:
            await client.close()
        return once, text

    assert asyncio.run(spoken()) == ([WORDS], WORDS + WORDS)


def test_a_client_that_goes_stops_the_provider(rpc: Caller, provider: ScriptedServer) -> None:
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": {"content": "Half"}, "finish_reason": None}]}  # fmt: skip
    provider.script = [EVENTS, chunk(b"data: " + orjson.dumps(event) + b"\n\n"), asyncio.Event()]
    came: queue.Queue[tuple[Any, Any]] = queue.Queue()
    rpc.client.start_stream(callback=lambda result, error: came.put((result, error)))
    rpc.client.async_stream_infer("gpt/m", rpc.asked("x", stream=True))
    assert came.get(timeout=WAIT_S)[1] is None
    before = provider.open
    assert before
    rpc.client.stop_stream(cancel_requests=True)
    # A second, and what a loaded machine takes beyond it to look.
    until(lambda: provider.open < before or None, 5)


def test_the_page_says_what_is_so(caller: Caller) -> None:
    assert said(caller.client.infer("sim/echo", caller.asked("hello"))) == ["hello"]
