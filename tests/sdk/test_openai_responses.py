"""The official client and Responses: whole, streamed, parsed, with tools, under guards, and what providers keep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import EVENTS_HEAD, answer
from tests.support.provider import END, chunk
from tests.support.response_streams import (
    by_three,
    call,
    documents,
    event,
    message,
    numbers,
    reasoning,
    response,
    streamed,
)
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  osprey: {use: pattern, patterns: ["osprey"]}
  falcon: {use: pattern, patterns: ["falcon"]}
rules:
  - {id: hide, match: {direction: response}, when: osprey, do: redact, mode: enforce}
  - {id: stop, match: {direction: response}, when: falcon, do: block, mode: enforce}
"""
CONFIG = """version: 1
providers: {up: {kind: openai, base_url: URL, api_key: "env:UP_KEY"}}
models: [{alias: "*", candidates: [{provider: up, model: "{model}"}]}]
identity: {mode: keys, keys: [{id: ann, key: "env:ANN", team: red}, {id: bob, key: "env:BOB", team: blue}]}
policies: {dir: policies, bundle: [words.yaml]}
"""
ANN, BOB = "wb-" + "a" * 40, "wb-" + "b" * 40


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("responses")
    (home / "policies").mkdir()
    (home / "policies" / "words.yaml").write_text(POLICY)
    env = {"UP_KEY": "sk-up", "ANN": ANN, "BOB": BOB}
    running = GatewayProcess(home, config=CONFIG.replace("URL", provider.url), env=env)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway: GatewayProcess, connect: Any) -> OpenAI:
    return connect(gateway, ANN)


def events(data: bytes) -> list[Any]:
    return [EVENTS_HEAD, *(chunk(data[at : at + 97]) for at in range(0, len(data), 97)), END]


def test_an_answer_whole(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(response(reasoning("I think of an osprey."), message("Hello there, osprey.")))
    got = client.responses.create(model="m", input="hi", instructions="Be brief.")
    assert got.output_text.startswith("Hello there, [")
    assert "osprey" not in got.to_json()
    sent = orjson.loads(provider.last.body)
    assert sent == {"model": "m", "input": "hi", "instructions": "Be brief."}


def test_a_stream_says_the_same_in_every_repeat(client: OpenAI, provider: ScriptedServer) -> None:
    whole = response(reasoning("An osprey?"), message("Hello there, osprey. Bye."), call("look", '{"a":"osprey"}'))
    provider.script = events(streamed(whole, by_three).data)
    with client.responses.stream(model="m", input="hi") as stream:
        got: list[Any] = list(stream)
        final = stream.get_final_response()
    said = "".join([each.delta for each in got if each.type == "response.output_text.delta"])
    assert said == final.output_text == next(each.text for each in got if each.type == "response.output_text.done")
    assert "osprey" not in repr(got)
    assert [each.sequence_number for each in got] == list(range(len(got)))
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]


class City(BaseModel):
    city: str


def test_answers_are_parsed(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(response(message('{"city":"Rome"}')))
    assert client.responses.parse(model="m", input="hi", text_format=City).output_parsed == City(city="Rome")
    provider.script = events(streamed(response(message('{"city":"Oslo"}')), by_three).data)
    with client.responses.stream(model="m", input="hi", text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(city="Oslo")


def test_a_rule_stops_a_stream_as_the_dialect_says(client: OpenAI, provider: ScriptedServer) -> None:
    made = streamed(response(message("So far so good, then a falcon came.")), by_three).events
    go_on = asyncio.Event()
    provider.script = [EVENTS_HEAD, chunk(b"".join(made[:9])), go_on, chunk(b"".join(made[9:])), END]
    stream = iter(client.responses.create(model="m", input="hi", stream=True))
    got: list[Any] = [next(stream)]
    provider.signal(go_on)
    got.extend(stream)
    last = got[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
    assert last.response.incomplete_details.reason == "content_filter"
    said = "".join([each.delta for each in got if each.type == "response.output_text.delta"])
    assert last.response.output_text == said
    assert "falcon" not in said


def test_an_error_before_content_has_its_class_and_is_retried(client: OpenAI, provider: ScriptedServer) -> None:
    begun = b"".join(streamed(response(message("hi"))).events[:2])
    slow = event({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "sequence_number": 2})
    provider.script = events(begun + slow)
    with pytest.raises(openai.RateLimitError, match="Slow down"):
        client.responses.create(model="m", input="hi", stream=True)
    scripts = iter([events(begun + slow), events(streamed(response(message("hi"))).data)])
    provider.script = lambda _: next(scripts)
    with client.with_options(max_retries=1).responses.stream(model="m", input="hi") as stream:
        assert stream.get_final_response().output_text == "hi"


def test_an_error_in_the_middle_raises(client: OpenAI, provider: ScriptedServer) -> None:
    begun = b"".join(streamed(response(message("hello")), by_three).events[:6])
    provider.script = events(begun + event({"type": "error", "code": "server_error", "message": "It broke."}))
    got: list[Any] = []
    with pytest.raises(openai.APIError, match="It broke"):
        got.extend(client.responses.create(model="m", input="hi", stream=True))


def test_stored_answers_belong_to_who_made_them(
    gateway: GatewayProcess, connect: Any, client: OpenAI, provider: ScriptedServer
) -> None:
    provider.script = answer(response(message("first")))
    made = client.responses.create(model="m", input="hi")
    assert made.id.startswith("resp_0123456789abcdef.")
    assert client.responses.retrieve(made.id).id == made.id
    assert provider.last.path == "/v1/responses/resp_0123456789abcdef"
    client.responses.create(model="m", input="and?", previous_response_id=made.id)
    assert orjson.loads(provider.last.body)["previous_response_id"] == "resp_0123456789abcdef"
    asked = len(provider.asked)
    other = connect(gateway, BOB)
    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as caught:
        other.responses.create(model="m", input="and?", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"
    assert len(provider.asked) == asked


def test_a_stored_stream_is_resumed_under_rules(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(response(message("first")))
    made = client.responses.create(model="m", input="hi")
    data = streamed(response(message("So an osprey it is.")), by_three).data
    provider.script = events(data)
    whole: list[Any] = list(client.responses.retrieve(made.id, stream=True))
    rest: list[Any] = list(client.responses.retrieve(made.id, stream=True, starting_after=4))
    assert "starting_after" not in provider.last.path
    assert [each.to_dict() for each in rest] == [each.to_dict() for each in whole if each.sequence_number > 4]
    assert numbers(data) == list(range(len(documents(data))))
