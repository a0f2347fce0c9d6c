"""The official client, the gateway and a real LLM server: structure is tested, not what a tiny model has to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI

from tests.support.figures import BUSY
from tests.support.gateway_process import GatewayProcess
from tests.support.llm_server import LlmServer
from tests.support.openai_script import WEATHER

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]
MODEL = "smollm2"
COLUMNS = ("input_tokens", "output_tokens", "cached_input_tokens", "usage_source", "cost_nanousd", "status")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmServer]:
    running = LlmServer(tmp_path_factory.mktemp("llm"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def gateway(server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    running = GatewayProcess(tmp_path_factory.mktemp("gateway"), "--upstream", server.url)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=60) as made:
        yield made


def recorded(gateway: GatewayProcess, exchange_id: str) -> dict[str, Any]:
    """The figures of a record."""
    row = gateway.exchange(exchange_id)
    return {name: row[name] for name in COLUMNS}


def reported(usage: Any) -> dict[str, Any]:
    """The same figures, as the client was told."""
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cached_input_tokens": usage.prompt_tokens_details.cached_tokens,
        "usage_source": "reported",
        # Nobody knows what a model on somebody's own machine costs.
        "cost_nanousd": None,
        "status": 200,
    }


def test_chat_and_its_record_agree_to_the_token(client, gateway):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, max_tokens=8)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in {"length", "stop"}
    assert recorded(gateway, raw.headers["x-weighbridge-id"]) == reported(answer.usage)


def test_answer_is_the_servers_own(client, server):
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 8, "temperature": 0, "seed": 1}
    with OpenAI(base_url=server.url, api_key="none") as direct:
        expected = direct.chat.completions.create(**asked).choices[0].to_dict()
    assert client.chat.completions.create(**asked).choices[0].to_dict() == expected


def test_stream_hides_usage_and_records_it(client, gateway):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, max_tokens=8, stream=True)
    with raw.parse() as stream:
        chunks = list(stream)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    figures = recorded(gateway, raw.headers["x-weighbridge-id"])
    assert figures["usage_source"] == "reported"
    assert 0 < figures["output_tokens"] <= 8
    assert figures["input_tokens"] > 10


def test_stream_with_usage_and_its_record_agree_to_the_token(client, gateway):
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_tokens=8, stream=True, stream_options={"include_usage": True}
    )
    with raw.parse() as stream:
        chunks = list(stream)
    assert chunks[-1].choices == []
    assert recorded(gateway, raw.headers["x-weighbridge-id"]) == reported(chunks[-1].usage)


def test_logprobs(client):
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=4, logprobs=True, top_logprobs=2, temperature=0
    )
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == answer.choices[0].message.content
    assert all(len(token.top_logprobs) == 2 for token in tokens)


def test_two_choices(client):
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_json_schema_output(client):
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=32,
        response_format={"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}},
    )
    assert type(orjson.loads(answer.choices[0].message.content)["ok"]) is bool


def test_tools_and_their_result_are_understood(client):
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    messages: list[Any] = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    for asked in (HELLO, messages):
        message = client.chat.completions.create(model=MODEL, messages=asked, max_tokens=8, tools=[WEATHER]).choices[0]
        assert message.finish_reason in {"length", "stop", "tool_calls"}


def test_streamed_answer_with_tools(client):
    with client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=8, tools=[WEATHER], stream=True
    ) as stream:
        chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason in {"length", "stop", "tool_calls"}


def test_legacy_completions_whole_and_streamed(client):
    answer = client.completions.create(model=MODEL, prompt="Once upon a", max_tokens=5)
    assert answer.choices[0].text
    assert answer.usage.completion_tokens == 5
    with client.completions.create(model=MODEL, prompt="Once upon a", max_tokens=5, stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices)


def test_models(client, server):
    with OpenAI(base_url=server.url, api_key="none") as direct:
        expected = [model.id for model in direct.models.list()]
    assert [model.id for model in client.models.list()] == expected


def test_what_the_server_cannot_do_fails_as_it_does_there(client, server):
    direct = OpenAI(base_url=server.url, api_key="none", max_retries=0)
    with direct, pytest.raises(openai.APIStatusError) as there:
        direct.embeddings.create(model=MODEL, input="text")
    with pytest.raises(openai.APIStatusError) as here:
        client.embeddings.create(model=MODEL, input="text")
    assert (here.value.status_code, here.value.body) == (there.value.status_code, there.value.body)


def test_cancelled_stream_frees_the_servers_slot(client, gateway):
    cancelled = []
    for _ in range(3):
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, max_tokens=900, stream=True)
        with raw.parse() as stream:
            next(iter(stream))
        cancelled.append(raw.headers["x-weighbridge-id"])
    # Three long answers on two slots: had they gone on, this one would wait for seconds.
    record = gateway.exchange(cancelled[-1])
    assert (record["status"], record["error_code"], record["usage_source"]) == (499, "client_closed", "estimated")
    assert client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=2, timeout=5 * BUSY).choices
