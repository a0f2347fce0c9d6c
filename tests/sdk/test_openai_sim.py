"""The official client against the built-in provider: what a user tries first, without any key."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import orjson
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import WEATHER

pytestmark = pytest.mark.integration
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    running = GatewayProcess(tmp_path_factory.mktemp("sim"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway, connect) -> OpenAI:
    return connect(gateway)


def test_chat(client):
    answer = client.chat.completions.create(model="sim/echo", messages=HELLO)
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 3)


def test_stream_without_include_usage_shows_no_usage_and_no_empty_chunk(client):
    with client.chat.completions.create(model="sim/echo", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_with_include_usage_ends_with_the_usage_chunk(client):
    with client.chat.completions.create(
        model="sim/echo", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 8
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_tool_call_and_second_turn(client):
    first = client.chat.completions.create(model="sim/echo", messages=HELLO, tools=[WEATHER])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "weather"
    assert orjson.loads(message.tool_calls[0].function.arguments) == {"city": "text"}
    second = client.chat.completions.create(
        model="sim/echo",
        messages=[
            *HELLO,
            message,
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"},
            {"role": "user", "content": "and now"},
        ],
        tools=[WEATHER],
    )
    assert second.choices[0].message.content == "and now"


def test_streamed_tool_call_adds_up(client):
    with client.chat.completions.stream(model="sim/echo", messages=HELLO, tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls[0].function.name == "weather"
    assert orjson.loads(message.tool_calls[0].function.arguments) == {"city": "text"}


def test_json_schema_output_is_parsed(client):
    class Person(BaseModel):
        name: str
        age: int

    answer = client.chat.completions.parse(model="sim/echo", messages=HELLO, response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="text", age=0)


def test_logprobs(client):
    answer = client.chat.completions.create(model="sim/echo", messages=HELLO, logprobs=True, top_logprobs=1)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == "one two three"


def test_two_choices_whole_and_streamed(client):
    answer = client.chat.completions.create(model="sim/echo", messages=HELLO, n=2)
    assert [choice.message.content for choice in answer.choices] == ["one two three"] * 2
    texts = {0: "", 1: ""}
    with client.chat.completions.create(model="sim/echo", messages=HELLO, n=2, stream=True) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "one two three", 1: "one two three"}


def test_embeddings_are_the_same_in_base64_and_float(client):
    by_default = client.embeddings.create(model="sim/embed", input=["one two", "three"])
    floats = client.embeddings.create(model="sim/embed", input=["one two", "three"], encoding_format="float")
    assert len(by_default.data) == 2
    for one, other in zip(by_default.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert sum(x * x for x in one.embedding) == pytest.approx(1, abs=1e-5)


def test_models_are_listed_and_retrieved(client):
    names = [model.id for model in client.models.list()]
    assert {"sim/echo", "sim/lorem", "sim/embed"} <= set(names)
    assert client.models.retrieve("sim/echo").id == "sim/echo"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("sim/none")
    assert caught.value.code == "model_not_found"


def test_legacy_completions_whole_and_streamed(client):
    assert client.completions.create(model="sim/echo", prompt="say this").choices[0].text == "say this"
    with client.completions.create(model="sim/lorem?tokens=5", prompt="x", stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == "lorem ipsum dolor sit amet"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, openai.RateLimitError), (500, openai.InternalServerError), (401, openai.AuthenticationError)],
)
def test_upstream_error_is_the_clients_own_exception(client, status, kind):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=f"sim/error?status={status}", messages=HELLO)
    assert caught.value.status_code == status
    assert caught.value.code == "sim_error"


def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody/nothing", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "invalid_request_error"


def test_cancelled_stream_is_recorded_with_what_was_said(client, gateway):
    raw = client.chat.completions.with_raw_response.create(
        model="sim/lorem?tokens=5000&delay_ms=20", messages=HELLO, stream=True
    )
    with raw.parse() as stream:
        for number, _ in enumerate(stream):
            if number == 5:
                break
    # Had it gone on, it would be on record after 100 s with all its words.
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    assert record["usage_source"] == "estimated"
    assert 1 <= record["output_tokens"] < 500
