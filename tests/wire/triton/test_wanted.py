from __future__ import annotations

import pytest

from gateway.core.chat import Choice, Finish, TokenLogprob
from gateway.core.usage import Usage
from gateway.wire.triton.wanted import NOTHING, TELLABLE, Wanted, counted, told_of, wanted_by, word_of

CHOICES = (
    Choice(index=0, parts=(), finish="stop", logprobs=(TokenLogprob(token="a", logprob=-1.0),)),
    Choice(index=1, parts=(), finish="length", logprobs=()),
)


def test_flags_are_read_however_deep_their_tensors() -> None:
    assert wanted_by({}, None) == NOTHING
    given = {"return_finish_reason": [[True]], "return_log_probs": False, "accumulate_tokens": True}
    assert wanted_by(given, "7") == Wanted(frozenset({"finish_reason"}), True, "7")
    assert wanted_by({"return_num_input_tokens": "yes"}, 7) == NOTHING


def test_several_answers_have_a_value_each() -> None:
    told = told_of(CHOICES, Usage(input_fresh_tokens=2, output_text_tokens=1), TELLABLE)
    assert told == {
        "finish_reason": ["stop", "length"],
        "num_input_tokens": 2,
        "num_output_tokens": 1,
        "output_log_probs": [[-1.0], []],
        "cum_log_probs": [-1.0, 0],
    }
    assert told_of(CHOICES, None, frozenset({"num_input_tokens", "cum_log_probs"})) == {"cum_log_probs": [-1.0, 0]}
    assert told_of((Choice(index=0, parts=()),), None, TELLABLE) == {"finish_reason": "stop"}


def test_nobody_counts_for_a_provider() -> None:
    assert counted(None, TELLABLE) == {}


@pytest.mark.parametrize(
    ("finish", "word"), [(None, "stop"), ("context", "length"), ("tool_calls", "stop"), ("content_filter",) * 2]
)
def test_ends(finish: Finish | None, word: str) -> None:
    assert word_of(finish) == word
