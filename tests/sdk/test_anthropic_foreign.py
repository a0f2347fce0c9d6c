"""Across dialects: Anthropic's client before providers that do not speak its dialect, OpenAI's before one that does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import orjson
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.support import anthropic_script as claude
from tests.support import openai_script as chat
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import SEAL, call, message, text, thought
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
providers:
  gpt: {{kind: openai, base_url: "{gpt}", api_key: env:GPT_KEY}}
  claude: {{kind: anthropic, base_url: "{claude}", api_key: env:CLAUDE_KEY}}
models:
  - {{alias: "gpt-*", candidates: [{{provider: gpt}}]}}
  - {{alias: "claude-*", candidates: [{{provider: claude}}]}}
"""


@pytest.fixture(scope="module")
def gpt() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(gpt, provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG.format(gpt=gpt.url, claude=provider.url)
    env = {"GPT_KEY": "sk-gpt-0123456789", "CLAUDE_KEY": "sk-ant-0123456789"}
    running = GatewayProcess(tmp_path_factory.mktemp("foreign"), config=config, env=env)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway) -> Iterator[Anthropic]:
    base_url = gateway.base_url.removesuffix("/v1")
    with Anthropic(base_url=base_url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
def other(gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


def sent(server: ScriptedServer) -> Any:
    return orjson.loads(server.last.body)


def final(client: Anthropic, model: str, **options: Any) -> Any:
    with client.messages.stream(**{"model": model, "max_tokens": 100, "messages": HELLO, **options}) as got:
        return got.get_final_message()


@pytest.mark.parametrize("model", ["sim/echo", "sim/lorem?tokens=20"])
def test_anthropics_client_and_the_built_in_models(client, model: str):
    whole = client.messages.create(model=model, max_tokens=100, messages=HELLO)
    streamed = final(client, model)
    assert whole.content[0].text == streamed.content[0].text != ""
    assert whole.stop_reason == streamed.stop_reason == "end_turn"
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0


def test_anthropics_client_and_openais_models(client, gateway, gpt):
    called = chat.chat(None, message={"tool_calls": [chat.tool_call()]}, finish_reason="tool_calls")
    gpt.script = chat.answer(called)
    raw = client.messages.with_raw_response.create(
        model="gpt-x", max_tokens=100, messages=HELLO, tools=[claude.WEATHER], system="Be kind."
    )
    whole = raw.parse()
    assert (whole.stop_reason, whole.content[0].input) == ("tool_use", {"city": "Rome"})
    assert sent(gpt)["messages"][0] == {"role": "system", "content": "Be kind."}
    assert sent(gpt)["tools"][0]["function"]["name"] == "weather"
    assert gpt.last.headers["authorization"] == "Bearer sk-gpt-0123456789"
    assert "x-api-key" not in gpt.last.headers
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["dialect"], record["cached_input_tokens"], record["reasoning_tokens"]) == (
        "anthropic_messages",
        600,
        120,
    )
    opening = {"index": 0, **chat.tool_call("")}
    gpt.script = chat.stream(
        chat.piece({"role": "assistant", "content": "I look."}),
        chat.piece({"tool_calls": [opening]}),
        *(
            chat.piece({"tool_calls": [{"index": 0, "function": {"arguments": each}}]})
            for each in ('{"ci', 'ty":"Rome"}')
        ),
        chat.piece({}, "tool_calls"),
    )
    streamed = final(client, "gpt-x", tools=[claude.WEATHER])
    assert [each.type for each in streamed.content] == ["text", "tool_use"]
    assert (streamed.content[1].id, streamed.content[1].input) == ("call_1", {"city": "Rome"})
    assert (streamed.usage.input_tokens, streamed.usage.cache_read_input_tokens) == (400, 600)
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": streamed.content}, {"role": "user", "content": [result]}]
    gpt.script = chat.answer(chat.chat("Sunny."))
    assert client.messages.create(model="gpt-x", max_tokens=9, messages=turns).content[0].text == "Sunny."
    assert sent(gpt)["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def test_openais_errors_are_anthropics_to_its_client(client, gpt):
    error = {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    gpt.script = chat.answer({"error": error}, "429 Too Many Requests", chat.JSON_HEAD + b"retry-after: 17\r\n")
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model="gpt-x", max_tokens=9, messages=HELLO)
    assert (caught.value.type, caught.value.api_message) == ("rate_limit_error", "Slow down.")
    assert caught.value.response.headers["retry-after"] == "17"
    with pytest.raises(anthropic.BadRequestError, match="container"):
        client.messages.create(model="gpt-x", max_tokens=9, messages=HELLO, container="c")


def test_openais_client_and_anthropics_models(other, provider):
    provider.script = claude.answer(claude.said(claude.THOUGHT, "I look.", claude.CALL, reason="tool_use"))
    tools: Any = [chat.WEATHER]
    whole = other.chat.completions.create(model="claude-x", messages=HELLO, tools=tools, max_tokens=50)
    choice = whole.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
    assert choice.message.tool_calls[0].function.arguments == '{"city":"Rome"}'
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (1000, 200)
    assert sent(provider)["tools"][0]["name"] == "weather"
    headers = provider.last.headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-ant-0123456789", "2023-06-01")
    events = message(
        thought(0, "hm"), text(1, "I ", "look."), call(2, '{"ci', 'ty":"Rome"}', name="weather"), reason="tool_use"
    )
    provider.script = claude.stream(events)
    with other.chat.completions.stream(model="claude-x", messages=HELLO, tools=tools) as got:
        streamed = got.get_final_completion().choices[0]
    assert streamed.message.content == "I look."
    assert streamed.message.tool_calls[0].function.arguments == '{"city":"Rome"}'
    assert SEAL not in streamed.message.to_json()
    turns: Any = [*HELLO, streamed.message.to_dict(), {"role": "tool", "tool_call_id": "toolu_2", "content": "sunny"}]
    provider.script = claude.answer(claude.said("Sunny."))
    assert other.chat.completions.create(model="claude-x", messages=turns).choices[0].message.content == "Sunny."
    assert sent(provider)["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "sunny"}
    ]


def test_anthropics_errors_are_openais_to_its_client(other, provider):
    provider.script = claude.answer(claude.failed("overloaded_error", "Overloaded"), "529 Overloaded")
    with pytest.raises(openai.InternalServerError) as caught:
        other.chat.completions.create(model="claude-x", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (529, "overloaded_error")
    with pytest.raises(openai.BadRequestError) as refused:
        other.chat.completions.create(model="claude-x", messages=HELLO, seed=1)
    assert (refused.value.param, refused.value.code) == ("seed", "unsupported_field")
