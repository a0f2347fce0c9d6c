"""Skimming an answer must tell what reading it tells, whatever the answer is."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import AnswerFacts
from gateway.wire.openai_answer import read_answer
from gateway.wire.skim import skim

COUNTS = st.one_of(st.integers(-3, 2**40), st.none(), st.booleans(), st.text(max_size=3), st.floats(0, 9))
DETAILS = st.one_of(
    st.none(),
    st.text(max_size=2),
    st.dictionaries(
        st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens", "cache_write_tokens", "image_tokens"]),
        COUNTS,
    ),
)
USAGE = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": COUNTS,
            "completion_tokens": COUNTS,
            "input_tokens": COUNTS,
            "output_tokens": COUNTS,
            "prompt_cache_hit_tokens": COUNTS,
            "prompt_tokens_details": DETAILS,
            "completion_tokens_details": DETAILS,
            "cost": st.floats(0, 1),
        },
    ),
)
CHOICE = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"index": st.integers(0, 3)},
        optional={"finish_reason": st.one_of(st.none(), st.sampled_from(["stop", "length", ""]), st.integers(0, 9))},
    ),
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "usage": USAGE,
        "model": st.one_of(st.none(), st.text(max_size=4), st.integers(0, 9)),
        "choices": st.one_of(st.none(), st.lists(CHOICE, max_size=3)),
        "id": st.text(max_size=3),
    },
)


@given(ANSWER)
def test_skimming_tells_what_reading_tells(answer):
    body = orjson.dumps(answer)
    assert skim(body) == read_answer(orjson.loads(body))


@given(st.binary(max_size=60))
def test_what_is_no_json_tells_nothing_and_raises_nothing(body):
    skim(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{"])
def test_what_is_no_answer_tells_nothing(body):
    assert skim(body) == AnswerFacts()
