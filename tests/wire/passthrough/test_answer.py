from __future__ import annotations

from typing import Any

import pytest

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage
from gateway.wire.passthrough.answer import read_answer


def test_a_responses_document_is_understood() -> None:
    document = {
        "object": "response",
        "status": "incomplete",
        "model": "gpt-4o",
        "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3},
    }
    usage = Usage(input_fresh_tokens=6, cache_read_tokens=4, output_text_tokens=3)
    assert read_answer(document) == AnswerFacts(model_served="gpt-4o", finish_reason="incomplete", usage=usage)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"finish_reason": "length", "status": "completed"}, "length"),
        ({"choices": [{"finish_reason": "stop"}], "status": "x"}, "stop"),
        ({"choices": [{"finish_reason": None}], "status": "x"}, "x"),
        ({"choices": ["?"], "status": 200}, ""),
        ({"choices": []}, ""),
    ],
)
def test_the_finish_reason_is_found_where_openai_writes_one(document: Any, reason: str) -> None:
    assert read_answer(document).finish_reason == reason


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {"model": 1, "usage": [], "status": {}}])
def test_fields_of_the_wrong_type_count_as_absent(document: Any) -> None:
    assert read_answer(document) == AnswerFacts()


def test_usage_that_counts_otherwise_is_missing_rather_than_wrong() -> None:
    message = {
        "type": "message",
        "model": "c",
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 9, "output_tokens": 2},
    }
    assert read_answer(message).usage is None
    assert read_answer(message).model_served == "c"
