from __future__ import annotations

from typing import Any

import pytest

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage
from gateway.wire.openai_answer import joined_reasons, read_answer, says, strip_repeats


def test_facts_are_read() -> None:
    facts = read_answer(
        {
            "model": "gpt-4o-2024",
            "choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}, {"finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        }
    )
    usage = Usage(input_fresh_tokens=3, output_text_tokens=2)
    assert facts == AnswerFacts(model_served="gpt-4o-2024", finish_reason="stop,length", usage=usage)


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"model": 1, "choices": 2, "usage": 3}, {"choices": [1, None, {"finish_reason": 5}]}],
)
def test_fields_of_the_wrong_type_count_as_absent(document: Any) -> None:
    assert read_answer(document) == AnswerFacts()


def test_reasons_are_joined_once_each() -> None:
    assert joined_reasons(["stop", None, "", 3, "length", "stop"]) == "stop,length"


def test_only_edited_choices_lose_their_logprobs() -> None:
    document = {"choices": [{"text": "a", "logprobs": {"t": 1}}, {"text": "b", "logprobs": {"t": 2}}, {"text": "c"}]}
    stripped = strip_repeats(document, {("choices", 1, "text"), ("choices", 2, "text"), ("id",)})
    assert stripped["choices"] == [{"text": "a", "logprobs": {"t": 1}}, {"text": "b", "logprobs": None}, {"text": "c"}]
    assert document["choices"][1]["logprobs"] == {"t": 2}


@pytest.mark.parametrize("document", [None, [], {}, {"choices": None}])
def test_what_has_no_choices_is_left_alone(document: Any) -> None:
    assert strip_repeats(document, {("choices", 0, "text")}) is document


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}], False),
        ([{"delta": {"content": "a"}}], True),
        ([{"delta": {"tool_calls": [{}]}}], True),
        ([{"delta": {"vendor": {"a": 1}}}], True),
        ([{"delta": {}, "finish_reason": "stop"}], True),
        ([{"text": "", "finish_reason": None}], False),
        ([{"text": "a"}], True),
        ([{"delta": "odd"}], True),
        ([], False),
        (["odd"], False),
        (None, False),
    ],
)
def test_a_chunk_says_more_than_who_speaks_or_not(choices: Any, expected: bool) -> None:
    assert says({"choices": choices}) is expected
