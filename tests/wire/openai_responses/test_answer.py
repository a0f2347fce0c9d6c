from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage
from gateway.wire.openai_responses.answer import (
    answer_segments,
    read_answer,
    skim,
    strip_repeats,
    unweighed,
    written_text,
)
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown
from tests.support.response_streams import call, message, reasoning, response
from tests.wire.openai_responses.test_request import ITEM, TOOL

ANSWER = objects(
    {
        "output": st.lists(ITEM, max_size=3),
        "data": st.lists(ITEM, max_size=1),
        "instructions": WORD | st.lists(ITEM, max_size=1),
        "tools": st.lists(TOOL, max_size=1),
        "metadata": st.dictionaries(WORD, WORD, max_size=1),
        "error": objects({"code": WORD, "message": WORD}),
        "status": st.just("completed"),
        "tool_usage": UNKNOWN,
        "text": objects({"format": objects({"type": st.just("text")})}),
    }
)


@given(ANSWER)
def test_every_text_is_in_one_segment(document: dict[str, Any]) -> None:
    assert shown(answer_segments(document)) == marked(document)


def test_a_usual_answer_is_nothing_but_what_was_said() -> None:
    whole = response(reasoning("hm"), message("hello", refusal="no"), call("look", '{"a":1}'))
    assert [(s.role, s.kind, s.text) for s in answer_segments(whole)] == [
        ("assistant", "reasoning", "hm"),
        ("assistant", "text", "hello"),
        ("assistant", "refusal", "no"),
        ("assistant", "leaf", "call_0"),
        ("assistant", "tool_name", "look"),
        ("assistant", "tool_argument", '{"a":1}'),
    ]
    assert written_text(whole) == 'hm\nhello\nno\nassistant to=functions.look json\n{"a":1}'


def test_what_an_answer_repeats_of_its_request_is_not_what_the_model_wrote() -> None:
    whole = response(message("hello"), instructions="be kind")
    assert ("system", "be kind") in [(s.role, s.text) for s in answer_segments(whole)]
    assert written_text(whole) == "hello"


@pytest.mark.parametrize(
    ("more", "finish"),
    [
        ({}, "completed"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {}}, "incomplete"),
        ({"status": "in_progress"}, ""),
        ({"status": 3}, ""),
    ],
)
def test_facts(more: dict[str, Any], finish: str) -> None:
    whole = response(**more)
    facts = read_answer(whole)
    assert (facts.model_served, facts.finish_reason) == ("gpt-m-2026", finish)
    assert facts.usage == Usage(300, 600, 100, 180, 120)
    assert skim(orjson.dumps(whole)) == facts


@given(st.binary(max_size=20) | st.recursive(st.none() | st.integers(-9, 9), st.lists).map(orjson.dumps))
def test_no_answer_has_no_facts(body: bytes) -> None:
    assert (skim(body).usage, skim(body).model_served) == (None, "")
    assert read_answer(None) == AnswerFacts()


def test_an_answer_that_was_fetched_has_used_nothing() -> None:
    facts = unweighed(read_answer(response()))
    assert (facts.finish_reason, facts.usage) == ("completed", None)
    assert facts.fetched == read_answer(response()).usage


def test_edited_parts_lose_their_log_probabilities() -> None:
    said = message("a", "b")
    for part in said["content"]:
        part["logprobs"] = [{"token": "a"}]
    whole = response(said)
    left = strip_repeats(whole, {("output", 0, "content", 1, "text"), ("instructions",)})
    assert [part["logprobs"] for part in left["output"][0]["content"]] == [[{"token": "a"}], []]
    assert said["content"][1]["logprobs"]
    assert strip_repeats(whole, {("output", 0, "content", 9, "text"), ("output", 5, "content", 0, "text")}) is whole
    assert strip_repeats(whole, set()) is whole
