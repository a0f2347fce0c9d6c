"""Bedrock's ``invoke`` before providers that do not speak it: boto3, and Anthropic's own client for Bedrock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import orjson
import pytest
from anthropic.lib.bedrock import AnthropicBedrock

from tests.support import anthropic_script as claude
from tests.support import bedrock_script as bedrock
from tests.support import openai_script as chat
from tests.support.bedrock_script import drained
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import call, message, text, thought
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
providers:
  gpt: {{kind: openai, base_url: "{url}", api_key: env:KEY}}
  claude: {{kind: anthropic, base_url: "{url}", api_key: env:KEY}}
models:
  - {{alias: "gpt-*", candidates: [{{provider: gpt}}]}}
  - {{alias: "claude-*", candidates: [{{provider: claude}}]}}
"""
METRICS = "amazon-bedrock-invocationMetrics"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": HELLO}
NOVA = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    "inferenceConfig": {"max_new_tokens": 100},
}
GPT = {"messages": HELLO, "max_completion_tokens": 100}
BODIES = {"claude": CLAUDE, "nova": NOVA, "gpt": GPT}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    config = CONFIG.format(url=provider.url)
    running = GatewayProcess(tmp_path_factory.mktemp("invoke"), config=config, env={"KEY": "sk-0123456789"})
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[Any]:
    made = bedrock.client(gateway.base_url.removesuffix("/v1"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def anthropics(gateway: GatewayProcess) -> Iterator[AnthropicBedrock]:
    with AnthropicBedrock(
        aws_access_key="AKIDCLIENT",
        aws_secret_key="client-secret",
        aws_region="eu-west-1",
        base_url=gateway.base_url.removesuffix("/v1"),
        max_retries=0,
        timeout=60,
    ) as made:
        yield made


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def words(form: str, told: Any) -> str:
    """The text in a whole answer."""
    if form == "claude":
        return "".join(block.get("text", "") for block in told["content"])
    if form == "nova":
        return "".join(block["text"] for block in told["output"]["message"]["content"])
    return told["choices"][0]["message"]["content"]


def said(form: str, events: list[Any]) -> str:
    """The text in a stream."""
    found = ""
    for event in events:
        if form == "claude":
            found += event.get("delta", {}).get("text", "")
        elif form == "nova":
            found += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        else:
            found += "".join(each["delta"].get("content") or "" for each in event["choices"])
    return found


@pytest.mark.parametrize("model", ["sim/echo", "gpt-x", "claude-x"])
@pytest.mark.parametrize("form", BODIES)
def test_a_body_of_each_form_is_answered_in_it(client: Any, provider: ScriptedServer, form: str, model: str) -> None:
    body = orjson.dumps(BODIES[form])
    answers: dict[str, Any] = {
        "gpt-x": chat.answer(chat.chat("hello")),
        "claude-x": claude.answer(claude.said("hello")),
    }
    provider.script = answers.get(model, [])
    whole = orjson.loads(client.invoke_model(modelId=model, body=body)["body"].read())
    assert words(form, whole) == "hello"
    streams: dict[str, Any] = {
        "gpt-x": chat.stream(*chat.said("hello")),
        "claude-x": claude.stream(message(text(0, "hel", "lo"))),
    }
    provider.script = streams.get(model, [])
    told = client.invoke_model_with_response_stream(modelId=model, body=body)
    events = [orjson.loads(each["chunk"]["bytes"]) for each in drained(told["body"])]
    assert said(form, events) == "hello"
    assert events[-1][METRICS]["outputTokenCount"] > 0
    if model != "sim/echo":
        asked = sent(provider)
        assert (asked["model"], asked["stream"]) == (model, True)
        assert "hello" in str(asked["messages"])
        assert 100 in (asked.get("max_tokens"), asked.get("max_completion_tokens"))
        assert "anthropic_version" not in asked


def test_a_call_is_recorded_as_what_it_was(gateway: GatewayProcess, client: Any, provider: ScriptedServer) -> None:
    provider.script = chat.answer(chat.chat("Sure."))
    answer = client.invoke_model(modelId="gpt-x", body=orjson.dumps(CLAUDE))
    record = gateway.exchange(answer["ResponseMetadata"]["HTTPHeaders"]["x-weighbridge-id"])
    assert (record["dialect"], record["route"], record["provider"]) == (
        "bedrock_invoke",
        "/model/{model}/invoke",
        "gpt",
    )
    assert record["cached_input_tokens"] == 600


TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def test_anthropics_client_for_bedrock_before_anthropic_itself(
    anthropics: AnthropicBedrock, provider: ScriptedServer
) -> None:
    events = message(thought(0, "Let me look."), text(1, "I look."), call(2, '{"city":', '"Rome"}', name="weather"))
    provider.script = claude.stream(events)
    asked: dict[str, Any] = {"model": "claude-x", "max_tokens": 2000, "messages": HELLO, "tools": [TOOL]}
    with anthropics.messages.stream(**asked) as got:
        final: Any = got.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
    assert final.content[0].signature
    assert final.content[2].input == {"city": "Rome"}
    provider.script = claude.answer(claude.said("Sunny."))
    result = {"type": "tool_result", "tool_use_id": final.content[2].id, "content": "Sunny."}
    turns = [*HELLO, {"role": "assistant", "content": final.content}, {"role": "user", "content": [result]}]
    betas: dict[str, Any] = {"extra_body": {"anthropic_beta": ["context-1m-2025-08-07"]}}
    last: Any = anthropics.messages.create(**{**asked, "messages": turns}, **betas)
    assert last.content[0].text == "Sunny."
    assert provider.last.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert provider.last.headers["x-api-key"] == "sk-0123456789"
    # The seal came back byte for byte.
    assert sent(provider)["messages"][1]["content"][0]["signature"] == final.content[0].signature


def test_anthropics_client_for_bedrock_before_openai(anthropics: AnthropicBedrock, provider: ScriptedServer) -> None:
    provider.script = chat.stream(*chat.said("Sure."))
    with anthropics.messages.stream(model="gpt-x", max_tokens=100, messages=HELLO) as got:
        assert "".join(got.text_stream) == "Sure."
    provider.script = claude.answer(claude.failed("rate_limit_error", "Slow."), "429 Too Many Requests")
    with pytest.raises(anthropic.RateLimitError, match="Slow"):
        anthropics.messages.create(model="gpt-x", max_tokens=100, messages=HELLO)


def test_a_prompt_in_the_words_of_one_model_goes_nowhere_else(client: Any, provider: ScriptedServer) -> None:
    before = len(provider.asked)
    for body in ({"prompt": "hello", "max_gen_len": 9}, {"inputText": "hello"}):
        with pytest.raises(client.exceptions.ValidationException, match="written for"):
            client.invoke_model(modelId="gpt-x", body=orjson.dumps(body))
    assert len(provider.asked) == before


def test_what_cannot_be_carried_is_refused_by_name(client: Any) -> None:
    body = orjson.dumps({**CLAUDE, "mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]})
    with pytest.raises(client.exceptions.ValidationException, match="mcp_servers"):
        client.invoke_model(modelId="gpt-x", body=body)
