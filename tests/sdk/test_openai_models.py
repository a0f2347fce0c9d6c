"""The official client and policies that ask the real models: names, orders, streams by clause, a judge, a threshold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI

from tests.support.gateway_process import GatewayProcess
from tests.support.models import built_home
from tests.support.openai_script import answer, chat, piece, stream
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MODEL = "gpt-4o-mini"
CONFIG = """
version: 1
policies: {dir: policies, bundle: [models.yaml]}
providers:
  scripted: {kind: openai, base_url: "PROVIDER"}
models:
  - {alias: "*", candidates: [{provider: scripted}]}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: models, owner: secops}
detectors:
  names: {use: pii, entities: [PERSON, ADDRESS], min_score: 0.8, timeout: 30s}
  gossip: {use: pii, entities: [PERSON], min_score: 0.8, timeout: 30s, stream: MODE}
  late: {use: pii, entities: [PERSON], min_score: 0.8, timeout: 1ms}
  doses: {use: judge, model: judge-small, rubric: Nobody is told how much of a medicine to take.}
on_error: {late: allow}
rules:
  - {id: people, match: {role: user}, when: names, do: {mask: {restore_in: [assistant_text]}}, mode: enforce}
  - {id: gossip, match: {direction: response, tag: quiet}, when: gossip, do: block, mode: enforce}
  - {id: late, match: {direction: request, tag: late}, when: late, do: block, mode: enforce}
  - {id: doses, match: {direction: response, tag: judged}, when: doses, do: annotate, mode: enforce}
tests:
  - {name: a person, given: {role: user, text: "My name is Margaret Hamilton."}, expect: {rule: people, action: mask}}
  - {name: a city, given: {role: user, text: "What is the weather like?"}, expect: {action: allow}}
  - name: a stream
    given: {tag: quiet=yes, stream: ["It rains here a lot in the winter. ", "Then Margaret Hamil", "ton came in. "]}
    expect: {rule: gossip, output: "It rains here a lot in the winter. "}
"""
FIRST, SECOND, THIRD = (
    "It rains here a lot in the winter. ",
    "Then Margaret Hamilton came in and laughed. ",
    "Everybody was glad to see the sun. ",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module", params=["strict", "balanced"])
def gateway(
    request: pytest.FixtureRequest, provider: ScriptedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp(f"models-{request.param}")
    (home / "policies").mkdir()
    (home / "policies" / "models.yaml").write_text(POLICY.replace("MODE", request.param))
    (home / "data").mkdir()
    (home / "data" / "models").symlink_to(built_home() / "models", target_is_directory=True)
    running = GatewayProcess(home, config=CONFIG.replace("PROVIDER", provider.url + "/v1"))
    yield running
    assert running.stop() == 0
    assert "Margaret" not in running.stderr


@pytest.fixture
def client(gateway: GatewayProcess, connect: Any) -> OpenAI:
    return connect(gateway)


def user(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


def record_of(gateway: GatewayProcess, headers: Any) -> dict[str, Any]:
    return gateway.exchange(headers["x-weighbridge-id"])


def test_names_are_masked_on_the_way_out_and_come_back(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(chat("Hello!"))
    asked = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("Dear team, Margaret Hamilton asks for help.")
    )
    sent = orjson.loads(provider.last.body)["messages"][0]["content"]
    assert "Margaret" not in sent
    assert sent.startswith("Dear team, [PERSON_1:")
    assert asked.headers["x-weighbridge-verdict"] == "edit"


def test_a_text_without_names_is_as_it_was(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(chat("Because of the air."))
    text = "Why is the sky blue, and why is it red in the evening?"
    assert client.chat.completions.create(model=MODEL, messages=user(text)).choices[0].message.content
    assert orjson.loads(provider.last.body)["messages"][0]["content"] == text


def test_a_stream_ends_at_the_clause_at_fault(
    client: OpenAI, gateway: GatewayProcess, provider: ScriptedServer
) -> None:
    words = [f"{word} " for word in (FIRST + SECOND + THIRD * 8).split()]
    provider.script = stream(*[piece({"content": word}) for word in words], piece({}, "stop"))
    text, finish = "", None
    try:
        for chunk in client.chat.completions.create(
            model=MODEL, messages=user("hello"), stream=True, extra_headers={"x-weighbridge-tags": "quiet=yes"}
        ):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    except openai.BadRequestError as error:
        # All of it came at once, and nothing had been shown yet.
        finish = error.code
    assert finish in ("content_filter", "policy_blocked")
    assert (FIRST + SECOND + THIRD).startswith(text)
    if gateway.home.name.startswith("models-strict"):
        assert FIRST.startswith(text)


def test_a_clean_stream_is_whole(client: OpenAI, provider: ScriptedServer) -> None:
    words = [f"{word} " for word in (FIRST + THIRD * 3).split()]
    provider.script = stream(*[piece({"content": word}) for word in words], piece({}, "stop"))
    shown = "".join(
        choice.delta.content or ""
        for chunk in client.chat.completions.create(
            model=MODEL, messages=user("hello"), stream=True, extra_headers={"x-weighbridge-tags": "quiet=yes"}
        )
        for choice in chunk.choices
    )
    assert shown == "".join(words)


def test_a_whole_answer_at_fault_is_turned_back(client: OpenAI, provider: ScriptedServer) -> None:
    provider.script = answer(chat(FIRST + SECOND))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODEL, messages=user("hello"), extra_headers={"x-weighbridge-tags": "quiet=yes"}
        )
    assert (caught.value.code, "'gossip'" in str(caught.value.body)) == ("policy_blocked", True)


def test_a_model_too_slow_is_counted_and_does_what_the_policy_says(
    client: OpenAI, gateway: GatewayProcess, provider: ScriptedServer
) -> None:
    provider.script = answer(chat("fine"))
    text = f"A text that nobody has judged before: {os.urandom(8).hex()}. " * 4
    made = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user(text), extra_headers={"x-weighbridge-tags": "late=yes"}
    )
    record = record_of(gateway, made.headers)
    assert [(hit["rule"], hit["action"]) for hit in record["guard_events"] if hit["detector"] == "late"] == [
        ("on_error:late", "allow")
    ]


def test_a_judge_is_asked_through_the_gateway_beside_the_call(
    client: OpenAI, gateway: GatewayProcess, provider: ScriptedServer
) -> None:
    judged = '{"breaks": true, "score": 0.9, "kind": "dose"}'
    provider.script = lambda asked: answer(chat(judged if b"judge-small" in asked.body else "Take ten of them."))
    made = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("hello"), extra_headers={"x-weighbridge-tags": "judged=yes"}
    )
    assert made.parse().choices[0].message.content == "Take ten of them."
    record = record_of(gateway, made.headers)
    assert [(hit["rule"], hit["detector"], hit["score"]) for hit in record["guard_events"]] == [
        ("doses", "doses/dose", 0.9)
    ]
    question = orjson.loads(provider.last.body)
    assert (question["model"], "Take ten of them." in question["messages"][1]["content"]) == ("judge-small", True)


def test_a_home_without_models_says_so_and_still_serves(tmp_path: Path, provider: ScriptedServer, connect: Any) -> None:
    (tmp_path / "policies").mkdir()
    policy = POLICY.replace("MODE", "strict").replace("on_error: {late: allow}", "on_error: {default: annotate}")
    (tmp_path / "policies" / "models.yaml").write_text(policy)
    gateway = GatewayProcess(tmp_path, config=CONFIG.replace("PROVIDER", provider.url + "/v1"))
    try:
        provider.script = answer(chat("fine"))
        made = connect(gateway).chat.completions.with_raw_response.create(
            model=MODEL, messages=user("Margaret Hamilton asks.")
        )
        assert made.headers["x-weighbridge-verdict"] == "annotate"
        [hit] = record_of(gateway, made.headers)["guard_events"]
        assert (hit["rule"], hit["action"]) == ("on_error:names", "annotate")
    finally:
        assert gateway.stop() == 0
    assert "detector 'names' cannot ask its model" in gateway.stderr
