from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.openai_chat.answer import answer_segments, written_text
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown

CALL = objects({"id": WORD, "type": st.just("function"), "function": objects({"name": WORD, "arguments": WORD})})
MESSAGE = objects(
    {
        "role": st.just("assistant"),
        "content": WORD
        | st.none()
        | st.lists(objects({"type": st.just("text"), "text": WORD, "thinking": UNKNOWN}), max_size=2),
        "reasoning_content": WORD,
        "reasoning": WORD,
        "refusal": WORD,
        "tool_calls": st.lists(CALL, max_size=2),
        "function_call": objects({"name": WORD, "arguments": WORD}),
        "annotations": st.lists(
            objects({"type": st.just("url_citation"), "url_citation": objects({"url": WORD, "title": WORD})})
        ),
        "audio": objects({"id": WORD, "data": st.just("UklGRg=="), "transcript": WORD}),
    }
)
CHOICE = objects({"index": st.integers(0, 3), "message": MESSAGE, "finish_reason": st.just("stop")})
ANSWER = objects(
    {
        "usage": st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "note": WORD}),
        "choices": st.lists(CHOICE, max_size=2),
    }
)


@given(ANSWER)
def test_every_string_is_a_segment_exactly_once(document: dict[str, Any]) -> None:
    assert shown(answer_segments(document)) == marked(document)


ANSWERED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "See it.",
                "reasoning_content": "Hm.",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                "annotations": [
                    {"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "X", "start_index": 1}}
                ],
            },
            "logprobs": {"content": [{"token": "See"}]},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1},
}


def test_a_whole_answer() -> None:
    assert [(segment.kind, segment.text) for segment in answer_segments(ANSWERED)] == [
        ("text", "See it."),
        ("reasoning", "Hm."),
        ("leaf", "c"),
        ("tool_name", "f"),
        ("tool_argument", "{}"),
        ("url", "https://x.test"),
        ("text", "X"),
    ]
    assert {segment.role for segment in answer_segments(ANSWERED)} == {"assistant"}


def test_written_text_is_what_the_model_wrote() -> None:
    assert written_text(ANSWERED) == "See it.\nHm.\nassistant to=functions.f json\n{}\nX"
    assert written_text({"error": "none"}) == ""
