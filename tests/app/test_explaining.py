from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gateway.app.explaining import CAPTURED, NothingToExplain, asked_of_body, asked_of_exchange, explain_call
from gateway.app.policies import build_engine
from gateway.core.verdict import CallFacts
from gateway.policy.load import bundle_of

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors: {words: {use: pattern, patterns: [osprey]}}
rules:
  - {id: out, match: {direction: request, team: a}, when: words, do: block, mode: enforce}
  - {id: back, match: {direction: response}, when: words, do: redact, mode: enforce}
"""
CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "an osprey"}]}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "an osprey"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("document", "route", "dialect"),
    [
        (CHAT, "/v1/chat/completions", "openai_chat"),
        ({"model": "m", "prompt": "x"}, "/v1/completions", "openai_completions"),
        ({"model": "m", "input": "x"}, "/v1/embeddings", "openai_embeddings"),
        ({"model": "m", "input": "x", "instructions": "y"}, "/v1/responses", "openai_responses"),
        ({"model": "m", "messages": [], "system": "x"}, "/v1/messages", "anthropic_messages"),
        ({"model": "m", "contents": []}, "/v1beta/models/{model}:generateContent", "gemini"),
        ({"model": "m", "input": [{"role": "user", "content": "x"}]}, "/v1/responses", "openai_responses"),
        ({"model": "m", "generateContentRequest": {}}, "/v1beta/models/{model}:countTokens", "gemini_tokens"),
        ({"model": "m", "content": {"parts": []}}, "/v1beta/models/{model}:embedContent", "gemini_embeddings"),
        ({"model": "m", "messages": [{"content": [{"text": "x"}]}]}, "/model/{model}/converse", "bedrock_converse"),
        ({"model": "m", "messages": [], "inferenceConfig": {}}, "/model/{model}/converse", "bedrock_converse"),
        ({"model": "m", "toolConfig": {"tools": []}}, "/model/{model}/converse", "bedrock_converse"),
        ({"model": "m", "messages": [], "anthropic_version": "x"}, "/model/{model}/invoke", "bedrock_invoke"),
        ({"model": "m", "messages": [], "schemaVersion": "messages-v1"}, "/model/{model}/invoke", "bedrock_invoke"),
        ({"model": "m", "text_input": "x"}, "/v2/models/{model}/generate", "triton"),
        ({"model": "m", "inputs": []}, "/v2/models/{model}/infer", "kserve"),
        ({"model": "m", "question": "x"}, "/v1/*", "passthrough"),
    ],
)
def test_a_body_says_where_it_would_go(document: dict[str, Any], route: str, dialect: str) -> None:
    asked = asked_of_body(orjson.dumps(document), CallFacts(team="t"))
    assert (asked.facts.route, asked.dialect.name, asked.facts.model, asked.facts.team) == (route, dialect, "m", "t")
    assert asked.facts.stream is (document is CHAT)
    assert (asked.request, asked.answer) == (document, None)


def test_the_route_may_be_said() -> None:
    asked = asked_of_body(b'{"input": "x"}', CallFacts(route="/v1/responses"))
    assert (asked.facts.route, asked.dialect.name) == ("/v1/responses", "openai_responses")


@pytest.mark.parametrize("route", ["/model/{model}/invoke", "/model/{model}/invoke-with-response-stream"])
def test_a_body_of_invoke_says_itself_what_it_is(route: str) -> None:
    body = orjson.dumps({"anthropic_version": "x", "messages": [{"role": "user", "content": "hello"}]}).decode()
    for asked in (
        asked_of_body(body.encode(), CallFacts(route=route)),
        asked_of_exchange({"route": route, "bodies": {"request_body": body}}, ""),
    ):
        assert asked.dialect.name == "bedrock_invoke"
        said = [(each.role, each.kind, each.text) for each in asked.dialect.segments(asked.request)]
        assert ("user", "text", "hello") in said


def test_a_body_of_converse_is_explained_as_what_was_said() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "an osprey"}]}], "system": [{"text": "Be kind."}]}
    asked = asked_of_body(orjson.dumps(body), CallFacts(team="a"))
    (told,) = asyncio.run(explain_call(build_engine(bundle_of([("p", POLICY)]), "p"), asked))
    assert (told.action, told.rule) == ("block", "out")
    assert {each.role for each in told.segments} == {"user", "system"}


def test_an_answer_is_known_by_its_choices() -> None:
    asked = asked_of_body(orjson.dumps(ANSWER), CallFacts())
    assert (asked.request, asked.answer) == (None, ANSWER)
    told = {"candidates": []}
    asked = asked_of_body(orjson.dumps(told), CallFacts())
    assert (asked.request, asked.answer, asked.dialect.name) == (None, told, "gemini")
    said = {"output": {"message": {"role": "assistant", "content": [{"text": "x"}]}}, "stopReason": "end_turn"}
    asked = asked_of_body(orjson.dumps(said), CallFacts())
    assert (asked.request, asked.answer, asked.dialect.name) == (None, said, "bedrock_converse")
    kept = {"object": "response", "output": []}
    asked = asked_of_body(orjson.dumps(kept), CallFacts())
    assert (asked.request, asked.answer, asked.dialect.name) == (None, kept, "openai_responses")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"'])
def test_what_is_no_document_is_told(body: bytes) -> None:
    with pytest.raises(NothingToExplain, match="the file is no"):
        asked_of_body(body, CallFacts())


def row(**changes: Any) -> dict[str, Any]:
    bodies = {"request_body": orjson.dumps(CHAT).decode(), "response_body": orjson.dumps(ANSWER).decode()}
    return {
        "route": "/v1/chat/completions", "model_requested": "m", "provider": "p", "key_id": "k", "team": "t",
        "tenant": "x", "session_id": "s", "tags": {"env": "prod"}, "stream": True, "policy_revision": "r1",
        "bodies": bodies, **changes,
    }  # fmt: skip


def test_an_exchange_is_judged_as_it_was_made() -> None:
    asked = asked_of_exchange(row(), "r1")
    assert asked.facts == CallFacts(
        route="/v1/chat/completions", model="m", provider="p", key="k", team="t", tenant="x", session="s",
        tags={"env": "prod"}, stream=True,
    )  # fmt: skip
    assert (asked.request, asked.answer, asked.notes) == (CHAT, ANSWER, (CAPTURED,))


def test_other_policies_than_those_of_the_exchange_are_told() -> None:
    assert asked_of_exchange(row(), "r2").notes == (CAPTURED, "the exchange was judged by policies r1; these are r2")


@pytest.mark.parametrize("bodies", [None, {}, {"request_body": None, "response_body": None}])
def test_an_exchange_without_a_captured_body_is_told(bodies: Any) -> None:
    with pytest.raises(NothingToExplain, match="no body of this exchange was captured"):
        asked_of_exchange(row(bodies=bodies), "r1")


def test_a_body_that_was_cut_is_told() -> None:
    with pytest.raises(NothingToExplain, match="the captured request is not JSON, or was cut"):
        asked_of_exchange(row(bodies={"request_body": '{"mess'}), "r1")


def test_request_and_answer_are_explained_by_the_guards() -> None:
    loaded = bundle_of([("p", POLICY)])
    engine = build_engine(loaded, "p")
    request, answer = asyncio.run(explain_call(engine, asked_of_exchange(row(team="a"), "r1")))
    assert (request.direction, request.action, request.rule) == ("request", "block", "out")
    assert (answer.direction, answer.action) == ("response", "redact")
    (segment,) = [segment for segment in request.segments if segment.path == "messages[0].content"]
    (detector,) = segment.detectors
    assert (detector.name, [finding.start for finding in detector.findings]) == ("words", [3])
    assert [rule.id for rule in segment.rules if rule.fired] == ["out"]
    (other,) = asyncio.run(explain_call(engine, asked_of_body(orjson.dumps(CHAT), CallFacts(team="b"))))
    assert other.action == "allow"
    assert {(rule.id, rule.why_not) for rule in other.unmatched} == {("out", "team"), ("back", "direction")}
