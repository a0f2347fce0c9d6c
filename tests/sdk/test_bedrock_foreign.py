"""Across dialects: Amazon's client before providers that do not speak its dialect, and other clients before Bedrock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.support import anthropic_script as claude
from tests.support import bedrock_script as bedrock
from tests.support import openai_script as chat
from tests.support.bedrock_script import CALL, SEAL, THOUGHT, WEATHER, gathered
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import call, message, text, thought
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": [{"text": "hello"}]}]
PLAIN: list[Any] = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
providers:
  gpt: {{kind: openai, base_url: "{url}", api_key: env:KEY}}
  claude: {{kind: anthropic, base_url: "{url}", api_key: env:KEY}}
  aws: {{kind: bedrock, base_url: "{url}", region: eu-west-1, api_key: env:KEY}}
models:
  - {{alias: "gpt-*", candidates: [{{provider: gpt}}]}}
  - {{alias: "claude-*", candidates: [{{provider: claude}}]}}
  - {{alias: house, candidates: [{{provider: aws, model: "anthropic.claude-x-v1:0"}}]}}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG.format(url=provider.url)
    running = GatewayProcess(tmp_path_factory.mktemp("amazon"), config=config, env={"KEY": "sk-0123456789"})
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(gateway) -> Iterator[Any]:
    made = bedrock.client(gateway.base_url.removesuffix("/v1"))
    yield made
    made.close()


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


@pytest.mark.parametrize("model", ["sim/echo", "sim/lorem?tokens=20"])
def test_amazons_client_and_the_built_in_models(client, model: str):
    whole = client.converse(modelId=model, messages=HELLO)
    streamed = gathered(client.converse_stream(modelId=model, messages=HELLO)["stream"])
    assert whole["output"]["message"]["content"] == streamed["content"]
    assert (whole["stopReason"], whole["usage"]) == (streamed["stopReason"], streamed["usage"])


def test_amazons_client_before_openais_models(client, provider):
    provider.script = chat.answer(chat.chat("Sure."))
    tools = {"tools": [WEATHER], "toolChoice": {"any": {}}}
    answer = client.converse(modelId="gpt-x", messages=HELLO, system=[{"text": "Be brief."}], toolConfig=tools)
    assert answer["output"]["message"]["content"] == [{"text": "Sure."}]
    assert answer["usage"]["cacheReadInputTokens"] == 600
    asked = sent(provider)
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert (asked["tools"][0]["function"]["name"], asked["tool_choice"]) == ("weather", "required")
    assert provider.last.headers["authorization"] == "Bearer sk-0123456789"


def test_amazons_client_before_anthropics_models(client, provider):
    events = message(thought(0, "Let me look."), text(1, "I look."), call(2, '{"city":', '"Rome"}', name="weather"))
    provider.script = claude.stream(events)
    history = [*HELLO, {"role": "assistant", "content": [THOUGHT, CALL]}]
    result = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "Sunny."}]}}
    turns = [*history, {"role": "user", "content": [result]}]
    told = client.converse_stream(modelId="claude-x", messages=turns, toolConfig={"tools": [WEATHER]})
    content = gathered(told["stream"])["content"]
    assert content[0]["reasoningContent"]["reasoningText"] == {"text": "Let me look.", "signature": SEAL}
    assert content[1] == {"text": "I look."}
    assert content[2]["toolUse"]["input"] == {"city": "Rome"}
    assert sent(provider)["messages"][1]["content"][0]["signature"] == SEAL


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("429 Too Many Requests", "ThrottlingException"),
        ("400 Bad Request", "ValidationException"),
        ("403 Forbidden", "AccessDeniedException"),
        ("404 Not Found", "ResourceNotFoundException"),
        ("503 Service Unavailable", "ServiceUnavailableException"),
        ("529 Overloaded", "ThrottlingException"),
    ],
)
@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
def test_errors_of_others_raise_the_right_exception(client, provider, model: str, status: str, kind: str):
    provider.script = claude.answer(claude.failed("some_error", "No."), status)
    with pytest.raises(getattr(client.exceptions, kind), match="No"):
        client.converse(modelId=model, messages=HELLO)


def test_what_cannot_be_carried_is_refused_by_name(client, provider):
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    with pytest.raises(client.exceptions.ValidationException, match="guardrailConfig"):
        client.converse(modelId="gpt-x", messages=HELLO, guardrailConfig=guardrail)
    with pytest.raises(client.exceptions.ValidationException, match="written for"):
        client.invoke_model(modelId="gpt-x", body=b'{"prompt":"hello"}')


def test_openais_client_before_bedrock(gateway, provider):
    with OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0, timeout=60) as other:
        provider.script = bedrock.stream(bedrock.message(bedrock.text(0, "Su", "re.")))
        pieces = other.chat.completions.create(model="house", messages=PLAIN, stream=True)
        assert "".join(each.choices[0].delta.content or "" for each in pieces if each.choices) == "Sure."
        assert provider.last.path.endswith("/model/anthropic.claude-x-v1%3A0/converse-stream")
        assert provider.last.headers["authorization"] == "Bearer sk-0123456789"
        provider.script = bedrock.answer(bedrock.said(CALL, reason="tool_use"))
        whole = other.chat.completions.create(model="house", messages=PLAIN)
        calls: Any = whole.choices[0].message.tool_calls
        assert orjson.loads(calls[0].function.arguments) == {"city": "Rome"}
        provider.script = bedrock.failed("ThrottlingException", "Slow.", "429 Too Many Requests")
        with pytest.raises(openai.RateLimitError, match="Slow"):
            other.chat.completions.create(model="house", messages=PLAIN)
        provider.script = bedrock.stream([bedrock.START, bedrock.thrown("throttlingException", "Slow.")])
        with pytest.raises(openai.RateLimitError, match="Slow"):
            other.chat.completions.create(model="house", messages=PLAIN, stream=True)


def test_anthropics_client_before_bedrock_keeps_the_seal(gateway, provider):
    with Anthropic(base_url=gateway.base_url.removesuffix("/v1"), api_key="x", max_retries=0, timeout=60) as other:
        provider.script = bedrock.stream(bedrock.message(bedrock.thought(0, "Let me look."), bedrock.text(1, "Sure.")))
        with other.messages.stream(model="house", max_tokens=100, messages=PLAIN) as got:
            final: Any = got.get_final_message()
        assert (final.content[0].thinking, final.content[0].signature) == ("Let me look.", SEAL)
        provider.script = bedrock.answer(bedrock.said("Sure."))
        history: Any = [*PLAIN, {"role": "assistant", "content": final.to_dict()["content"]}, *PLAIN]
        other.messages.create(model="house", max_tokens=100, messages=history)
        assert sent(provider)["messages"][1]["content"][0] == THOUGHT
