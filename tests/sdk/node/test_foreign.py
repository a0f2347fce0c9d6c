"""Both packages on Node before providers that speak neither's dialect: Google's models and Amazon's service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.core.chat import Reasoning, Text, ToolCall, ToolResult
from tests.support.foreign_answers import playing
from tests.support.gateway_process import GatewayProcess
from tests.support.provider import whole
from tests.support.provider_errors import BODIES, WORDS
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CONFIG = """
version: 1
providers:
  google: {kind: gemini, base_url: "SERVER/v1beta", api_key: env:KEY}
  aws: {kind: bedrock, base_url: "SERVER", region: eu-west-1, api_key: env:KEY}
"""
MODELS = {"google/m": "gemini", "aws/anthropic.claude-x": "bedrock_converse"}
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
CALLS = (
    ToolCall(id="call_0", name="weather", arguments='{"city":"Rome"}'),
    ToolCall(id="call_1", name="weather", arguments='{"city":"Oslo"}'),
)
LOOKS, LAST = (Text(text="I look it up."), *CALLS), (Text(text="Sunny in both."),)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def abroad(node: Any, provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG.replace("SERVER", provider.url.removesuffix("/v1"))
    running = GatewayProcess(tmp_path_factory.mktemp("abroad"), config=config, env={"KEY": "k-0123"}, operator=False)
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("model", MODELS)
def test_openais_stream_helper(node, abroad, provider, model: str):
    playing(provider, MODELS[model], True, LOOKS)
    function = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
    options = {"include_usage": True}
    asked: dict[str, Any] = {"model": model, "messages": HELLO, "tools": [function], "stream_options": options}
    got = node.openai(abroad, "chatHelper", **asked)["got"]
    message = got["whole"]["choices"][0]["message"]
    assert message["content"] == "".join(got["deltas"]) == "I look it up."
    cities = [orjson.loads(each["function"]["arguments"])["city"] for each in message["tool_calls"]]
    assert (cities, got["usage"]) == (["Rome", "Oslo"], 130)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
def test_openais_loop_that_runs_tools(node, abroad, provider, model: str, streamed: bool):
    asked = playing(provider, MODELS[model], streamed, LOOKS, LAST)
    more = {"stream": True} if streamed else {}
    got = node.openai(abroad, "chatTools", model=model, messages=HELLO, **more)["got"]
    assert (got["content"], got["called"]) == ("Sunny in both.", ["Rome", "Oslo"])
    results = [part for turn in asked[1].turns for part in turn.parts if isinstance(part, ToolResult)]
    assert [each.call_id for each in results] == ["call_0", "call_1"]
    assert "sunny in Oslo" in str(results[1])


@pytest.mark.parametrize("model", MODELS)
def test_openais_responses(node, abroad, provider, model: str):
    playing(provider, MODELS[model], False, LAST)
    got = node.openai(abroad, "response", model=model, input="hello", store=False)["got"]
    assert got["text"] == "Sunny in both."
    playing(provider, MODELS[model], True, LAST)
    got = node.openai(abroad, "responseStream", model=model, input="hello", store=False)["got"]
    assert got["text"] == got["whole"]["output_text"] == "Sunny in both."
    assert got["kinds"][-1] == "response.completed"
    assert got["whole"]["usage"]["total_tokens"] == 130


@pytest.mark.parametrize("model", MODELS)
def test_anthropics_stream_helper(node, abroad, provider, model: str):
    playing(provider, MODELS[model], True, (Reasoning(text="Let me think.", summary=True), *LOOKS))
    tools = [{"name": "weather", "input_schema": WEATHER}]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked: dict[str, Any] = {"model": model, "max_tokens": 4096, "messages": HELLO, "tools": tools}
    got = node.anthropic(abroad, "messageHelper", **asked, thinking=thinking)["got"]
    assert "".join(got["deltas"]) == "I look it up."
    assert "".join(got["thoughts"]) == "Let me think."
    blocks = got["whole"]["content"]
    assert [each["type"] for each in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    assert [each["input"]["city"] for each in blocks[2:]] == ["Rome", "Oslo"]
    assert got["whole"]["usage"]["output_tokens"] == 30


@pytest.mark.parametrize("model", MODELS)
def test_anthropics_loop_that_runs_tools(node, abroad, provider, model: str):
    asked = playing(provider, MODELS[model], False, LOOKS, LAST)
    got = node.anthropic(abroad, "messageTools", model=model, max_tokens=100, messages=HELLO)["got"]
    assert got["called"] == ["Rome", "Oslo"]
    assert [each["text"] for each in got["content"]] == ["Sunny in both."]
    assert "sunny in Oslo" in str(asked[1].turns[-1])


ERRORS = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
    429: "RateLimitError", 500: "InternalServerError", 503: "InternalServerError", 529: "InternalServerError",
}  # fmt: skip
# Of Anthropic's package alone.
OWN = {503: "ServiceUnavailableError", 529: "OverloadedError"}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("model", MODELS)
def test_errors_are_thrown_as_their_own(node, abroad, provider, model: str, status: int):
    provider.script = [whole(orjson.dumps(BODIES[MODELS[model]](status)), f"{status} X")]
    gpt = node.openai(abroad, "chat", model=model, messages=HELLO)
    claude = node.anthropic(abroad, "message", model=model, max_tokens=9, messages=HELLO)
    assert (gpt["thrown"], gpt["status"]) == (ERRORS[status], status)
    assert (claude["thrown"], claude["status"]) == (OWN.get(status, ERRORS[status]), status)
    assert WORDS in gpt["message"]
    assert WORDS in claude["message"]
