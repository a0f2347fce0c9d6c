from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage, set_apart
from gateway.wire.anthropic_messages.answer import answer_segments, read_answer, skim, written_text
from tests.support.message_streams import SEAL

ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [
        {"type": "thinking", "thinking": "hmm", "signature": SEAL},
        {"type": "text", "text": "It is", "citations": None},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": "x"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "output_tokens": 40,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0},
        "output_tokens_details": {"thinking_tokens": 15},
        "server_tool_use": {"web_search_requests": 1},
        "service_tier": "standard",
    },
}


def test_every_text() -> None:
    assert [(each.kind, each.text, each.tool) for each in answer_segments(ANSWER)] == [
        ("reasoning", "hmm", ""),
        ("text", "It is", ""),
        ("leaf", "toolu_1", ""),
        ("tool_name", "look", ""),
        ("tool_argument", '{"q":"x"}', "look"),
    ]
    assert written_text(ANSWER) == 'hmm\nIt is\nlook\n{"q":"x"}'


def test_facts() -> None:
    facts = AnswerFacts(
        model_served="m-1", finish_reason="tool_use", usage=set_apart(Usage(10, 7, 5, 25, 15), "", (("web_search", 1),))
    )
    assert read_answer(ANSWER) == facts
    assert skim(orjson.dumps(ANSWER)) == facts


@pytest.mark.parametrize("odd", [None, [], {}, {"usage": 1, "model": 2, "stop_reason": 3}])
def test_what_says_nothing(odd: Any) -> None:
    assert read_answer(odd) == AnswerFacts()
    assert skim(orjson.dumps(odd)) == AnswerFacts()


def test_bytes_that_are_no_json() -> None:
    assert skim(b"<html>") == AnswerFacts()


def test_what_a_cache_keeps_for_an_hour_is_read_either_way() -> None:
    kept = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}
    answer = {**ANSWER, "usage": {**ANSWER["usage"], "cache_creation_input_tokens": 5, "cache_creation": kept}}
    facts = skim(orjson.dumps(answer))
    assert facts == read_answer(answer)
    assert facts.usage is not None
    assert (facts.usage.cache_write_tokens, facts.usage.cache_write_1h_tokens) == (2, 3)


COUNT = st.integers(-2, 99) | st.none() | st.just("x")


@given(st.fixed_dictionaries({}, optional={name: COUNT for name in ANSWER["usage"] if name.endswith("tokens")}), COUNT)
def test_skimming_and_reading_agree(usage: dict[str, Any], thought: Any) -> None:
    usage = {**usage, "output_tokens_details": {"thinking_tokens": thought}}
    document = {**ANSWER, "usage": usage}
    assert skim(orjson.dumps(document)) == read_answer(document)


def test_the_words_of_an_error_are_looked_at() -> None:
    error = {"type": "error", "error": {"type": "api_error", "message": "said"}, "request_id": "req_1"}
    assert "said" in [each.text for each in answer_segments(error)]
