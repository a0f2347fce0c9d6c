from __future__ import annotations

from typing import Any

from gateway.core.usage import Usage
from gateway.wire.triton.answer import answer_segments, read_answer, strip_repeats, texts_of, usage_of

ANSWER: dict[str, Any] = {
    "model_name": "ensemble",
    "model_version": "1",
    "sequence_end": False,
    "sequence_id": 0,
    "cum_log_probs": 0.0,
    "output_log_probs": [0.0, -0.25],
    "text_output": "Machine learning is",
}


def test_what_an_answer_tells() -> None:
    facts = read_answer({**ANSWER, "finish_reason": ["length"]})
    assert facts.model_served == "ensemble"
    assert facts.finish_reason == "length"
    assert facts.usage is None
    assert read_answer([]).model_served == ""
    assert read_answer({"model_name": 7}).model_served == ""


def test_tokens_count_where_the_server_counts_them() -> None:
    told = {"num_input_tokens": [5], "num_output_tokens": 7}
    assert usage_of(told) == Usage(input_fresh_tokens=5, output_text_tokens=7)
    assert usage_of({"num_input_tokens": 5}) is None
    assert usage_of({"num_input_tokens": -5, "num_output_tokens": 7}) is None


def test_texts_are_segments_and_figures_are_none() -> None:
    assert [segment.text for segment in answer_segments(ANSWER)] == ["Machine learning is"]
    odd = {**ANSWER, "text_output": ["a", "b"], "note": "c", "output_log_probs": ["d"]}
    assert {segment.text for segment in answer_segments(odd)} >= {"a", "b", "c", "d"}
    assert texts_of(odd) == ["a", "b"]
    assert texts_of({"text_output": ["a", 1]}) == ["a", ""]
    assert texts_of({}) == []


def test_an_edited_answer_loses_what_tells_its_text_again() -> None:
    assert strip_repeats(ANSWER, set()) is ANSWER
    assert "output_log_probs" not in strip_repeats(ANSWER, {("text_output",)})
    plain = {"text_output": "x"}
    assert strip_repeats(plain, {("text_output",)}) is plain
