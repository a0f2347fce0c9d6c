"""The official client in transparent mode: what the provider says arrives, and what the client says arrives there."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.figures import BUSY
from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import (
    COST_NANOUSD,
    EVENTS_HEAD,
    JSON_HEAD,
    PRICES,
    USAGE,
    WEATHER,
    answer,
    chat,
    event,
    piece,
    said,
    stream,
    tool_call,
    usage_piece,
)
from tests.support.provider import END, whole
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.waiting import until

pytestmark = pytest.mark.integration
KEY = "sk-client-credential"
MODEL = "gpt-4o-mini"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OURS = {"id", "cache", "provider", "model", "attempts", "verdict", "policy", "cost-usd", "overhead-ms"}


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("scripted")
    (home / "prices.yaml").write_text(PRICES)
    running = GatewayProcess(home, "--upstream", provider.url, config="version: 1\nprices: {overrides: prices.yaml}\n")
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway, connect) -> OpenAI:
    return connect(gateway, KEY)


def sent(provider: ScriptedServer) -> Any:
    """The last request's document."""
    return orjson.loads(provider.last.body)


def ours(headers: Any) -> dict[str, str]:
    """What an answer's headers say of the gateway."""
    return {
        name.lower().removeprefix("x-weighbridge-"): value
        for name, value in headers.items()
        if name.lower().startswith("x-weighbridge-")
    }


def test_chat_arrives_as_it_was_said(client, provider):
    provider.script = answer(chat("Hi there."))
    got = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0.5, metadata={"a": "b"})
    assert got.to_dict() == chat("Hi there.")
    assert sent(provider) == {"model": MODEL, "messages": HELLO, "temperature": 0.5, "metadata": {"a": "b"}}
    assert (provider.last.method, provider.last.path) == ("POST", "/v1/chat/completions")


def test_body_bytes_pass_unchanged(gateway, provider):
    body = b'{ "model":"gpt-4o-mini",\n "messages": [{"role":"user","content":"h\\u00e9llo"}], "x_unknown": 1.50 }'
    provider.script = answer(chat("ok"))
    status, _, got = gateway.ask("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    assert status == 200
    assert provider.last.body == body
    assert got == orjson.dumps(chat("ok"))


def test_stream_without_include_usage_hides_what_was_asked_for_behind_its_back(client, provider):
    provider.script = stream(*said("to be or not"))
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as got:
        chunks = [chunk.to_dict() for chunk in got]
    assert chunks == said("to be or not")
    assert sent(provider)["stream_options"] == {"include_usage": True}


def test_null_usage_of_other_chunks_is_hidden_too(client, provider):
    provider.script = stream(*({**each, "usage": None} for each in said("a b")))
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as got:
        chunks = list(got)
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert all(chunk.choices for chunk in chunks)


def test_stream_with_include_usage_passes_the_usage_chunk(client, provider):
    provider.script = stream(*said("a b"))
    with client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as got:
        chunks = [chunk.to_dict() for chunk in got]
    assert chunks == [*said("a b"), usage_piece()]


def test_tool_call_and_second_turn(client, provider):
    provider.script = answer(chat(None, message={"tool_calls": [tool_call()]}, finish_reason="tool_calls"))
    first = client.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER])
    message = first.choices[0].message
    assert message.to_dict()["tool_calls"] == [tool_call()]
    assert sent(provider)["tools"] == [WEATHER]
    provider.script = answer(chat("Sunny."))
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    second = client.chat.completions.create(model=MODEL, messages=[*HELLO, message, result], tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny."
    assert sent(provider)["messages"][1]["tool_calls"] == [tool_call()]
    assert sent(provider)["messages"][2] == result


def test_streamed_tool_calls_add_up(client, provider):
    opening = {"index": 0, **tool_call("")}
    provider.script = stream(
        piece({"role": "assistant", "content": None, "tool_calls": [opening]}),
        *(
            piece({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
            for text in ('{"ci', 'ty":', '"Rome"}')
        ),
        piece({}, "tool_calls"),
    )
    with client.chat.completions.stream(model=MODEL, messages=HELLO, tools=[WEATHER]) as got:
        choice = got.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.arguments == '{"city":"Rome"}'


def test_json_schema_output_is_parsed(client, provider):
    class Person(BaseModel):
        name: str
        age: int

    provider.script = answer(chat('{"name":"Ada","age":36}'))
    got = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Person)
    assert got.choices[0].message.parsed == Person(name="Ada", age=36)
    assert sent(provider)["response_format"]["json_schema"]["name"] == "Person"


def test_logprobs_whole_and_streamed(client, provider):
    token = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    logprobs = {"content": [token], "refusal": None}
    provider.script = answer(chat("Hi", logprobs=logprobs))
    got = client.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True)
    assert got.choices[0].logprobs.to_dict() == logprobs
    event_ = piece({"content": "Hi"})
    event_["choices"][0]["logprobs"] = logprobs
    provider.script = stream(event_, piece({}, "stop"))
    with client.chat.completions.create(model=MODEL, messages=HELLO, logprobs=True, stream=True) as streamed:
        chunks = list(streamed)
    assert chunks[0].choices[0].logprobs.to_dict() == logprobs


def test_two_choices_interleaved_in_a_stream(client, provider):
    provider.script = stream(
        *(piece({"content": text}, index=index) for index, text in ((0, "a"), (1, "x"), (1, "y"), (0, "b"))),
        *(piece({}, "stop", index=index) for index in (0, 1)),
    )
    texts = {0: "", 1: ""}
    with client.chat.completions.create(model=MODEL, messages=HELLO, n=2, stream=True) as got:
        for chunk in got:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "ab", 1: "xy"}
    assert sent(provider)["n"] == 2


def embeddings(embedding: Any) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": embedding}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def test_embeddings_in_base64_and_float(client, provider):
    vector = [0.5, -0.25, 0.125]
    provider.script = answer(embeddings(base64.b64encode(struct.pack("<3f", *vector)).decode()))
    got = client.embeddings.create(model="text-embedding-3-small", input="some text")
    assert got.data[0].embedding == vector
    assert sent(provider)["encoding_format"] == "base64"
    provider.script = answer(embeddings(vector))
    got = client.embeddings.create(model="text-embedding-3-small", input="some text", encoding_format="float")
    assert got.data[0].embedding == vector
    assert got.usage.prompt_tokens == 3


def test_models_are_the_providers(client, provider):
    one = {"id": "ft:gpt-4o-mini:acme", "object": "model", "created": 1, "owned_by": "acme"}
    provider.script = answer({"object": "list", "data": [one]})
    assert [model.to_dict() for model in client.models.list()] == [one]
    assert (provider.last.method, provider.last.path) == ("GET", "/v1/models")
    provider.script = answer(one)
    assert client.models.retrieve("ft:gpt-4o-mini:acme").to_dict() == one
    assert provider.last.path in {"/v1/models/ft:gpt-4o-mini:acme", "/v1/models/ft%3Agpt-4o-mini%3Aacme"}


def test_legacy_completions_whole_and_streamed(client, provider):
    def text(content: str, finish: str | None) -> dict[str, Any]:
        choice = {"text": content, "index": 0, "logprobs": None, "finish_reason": finish}
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL, "choices": [choice]}

    provider.script = answer({**text("once upon", "stop"), "usage": USAGE})
    assert client.completions.create(model=MODEL, prompt="say").choices[0].text == "once upon"
    pieces = [text("once", None), text(" upon", None), text("", "stop")]
    provider.script = stream(*pieces, usage=None)
    with client.completions.create(model=MODEL, prompt="say", stream=True) as got:
        assert [chunk.to_dict() for chunk in got] == pieces


@pytest.mark.parametrize("streamed", [False, True])
def test_upstream_error_passes_with_status_headers_and_body(client, provider, gateway, streamed):
    error = {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded", "vendor": 1}
    provider.script = answer({"error": error}, "429 Too Many Requests", JSON_HEAD + b"retry-after: 17\r\n")
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, stream=streamed)
    assert caught.value.body == error
    headers = caught.value.response.headers
    assert headers["retry-after"] == "17"
    assert headers["x-request-id"] == "req_scripted_7"
    assert headers["x-ratelimit-remaining-requests"] == "99"
    record = gateway.exchange(headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"]) == (429, "upstream_error")
    assert record["attempts"][0]["status"] == 429


def test_error_inside_a_stream_reaches_the_client(client, provider):
    failed = {"error": {"message": "Overloaded.", "type": "server_error", "param": None, "code": "overloaded"}}
    go_on = asyncio.Event()
    provider.script = [
        EVENTS_HEAD,
        *(event(each) for each in said("one two three four")[:-1]),
        go_on,
        event(failed),
        END,
    ]
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as got:
        chunks = iter(got)
        while next(chunks).choices[0].delta.content != "three ":
            pass
        provider.signal(go_on)
        with pytest.raises(openai.APIError, match="Overloaded"):
            list(chunks)


def test_error_in_place_of_a_stream_is_a_status(client, provider):
    failed = {"error": {"message": "Overloaded.", "type": "server_error", "param": None, "code": "overloaded"}}
    provider.script = [EVENTS_HEAD, event(failed), END]
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    assert caught.value.status_code == 502
    assert caught.value.code == "overloaded"


def test_cut_upstream_never_looks_whole(client, provider, gateway):
    provider.script = [EVENTS_HEAD, *(event(each) for each in said("a b")[:3]), "close"]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
    with raw.parse() as got, pytest.raises(openai.APIError):
        list(got)
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert record["error_code"] == "upstream_error"


def test_cancelled_stream_reaches_the_provider_within_a_second(client, provider, gateway):
    never = asyncio.Event()
    provider.script = [EVENTS_HEAD, *(event(each) for each in said("one two three four")[:-1]), never]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
    with raw.parse() as got:
        for chunk in got:
            if chunk.choices[0].delta.content == "four":
                break
        during = provider.open
    until(lambda: provider.open < during or None, 1.0 * BUSY)
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] == 4
    assert record["stream"] is True


def test_cancelled_whole_call_reaches_the_provider_within_a_second(gateway, provider, connect):
    never = asyncio.Event()
    provider.script = [never]
    before = len(provider.asked)
    with pytest.raises(openai.APITimeoutError):
        connect(gateway, KEY).with_options(timeout=2).chat.completions.create(model=MODEL, messages=HELLO)
    assert len(provider.asked) == before + 1
    during = provider.open
    rows = until(
        lambda: (
            gateway.sql("SELECT status, error_code, output_tokens FROM exchanges WHERE status = 499 AND NOT stream")
            or None
        )
    )
    assert rows[0]["error_code"] == "client_closed"
    assert provider.open <= during


def test_headers_of_a_whole_answer(client, provider):
    provider.script = answer(chat("ok"))
    headers = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO).headers
    own = ours(headers)
    assert set(own) == OURS
    assert UUID7.fullmatch(own["id"])
    assert own["cache"] == "off"
    assert (own["provider"], own["model"]) == ("upstream", "gpt-4o-mini-2024-07-18")
    assert (own["attempts"], own["verdict"]) == ("1", "allow")
    assert re.fullmatch(r"[0-9a-f]{8,64}", own["policy"])
    assert float(own["cost-usd"]) == COST_NANOUSD / 1e9
    assert 0 <= float(own["overhead-ms"]) < 1000
    assert headers["x-request-id"] == "req_scripted_7"
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["x-ratelimit-reset-tokens"] == "6ms"
    assert headers["openai-processing-ms"] == "12"


def test_headers_of_a_stream_name_no_cost(client, provider):
    provider.script = stream(*said("a b"))
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
    with raw.parse() as got:
        list(got)
    assert set(ours(raw.headers)) == OURS - {"cost-usd"}
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.headers["x-request-id"] == "req_scripted_8"
    assert raw.headers["x-ratelimit-remaining-tokens"] == "1234"


def test_unknown_price_has_no_cost_header(client, provider):
    provider.script = answer({**chat("ok"), "model": "house-model"})
    headers = client.chat.completions.with_raw_response.create(model="house-model", messages=HELLO).headers
    assert "cost-usd" not in ours(headers)


def test_own_credential_reaches_the_provider_and_our_headers_do_not(client, provider):
    provider.script = answer(chat("ok"))
    client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        extra_headers={
            "x-weighbridge-tags": "env=test",
            "x-weighbridge-session": "s-1",
            "x-weighbridge-cache": "off",
            "OpenAI-Organization": "org-1",
        },
    )
    headers = provider.last.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["openai-organization"] == "org-1"
    assert [name for name in headers if name.startswith("x-weighbridge-")] == []
    assert headers["host"] == f"127.0.0.1:{provider.provider.port}"


def test_answer_headers_of_ours_cannot_be_forged_by_a_provider(client, provider):
    forged = JSON_HEAD + b"x-weighbridge-verdict: forged\r\nx-weighbridge-extra: 1\r\n"
    provider.script = [whole(orjson.dumps(chat("ok")), "200 OK", forged)]
    headers = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO).headers
    assert headers["x-weighbridge-verdict"] == "allow"
    assert "x-weighbridge-extra" not in headers
