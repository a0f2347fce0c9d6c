from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.openai_completions.answer import answer_segments, assemble, written_text
from gateway.wire.openai_stream import write_event
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown

ANSWER = objects(
    {"choices": st.lists(objects({"index": st.just(0), "text": WORD, "reasoning": WORD, "x": UNKNOWN}), max_size=2)}
)


@given(ANSWER)
def test_every_string_is_a_segment_exactly_once(document: dict[str, Any]) -> None:
    assert shown(answer_segments(document)) == marked(document)


def test_written_text_is_what_the_model_wrote() -> None:
    assert written_text({"id": "c", "choices": [{"text": "a"}, {"text": "b", "stop_reason": "c"}]}) == "a\nb"


def test_stream_is_put_together_by_choice() -> None:
    kept = [
        write_event({"id": "c", "model": "m", "choices": [{"index": 1, "text": "x"}, {"index": 0, "text": "a"}, 5]}),
        write_event({"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}),
        write_event({"choices": [], "usage": {"prompt_tokens": 1}}),
        b'data: {"cut',
    ]
    assert assemble(kept) == {
        "id": "c",
        "model": "m",
        "choices": [
            {"index": 0, "text": "ab", "logprobs": None, "finish_reason": "stop"},
            {"index": 1, "text": "x", "logprobs": None, "finish_reason": None},
        ],
        "usage": {"prompt_tokens": 1},
    }
