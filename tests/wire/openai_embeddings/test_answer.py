from __future__ import annotations

from typing import Any

import pytest

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import pointer
from gateway.core.usage import Apart, Usage
from gateway.wire.openai_embeddings.answer import answer_segments, read_answer

ANSWER = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -0.2]}, {"index": 1, "embedding": "c2VjcmV0"}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}


def test_usage_and_model_are_read() -> None:
    assert read_answer(ANSWER) == AnswerFacts(model_served="text-embedding-3-small", usage=Usage(input_fresh_tokens=8))


def test_the_tier_that_served_it_is_read() -> None:
    usage = read_answer({**ANSWER, "service_tier": "flex"}).usage
    assert usage is not None
    assert usage.apart == Apart(service_tier="flex")


@pytest.mark.parametrize("document", [None, [], "x", {}, {"usage": 1, "model": 2}, {"usage": {"prompt_tokens": "8"}}])
def test_fields_of_the_wrong_type_count_as_absent(document: Any) -> None:
    assert read_answer(document) == AnswerFacts()


def test_vectors_and_known_fields_are_not_walked() -> None:
    assert list(answer_segments(ANSWER)) == []


def test_unknown_fields_are_walked() -> None:
    document = {**ANSWER, "note": "leak", "data": [{"embedding": [0.1], "echo": "text"}, "loose"]}
    assert [(pointer(s.path), s.text) for s in answer_segments(document)] == [
        ("data[0].echo{key}", "echo"),
        ("data[0].echo", "text"),
        ("data[1]", "loose"),
        ("note{key}", "note"),
        ("note", "leak"),
    ]
