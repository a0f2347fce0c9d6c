"""Google's official client, unmodified but for the address, against a provider that answers as Google does."""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson
import pytest
from google.genai import errors, types

from tests.support.gateway_run import until
from tests.support.gemini_streams import (
    KEY,
    MODEL,
    SIGNATURE,
    USAGE,
    answer,
    answer_of,
    candidate,
    event,
    said,
    stream,
)
from tests.support.google_account import claims_of, given
from tests.support.provider import Asked, Step
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.integration
# 400 fresh, 600 cached, 180 written and 120 thought.
COST_USD = (400 * 300 + 600 * 75 + 300 * 2500) / 1e9
SECRET = "AKIAIOSFODNN7EXAMPLF"
WEATHER = types.FunctionDeclaration(
    name="weather",
    description="Weather in a city.",
    parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
)
CALL = {"functionCall": {"id": "c-1", "name": "weather", "args": {"city": "Ulm"}}, "thoughtSignature": SIGNATURE}


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def test_an_answer_comes_back_and_costs_what_google_says_it_took(client, provider, gateway) -> None:
    provider.script = answer(answer_of({"text": "Hello."}))
    got = client.models.generate_content(
        model="flash", contents="hi", config={"system_instruction": "be brief", "max_output_tokens": 50}
    )
    assert (got.text, got.model_version) == ("Hello.", MODEL)
    assert got.candidates[0].finish_reason == types.FinishReason.STOP
    assert got.usage_metadata.thoughts_token_count == 120
    asked = provider.last
    assert (asked.method, asked.path) == ("POST", "/v1beta/models/gemini-2.5-flash:generateContent")
    assert asked.headers["x-goog-api-key"] == "AIza-ours"
    assert KEY not in str(asked.head)
    assert sent(provider)["systemInstruction"]["parts"] == [{"text": "be brief"}]
    record = gateway.exchange(got.sdk_http_response.headers["x-weighbridge-id"])
    assert (record["dialect"], record["route"]) == ("gemini", "/v1beta/models/{model}:generateContent")
    assert (record["input_tokens"], record["cached_input_tokens"]) == (1000, 600)
    assert (record["output_tokens"], record["reasoning_tokens"]) == (300, 120)
    assert float(got.sdk_http_response.headers["x-weighbridge-cost-usd"]) == pytest.approx(COST_USD)


def test_a_stream_arrives_piece_by_piece(client, provider, gateway) -> None:
    provider.script = stream(*said("Hel", "lo ", "world."))
    chunks = list(client.models.generate_content_stream(model="flash", contents="hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello world."
    assert chunks[-1].usage_metadata.total_token_count == USAGE["totalTokenCount"]
    assert provider.last.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    record = gateway.exchange(chunks[0].sdk_http_response.headers["x-weighbridge-id"])
    assert (record["stream"], record["finish_reason"], record["usage_source"]) == (True, "STOP", "reported")
    assert record["output_tokens"] == 300


def test_who_asks_for_no_events_gets_one_array(gateway, provider) -> None:
    provider.script = stream(*said("Hel", f"lo {SECRET}."))
    body = orjson.dumps({"contents": [{"parts": [{"text": "hi"}]}]})
    path = f"/v1beta/models/flash:streamGenerateContent?key={KEY}"
    status, headers, data = gateway.ask("POST", path, body, {"content-type": "application/json"})
    assert (status, headers["content-type"]) == (200, "application/json; charset=UTF-8")
    texts = [each["candidates"][0]["content"]["parts"][0]["text"] for each in orjson.loads(data)]
    assert "".join(texts) == "Hello [AWS_KEY]."
    assert provider.last.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert KEY not in str(provider.last.head)


def test_several_candidates_keep_their_numbers(client, provider) -> None:
    provider.script = stream(
        event(candidate({"text": "a"}), candidate({"text": "b"}, index=1)),
        event(candidate({"text": "!"}, index=1, finish="MAX_TOKENS")),
        event(candidate({"text": "?"}, finish="STOP"), usageMetadata=USAGE),
    )
    texts, ends = {0: "", 1: ""}, {}
    for chunk in client.models.generate_content_stream(model="flash", contents="x", config={"candidate_count": 2}):
        for each in chunk.candidates:
            texts[each.index] += "".join(part.text or "" for part in each.content.parts)
            ends[each.index] = each.finish_reason or ends.get(each.index)
    assert texts == {0: "a?", 1: "b!"}
    assert ends == {0: types.FinishReason.STOP, 1: types.FinishReason.MAX_TOKENS}


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_go_there_and_back_with_their_signature(client, provider, streamed: bool) -> None:
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[WEATHER])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    if streamed:
        provider.script = stream(event(candidate(CALL)), event(candidate({"text": ""}, finish="STOP")))
        chunks = client.models.generate_content_stream(model="flash", contents="weather?", config=config)
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    else:
        provider.script = answer(answer_of(CALL))
        got = client.models.generate_content(model="flash", contents="weather?", config=config)
        parts = got.candidates[0].content.parts
    call = next(part for part in parts if part.function_call)
    assert (call.function_call.name, call.function_call.args) == ("weather", {"city": "Ulm"})
    assert call.thought_signature == base64.b64decode(SIGNATURE)
    assert sent(provider)["tools"][0]["functionDeclarations"][0]["name"] == "weather"
    result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    provider.script = answer(answer_of({"text": "Sunny."}))
    contents = [
        types.Content(role="user", parts=[types.Part(text="weather?")]),
        types.Content(role="model", parts=[call]),
        types.Content(role="user", parts=[result]),
    ]
    assert client.models.generate_content(model="flash", contents=contents, config=config).text == "Sunny."
    history = sent(provider)["contents"]
    there = history[1]["parts"][0]
    assert there["functionCall"] == CALL["functionCall"]
    assert base64.urlsafe_b64decode(there["thoughtSignature"]) == call.thought_signature


def test_python_functions_are_called_by_the_client_itself(client, provider) -> None:
    def weather(city: str) -> str:
        """Weather in a city."""
        return f"sunny in {city}"

    def script(asked: Asked) -> list[Step]:
        answered = "functionResponse" in asked.body.decode()
        return answer(answer_of({"text": "It is sunny."} if answered else CALL))

    provider.script = script
    got = client.models.generate_content(model="flash", contents="weather?", config={"tools": [weather]})
    assert got.text == "It is sunny."
    assert "sunny in Ulm" in provider.last.body.decode()


@pytest.mark.parametrize("streamed", [False, True])
def test_thoughts_are_told_from_the_answer(client, provider, streamed: bool) -> None:
    thought, word = {"text": "Let me see.", "thought": True}, {"text": "42", "thoughtSignature": SIGNATURE}
    config = {"thinking_config": {"include_thoughts": True, "thinking_budget": 512}}
    if streamed:
        provider.script = stream(event(candidate(thought)), event(candidate(word, finish="STOP")))
        chunks = list(client.models.generate_content_stream(model="flash", contents="?", config=config))
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    else:
        provider.script = answer(answer_of(thought, word))
        got = client.models.generate_content(model="flash", contents="?", config=config)
        assert got.text == "42"
        parts = got.candidates[0].content.parts
    assert [(part.text, part.thought) for part in parts] == [("Let me see.", True), ("42", None)]
    assert parts[1].thought_signature == base64.b64decode(SIGNATURE)
    # The client itself writes some fields in the other spelling.
    assert sent(provider)["generationConfig"]["thinkingConfig"] == {"include_thoughts": True, "thinking_budget": 512}


def test_an_answer_by_a_schema_is_parsed(client, provider) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)})
    provider.script = answer(answer_of({"text": '{"n": 3}'}))
    config = {"response_mime_type": "application/json", "response_schema": schema}
    assert client.models.generate_content(model="flash", contents="?", config=config).parsed == {"n": 3}
    assert sent(provider)["generationConfig"]["responseMimeType"] == "application/json"


def test_images_go_there_and_come_back_untouched(client, provider) -> None:
    picture = bytes(range(256)) * 8
    data = base64.b64encode(picture).decode()
    provider.script = answer(answer_of({"text": "A cat."}, {"inlineData": {"mimeType": "image/png", "data": data}}))
    got = client.models.generate_content(
        model="flash", contents=[types.Part.from_bytes(data=picture, mime_type="image/png"), "what is it?"]
    )
    assert got.candidates[0].content.parts[1].inline_data.data == picture
    there = sent(provider)["contents"][0]["parts"][0]["inlineData"]["data"]
    assert base64.urlsafe_b64decode(there.replace("+", "-").replace("/", "_")) == picture


def test_tokens_are_counted_and_vectors_made(client, provider, gateway) -> None:
    provider.script = answer({"totalTokens": 31})
    assert client.models.count_tokens(model="flash", contents="hi").total_tokens == 31
    assert provider.last.path == "/v1beta/models/gemini-2.5-flash:countTokens"
    provider.script = answer({"embeddings": [{"values": [0.5, 0.25]}], "usageMetadata": {"promptTokenCount": 3}})
    got = client.models.embed_content(model="text-embedding-004", contents=[f"key {SECRET}"])
    assert got.embeddings[0].values == [0.5, 0.25]
    assert provider.last.path == "/v1beta/models/text-embedding-004:batchEmbedContents"
    assert sent(provider)["requests"][0]["model"] == "models/text-embedding-004"
    assert SECRET not in provider.last.body.decode()
    provider.script = answer({"embedding": {"values": [1.0]}})
    body = orjson.dumps({"content": {"parts": [{"text": "x"}]}})
    headers = {"content-type": "application/json", "x-goog-api-key": KEY}
    status, _, data = gateway.ask("POST", "/gemini/v1beta/models/text-embedding-004:embedContent", body, headers)
    assert (status, orjson.loads(data)) == (200, {"embedding": {"values": [1.0]}})


def test_secrets_never_leave_and_masked_words_come_back(client, provider) -> None:
    def script(asked: Asked) -> list[Step]:
        (masked,) = re.findall(r"\[EMAIL[^\]]*\]", asked.body.decode())
        return answer(answer_of({"text": f"I write to {masked} with {SECRET}."}))

    provider.script = script
    text = f"mail ann@acme.example, key {SECRET}"
    got = client.models.generate_content(model="flash", contents=text)
    assert got.text == "I write to ann@acme.example with [AWS_KEY]."
    assert "ann@acme.example" not in provider.last.body.decode()
    assert SECRET not in provider.last.body.decode()


def test_a_secret_that_is_cut_into_pieces_is_found_in_a_stream(client, provider) -> None:
    pieces = [f"the key is {SECRET[:4]}", SECRET[4:9], SECRET[9:] + " ok"]
    provider.script = stream(
        *said(*pieces[:2])[:1],
        event(candidate({"text": pieces[1]})),
        event(candidate({"functionCall": {"name": "weather", "args": {"city": SECRET}}})),
        event(candidate({"text": pieces[2]}, finish="STOP"), usageMetadata=USAGE),
    )
    chunks = list(client.models.generate_content_stream(model="flash", contents="?"))
    parts = [part for chunk in chunks if chunk.candidates for part in chunk.candidates[0].content.parts or ()]
    assert "".join(part.text or "" for part in parts) == "the key is [AWS_KEY] ok"
    assert [part.function_call.args for part in parts if part.function_call] == [{"city": "[AWS_KEY]"}]


def test_forbidden_tools_are_not_offered_and_not_called(client, provider) -> None:
    shell = types.FunctionDeclaration(name="shell", description="Run.")
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[WEATHER, shell])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    provider.script = answer(answer_of({"functionCall": {"name": "shell", "args": {"cmd": "ls"}}}))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="flash", contents="?", config=config)
    assert "'calls'" in (caught.value.message or "")
    assert [each["name"] for each in sent(provider)["tools"][0]["functionDeclarations"]] == ["weather"]


def test_the_path_may_be_below_gemini(connect, provider) -> None:
    provider.script = answer(answer_of({"text": "x"}))
    assert connect(path="/gemini").models.generate_content(model="flash", contents="?").text == "x"
    assert connect(api_version="v1").models.generate_content(model="gemini-2.0-flash", contents="?").text == "x"
    assert provider.last.path == "/v1beta/models/gemini-2.0-flash:generateContent"


def test_googles_cloud_is_asked_with_a_token_that_is_fetched_once(client, provider, gateway) -> None:
    tokens: list[Asked] = []

    def script(asked: Asked) -> list[Step]:
        if asked.path == "/token":
            tokens.append(asked)
            return given("ya29.cloud")
        return answer(answer_of({"text": "from the cloud"}))

    provider.script = script
    for _ in range(2):
        assert client.models.generate_content(model="pro", contents="?").text == "from the cloud"
    assert provider.last.path == (
        "/v1/projects/acme-prod/locations/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent"
    )
    assert provider.last.headers["authorization"] == "Bearer ya29.cloud"
    assert "x-goog-api-key" not in provider.last.headers
    assert KEY.encode() not in provider.last.head + provider.last.body
    assert len(tokens) == 1
    assert KEY.encode() not in tokens[0].head + tokens[0].body
    assert claims_of(tokens[0])["iss"] == "gateway@acme-prod.iam.gserviceaccount.com"
    # A client of the cloud names a project of its own, which is not ours.
    cloud = "/v1beta1/projects/theirs/locations/us-central1/publishers/google/models/pro:generateContent"
    body = orjson.dumps({"contents": [{"parts": [{"text": "hi"}]}]})
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    status, _, data = gateway.ask("POST", cloud, body, headers)
    assert (status, orjson.loads(data)["candidates"][0]["finishReason"]) == (200, "STOP")
    assert "/projects/acme-prod/" in provider.last.path
    # However a caller says who he is, it is for us alone.
    for name in ("authorization", "x-goog-api-key", "x-api-key", "api-key", ""):
        said = {name: f"Bearer {KEY}" if name == "authorization" else KEY} if name else {}
        path = "/v1beta/models/pro:generateContent" + ("" if name else f"?key={KEY}")
        headers = {"content-type": "application/json", "cookie": f"session={KEY}", **said}
        status, _, _ = gateway.ask("POST", path, body, headers)
        assert (status, provider.last.headers["authorization"]) == (200, "Bearer ya29.cloud")
        assert KEY.encode() not in provider.last.head + provider.last.body
    assert "ya29" not in gateway.stderr


def test_a_forecast_knows_the_budget_of_a_limit(client, provider, gateway) -> None:
    provider.script = answer(answer_of({"text": "x"}))
    assert client.models.generate_content(model="flash", contents="?").text == "x"
    path = "/api/spend/forecast?by=team&per=month&zone=Europe/Berlin"

    def told() -> list[Any]:
        status, document = gateway.operator("GET", path)
        assert status == 200, document
        return [each for each in document["rows"] if each["team"] == "red"]

    until(lambda: bool(told()))
    assert [(each["budget_nanousd"], each["outlook"]) for each in told()] == [(1000 * 10**9, "too little data")]
    # Of another zone's months the limit says nothing.
    path = "/api/spend/forecast?by=team&per=month"
    assert [each["budget_nanousd"] for each in told()] == [None]


@pytest.mark.parametrize("version", ["v1beta", "v1alpha", "v1"])
@pytest.mark.parametrize("path", ["", "/gemini"])
def test_models_are_listed_and_shown(connect, path: str, version: str):
    client = connect(path=path, api_version=version)
    names = [each.name for each in client.models.list(config={"page_size": 1})]
    assert {"models/flash", "models/pro"} <= set(names)
    assert client.models.get(model="flash").name == "models/flash"
    with pytest.raises(errors.ClientError) as missing:
        client.models.get(model="nobody")
    assert missing.value.code == 404
