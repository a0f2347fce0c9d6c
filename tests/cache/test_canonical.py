"""Same question, same bytes; and never the same for two that a model could tell apart."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.cache.canonical import Canonical, canonical
from gateway.core.cache_rules import ExactRule
from gateway.wire.select import select
from tests.support.incoming import json_incoming

CHAT = "/v1/chat/completions"
RULE = ExactRule()
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "q"}]}


def tool(**properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


TOOL = tool(a={})


def read(document: Any, path: str = CHAT, rule: ExactRule = RULE, query: str = "", **headers: str) -> Canonical:
    asked = json_incoming(path, document, query=query)
    asked.headers |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    _, request = select(asked)
    whole = f"{path}?{query}" if query else path
    return canonical(request, request.document, whole, asked.headers, rule)


def same(one: Canonical, other: Canonical) -> bool:
    assert one.unfit == other.unfit == ""
    assert len(one.digest) == len(other.digest) == 32
    return one.digest == other.digest


DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "responses": (
        "/v1/responses",
        {"model": "m", "store": False, "input": "q", "max_output_tokens": 9, "instructions": "be brief"},
    ),
    "anthropic": (
        "/v1/messages",
        {"model": "m", "max_tokens": 9, "system": "be brief", "messages": [{"role": "user", "content": "q"}]},
    ),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [{"role": "user", "parts": [{"text": "q"}]}],
            "generationConfig": {"maxOutputTokens": 9},
        },
    ),
    "bedrock": (
        "/model/m/converse",
        {
            "system": [{"text": "be brief"}],
            "messages": [{"role": "user", "content": [{"text": "q"}]}],
            "inferenceConfig": {"maxTokens": 9},
        },
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_question_in_another_dialect_is_the_same(dialect: str):
    system = {"role": "system", "content": "be brief"}
    one = read({**ASK, "max_tokens": 9, "messages": [system, *ASK["messages"]]})
    path, document = DIALECTS[dialect]
    assert same(one, read(document, path))


def test_a_client_that_wants_its_usage_told_has_another_stream():
    with_usage = read({**ASK, "stream": True, "stream_options": {"include_usage": True}})
    assert not same(with_usage, read({**ASK, "stream": True}))
    told = {"model": "m", "max_tokens": 9, "stream": True, "messages": ASK["messages"]}
    asked = {**ASK, "max_tokens": 9, "stream": True, "stream_options": {"include_usage": True}}
    assert same(read(told, "/v1/messages"), read(asked))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"messages": [{"role": "user", "content": "q "}]},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]},
        {"messages": [{"role": "user", "content": "q", "name": "ann"}]},
        {"messages": [{"role": "assistant", "content": "q"}]},
        {"tools": [TOOL]},
        {"tools": [TOOL], "tool_choice": "required"},
        {"parallel_tool_calls": False},
        {"response_format": {"type": "json_object"}},
        {"temperature": 0},
        {"temperature": 1},
        {"top_p": 0.5},
        {"seed": 1},
        {"n": 2},
        {"max_tokens": 3},
        {"stop": ["x"]},
        {"logprobs": True},
        {"logit_bias": {"5": 1}},
        {"frequency_penalty": 0.1},
        {"reasoning_effort": "low"},
        {"stream": True},
        {"verbosity": "low"},
    ],
)
def test_what_a_model_can_see_makes_another_question(change: dict[str, Any]):
    assert not same(read(ASK), read({**ASK, **change}))


def test_the_order_inside_a_schema_is_seen():
    one, other = tool(a={}, b={}), tool(b={}, a={})
    assert not same(read({**ASK, "tools": [one]}), read({**ASK, "tools": [other]}))


def test_the_order_of_fields_is_not():
    assert same(read({**ASK, "top_p": 0.5, "x": 1, "y": 2}), read({"y": 2, "x": 1, "top_p": 0.5, **ASK}))


def test_marks_for_a_providers_cache_are_not():
    def asked(mark: dict[str, Any]) -> Any:
        result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r", **mark}], **mark}
        call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, **mark}
        return {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": "s", **mark}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}, **mark}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q", **mark}]},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [result]},
            ],
        }

    mark = {"cache_control": {"type": "ephemeral"}}
    assert same(read(asked({}), "/v1/messages"), read(asked(mark), "/v1/messages"))


def test_a_beta_of_the_api_makes_another_question():
    path, document = DIALECTS["anthropic"]
    assert not same(read(document, path), read(document, path, anthropic_beta="x"))


@pytest.mark.parametrize(
    ("path", "document", "unfit"),
    [
        (CHAT, {**ASK, "store": True}, "stored"),
        (CHAT, {**ASK, "tools": [{"type": "web_search"}]}, "tools"),
        (CHAT, {**ASK, "modalities": ["text", "audio"], "x": {}}, "media"),
        ("/v1/responses", {"model": "m", "input": "q"}, "stored"),
        ("/v1/responses", {"model": "m", "input": "q", "store": False, "previous_response_id": "resp_1"}, "stored"),
        ("/v1/responses", {"model": "m", "input": "q", "store": False, "background": True}, "stored"),
        ("/v1/responses", {"model": "m", "input": "q", "store": False, "conversation": "c"}, "stored"),
        ("/v1beta/models/m:streamGenerateContent", DIALECTS["gemini"][1], "framing"),
    ],
)
def test_what_is_no_question_whose_answer_is_kept(path: str, document: Any, unfit: str):
    found = read(document, path)
    assert (found.unfit, found.digest) == (unfit, b"")


@pytest.mark.parametrize(
    ("rule", "fit"),
    [
        (ExactRule(), [True, True, True, True]),
        (ExactRule(max_temperature=0.0), [False, True, False, True]),
        (ExactRule(max_temperature=1.0), [True, True, False, True]),
        (ExactRule(seed="only"), [False, False, False, True]),
        (ExactRule(seed="never"), [True, True, True, False]),
    ],
)
def test_temperature_and_seed_decide_as_the_rule_says(rule: ExactRule, fit: list[bool]):
    changes: list[dict[str, Any]] = [{}, {"temperature": 0}, {"temperature": 1.5}, {"temperature": 1.5, "seed": 3}]
    assert [not read({**ASK, **change}, CHAT, rule).unfit for change in changes] == fit
    prompt = {"model": "m", "prompt": "q"}
    assert [not read({**prompt, **change}, "/v1/completions", rule).unfit for change in changes] == fit


def test_completions_and_embeddings_are_compared_as_they_are():
    path, asked = "/v1/embeddings", {"model": "m", "input": ["a"], "user": "ann"}
    assert same(read(asked, path), read({"input": ["a"], "model": "m"}, path))
    assert not same(read(asked, path), read({**asked, "input": ["b"]}, path))
    assert not same(read({"model": "m", "prompt": "a"}, "/v1/completions"), read({"model": "m", "input": "a"}, path))


def test_what_only_the_provider_may_understand_is_not_kept():
    asked = json_incoming(CHAT, ASK)
    _, request = select(asked)
    assert canonical(request, {**ASK, "messages": "q"}, CHAT, {}, RULE).unfit == "unreadable"
    assert canonical(request, None, CHAT, {}, RULE).unfit == "stored"


def test_a_body_is_never_changed():
    asked = {**ASK, "tools": [TOOL], "logit_bias": {"9": 1, "1": 2}}
    before = orjson.dumps(asked)
    read(asked)
    assert orjson.dumps(asked) == before
