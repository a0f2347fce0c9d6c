"""The official client and a policy that blocks: what a turned-back call looks like to a program."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI

from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import answer, chat, piece, said, stream
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
MODEL = "gpt-4o-mini"
WORDS = "project osprey"
CONFIG = "version: 1\npolicies: {dir: policies, bundle: [words.yaml]}\n"
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words, owner: secops}
detectors:
  words: {use: pattern, patterns: ['(?i)project\\s+osprey']}
rules:
  - {id: osprey, match: {direction: [request, response]}, when: words, do: block, mode: enforce}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("policy")
    (home / "policies").mkdir()
    (home / "policies" / "words.yaml").write_text(POLICY)
    running = GatewayProcess(home, "--upstream", provider.url, config=CONFIG)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway, connect) -> OpenAI:
    return connect(gateway)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def blocked(caught: Any, gateway: GatewayProcess) -> dict[str, Any]:
    """Check the error and its record; returns the record."""
    error = caught.value
    assert (error.status_code, error.code, error.type) == (400, "policy_blocked", "invalid_request_error")
    assert "osprey" in error.body["message"]
    assert WORDS not in error.response.text.lower()
    record = gateway.exchange(error.response.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"], record["verdict"]) == (400, "policy_blocked", "block")
    assert [hit["rule"] for hit in record["guard_events"]] == ["osprey"]
    assert WORDS not in orjson.dumps(record).decode().lower()
    return record


@pytest.mark.parametrize("streamed", [False, True])
def test_blocked_request_never_reaches_the_provider(client, gateway, provider, streamed):
    asked = len(provider.asked)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user(f"tell me of {WORDS}"), stream=streamed)
    record = blocked(caught, gateway)
    assert len(provider.asked) == asked
    assert record["attempts"] == []
    assert caught.value.response.headers["x-weighbridge-verdict"] == "block"


def test_blocked_answer_is_an_error_and_its_tokens_are_weighed(client, gateway, provider):
    provider.script = answer(chat(f"it is about {WORDS} indeed"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("what is it"))
    record = blocked(caught, gateway)
    assert (record["attempts"][0]["status"], record["input_tokens"], record["output_tokens"]) == (200, 1000, 300)


def test_blocked_stream_ends_as_filtered_and_never_shows_the_words(client, gateway, provider):
    go_on = asyncio.Event()
    first, *rest = stream(
        piece({"content": "it is. about pro"}),
        *(piece({"content": text}) for text in ("ject ", " os", "prey", " indeed, and more than that")),
        piece({}, "stop"),
    )
    provider.script = [first, rest[0], go_on, *rest[1:]]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user("what is it"), stream=True)
    with raw.parse() as got:
        chunks = iter(got)
        shown = [next(chunks)]
        provider.signal(go_on)
        shown += chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in shown if chunk.choices)
    assert "it is. about ".startswith(text)
    assert text
    assert shown[-1].choices[0].finish_reason == "content_filter"
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["error_code"], record["verdict"]) == ("policy_blocked", "block")
    assert [hit["rule"] for hit in record["guard_events"]] == ["osprey"]


def test_stream_blocked_before_its_first_byte_is_an_error(client, gateway, provider):
    provider.script = stream(piece({"content": WORDS}), piece({}, "stop"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("what is it"), stream=True)
    blocked(caught, gateway)


def test_what_the_policy_does_not_mind_passes(client, gateway, provider):
    provider.script = stream(*said("a project about ospreys"))
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"), stream=True)
    with raw.parse() as got:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == "a project about ospreys"
    assert raw.headers["x-weighbridge-policy"]
    assert gateway.exchange(raw.headers["x-weighbridge-id"])["verdict"] == "allow"
