"""Google's official client before providers that speak other dialects, and OpenAI's before one that speaks Google's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from google import genai
from google.genai import errors, types
from openai import OpenAI

from tests.support import anthropic_script, openai_script
from tests.support.gateway_process import GatewayProcess
from tests.support.gemini_streams import (
    SIGNATURE,
    answer,
    answer_of,
    candidate,
    event,
    failure,
    interrupted,
    said,
    stream,
)
from tests.support.message_streams import message, text
from tests.support.provider import whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CONFIG = """
version: 1
providers:
  chat: {kind: openai, base_url: "SERVER/v1"}
  claude: {kind: anthropic, base_url: "SERVER/v1"}
  google: {kind: gemini, base_url: "SERVER"}
  lax: {kind: openai, base_url: "SERVER/v1", on_unsupported: drop}
policies: {dir: policies, bundle: [ours.yaml]}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: ours, owner: secops}
detectors:
  keys: {use: secrets}
rules:
  - {id: no-keys, match: {direction: [request, response]}, when: keys, do: redact, mode: enforce}
"""
SECRET = "AKIAIOSFODNN7EXAMPLF"
WEATHER = types.FunctionDeclaration(
    name="weather",
    description="Weather in a city.",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
    ),
)
MANUAL = types.AutomaticFunctionCallingConfig(disable=True)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("foreign")
    (home / "policies").mkdir()
    (home / "policies" / "ours.yaml").write_text(POLICY)
    running = GatewayProcess(home, config=CONFIG.replace("SERVER", provider.url.removesuffix("/v1")))
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway) -> Iterator[genai.Client]:
    options = types.HttpOptions(
        base_url=gateway.base_url.removesuffix("/v1"),
        timeout=60_000,
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    with genai.Client(api_key="unused", http_options=options) as made:
        yield made


@pytest.fixture
def chat(gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def test_googles_client_talks_to_a_chat_model(client, provider, gateway) -> None:
    provider.script = openai_script.answer(openai_script.chat(f"Hello, {SECRET}."))
    got = client.models.generate_content(
        model="chat/gpt-4o-mini",
        contents=[types.Part.from_bytes(data=b"\x89PNG" * 9, mime_type="image/png"), f"key {SECRET}"],
        config={"system_instruction": "be brief", "max_output_tokens": 50, "temperature": 0.5},
    )
    assert (got.text, got.candidates[0].finish_reason) == ("Hello, [AWS_KEY].", types.FinishReason.STOP)
    usage = got.usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (1000, 600)
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (180, 120)
    assert provider.last.path == "/v1/chat/completions"
    asked = sent(provider)
    assert (asked["model"], asked["temperature"]) == ("gpt-4o-mini", 0.5)
    assert asked["messages"][0] == {"role": "system", "content": "be brief"}
    assert [part["type"] for part in asked["messages"][1]["content"]] == ["image_url", "text"]
    assert SECRET not in provider.last.body.decode()
    record = gateway.exchange(got.sdk_http_response.headers["x-weighbridge-id"])
    assert (record["dialect"], record["provider"], record["reasoning_tokens"]) == ("gemini", "chat", 120)


def test_it_hears_a_stream_of_chat(client, provider) -> None:
    pieces = [
        *openai_script.said(f"the key is {SECRET} ok"),
        openai_script.piece({}, "stop"),
        openai_script.usage_piece(),
    ]
    provider.script = openai_script.stream(*pieces)
    chunks = list(client.models.generate_content_stream(model="chat/gpt-4o-mini", contents="?"))
    assert "".join(chunk.text or "" for chunk in chunks) == "the key is [AWS_KEY] ok"
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count == 1300


@pytest.mark.parametrize("streamed", [False, True])
def test_it_calls_tools_of_a_chat_model(client, provider, streamed: bool) -> None:
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Ulm"}'},
    }
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[WEATHER])], automatic_function_calling=MANUAL
    )
    if streamed:
        begun, rest = {**call, "function": {"name": "weather", "arguments": '{"ci'}}, 'ty":"Ulm"}'
        provider.script = openai_script.stream(
            openai_script.piece({"tool_calls": [begun]}),
            openai_script.piece({"tool_calls": [{"index": 0, "function": {"arguments": rest}}]}),
            openai_script.piece({}, "tool_calls"),
        )
        chunks = client.models.generate_content_stream(model="chat/m", contents="weather?", config=config)
        calls = [found for chunk in chunks for found in chunk.function_calls or ()]
    else:
        del call["index"]
        told = openai_script.chat(None, message={"tool_calls": [call]}, finish_reason="tool_calls")
        provider.script = openai_script.answer(told)
        calls = client.models.generate_content(model="chat/m", contents="weather?", config=config).function_calls
    assert [(each.id, each.name, each.args) for each in calls] == [("call_1", "weather", {"city": "Ulm"})]
    assert sent(provider)["tools"][0]["function"]["parameters"]["type"] == "object"
    provider.script = openai_script.answer(openai_script.chat("Sunny."))
    result = types.FunctionResponse(id="call_1", name="weather", response={"result": "sunny"})
    contents = [
        types.Content(role="user", parts=[types.Part(text="weather?")]),
        types.Content(role="model", parts=[types.Part(function_call=calls[0])]),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]
    assert client.models.generate_content(model="chat/m", contents=contents, config=config).text == "Sunny."
    assert sent(provider)["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def test_it_is_parsed_by_a_schema(client, provider) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)})
    provider.script = openai_script.answer(openai_script.chat('{"n": 3}'))
    config = {"response_mime_type": "application/json", "response_schema": schema}
    assert client.models.generate_content(model="chat/m", contents="?", config=config).parsed == {"n": 3}
    assert sent(provider)["response_format"]["json_schema"]["schema"]["properties"] == {"n": {"type": "integer"}}


def test_it_talks_to_claude(client, provider) -> None:
    provider.script = anthropic_script.answer(anthropic_script.said({"type": "text", "text": "Hello."}))
    got = client.models.generate_content(
        model="claude/claude-haiku-4-5", contents="hi", config={"max_output_tokens": 50}
    )
    assert got.text == "Hello."
    assert (provider.last.path, sent(provider)["max_tokens"]) == ("/v1/messages", 50)
    provider.script = anthropic_script.stream(message(text(0, "Hel", "lo.")))
    chunks = list(client.models.generate_content_stream(model="claude/claude-haiku-4-5", contents="hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello."
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_what_cannot_be_carried_is_refused_by_its_name_or_left_out(client, provider) -> None:
    harassment, none = types.HarmCategory.HARM_CATEGORY_HARASSMENT, types.HarmBlockThreshold.BLOCK_NONE
    settings = [types.SafetySetting(category=harassment, threshold=none)]
    before = len(provider.asked)
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="chat/m", contents="?", config={"safety_settings": settings})
    assert (caught.value.code, "safetySettings" in (caught.value.message or "")) == (400, True)
    assert len(provider.asked) == before
    provider.script = openai_script.answer(openai_script.chat("x"))
    got = client.models.generate_content(model="lax/m", contents="?", config={"safety_settings": settings})
    assert got.sdk_http_response.headers["x-weighbridge-dropped"] == "safetySettings"


@pytest.mark.parametrize(
    ("status", "raised"), [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)]
)
@pytest.mark.parametrize("model", ["chat/m", "claude/m"])
def test_errors_of_others_are_googles(client, provider, model: str, status: int, raised: type[errors.APIError]) -> None:
    body = {"type": "error", "error": {"message": "Its words.", "type": "some_error"}}
    head = b"content-type: application/json\r\nretry-after: 7\r\n"
    provider.script = [whole(orjson.dumps(body), f"{status} X", head)]
    with pytest.raises(raised) as caught:
        client.models.generate_content(model=model, contents="?")
    assert (caught.value.code, caught.value.message) == (status, "Its words.")
    assert caught.value.response.headers["retry-after"] == "7"


def test_openais_client_talks_to_gemini(chat, provider) -> None:
    provider.script = answer(answer_of({"text": "mull", "thought": True}, {"text": f"Hello, {SECRET}."}))
    got = chat.chat.completions.create(model="google/gemini-2.5-pro", messages=[{"role": "user", "content": "hi"}])
    assert (got.choices[0].message.content, got.choices[0].finish_reason) == ("Hello, [AWS_KEY].", "stop")
    assert (got.usage.completion_tokens, got.usage.completion_tokens_details.reasoning_tokens) == (300, 120)
    assert provider.last.path == "/v1beta/models/gemini-2.5-pro:generateContent"
    assert sent(provider)["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_it_hears_a_stream_of_gemini_with_calls(chat, provider) -> None:
    call = {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}, "thoughtSignature": SIGNATURE}
    provider.script = stream(event(candidate({"text": "I look. "})), event(candidate(call)), *said("ok"))
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    with chat.chat.completions.stream(
        model="google/gemini-2.5-pro", messages=[{"role": "user", "content": "weather?"}], tools=[tool]
    ) as streamed:
        told = streamed.get_final_completion().choices[0]
    assert (told.message.content, told.finish_reason) == ("I look. ok", "tool_calls")
    assert [(each.function.name, each.function.arguments) for each in told.message.tool_calls] == [
        ("weather", '{"city":"Ulm"}')
    ]
    assert told.message.tool_calls[0].id
    assert provider.last.path == "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    assert base64.b64encode(b"x") not in provider.last.body


def test_errors_of_gemini_are_openais(chat, provider) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"}
    for status, name, raised in (
        (400, "INVALID_ARGUMENT", openai.BadRequestError),
        (429, "RESOURCE_EXHAUSTED", openai.RateLimitError),
        (503, "UNAVAILABLE", openai.InternalServerError),
    ):
        provider.script = answer(failure(status, name, "Its words.", retry), f"{status} X")
        with pytest.raises(raised) as caught:
            chat.chat.completions.create(model="google/m", messages=[{"role": "user", "content": "hi"}])
        assert "Its words." in caught.value.message
    go_on = asyncio.Event()
    bad = b"data: " + orjson.dumps(failure(503, "UNAVAILABLE", "Overloaded.")) + b"\r\n\r\n"
    provider.script = interrupted(go_on, event(candidate({"text": "a. \n\n"})), bad)
    chunks = iter(
        chat.chat.completions.create(model="google/m", messages=[{"role": "user", "content": "hi"}], stream=True)
    )
    assert next(chunks)
    provider.signal(go_on)
    with pytest.raises(openai.APIError, match="Overloaded"):
        list(chunks)
