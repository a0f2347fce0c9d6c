"""What was asked last and what was said, in every dialect; nothing of what is no body."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.operator.drift_texts import MOST_CHARS, Texts, texts_of

CASES: list[tuple[str, Any, Any, Texts]] = [
    (
        "openai_chat",
        {
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
            ]
        },
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]},
        Texts("two\nthree", "hello"),
    ),
    (
        "openai_chat",
        {"messages": [{"role": "user", "content": "one"}]},
        {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "I will not."}}]},
        Texts("one", "I will not."),
    ),
    ("openai_completions", {"prompt": "tell"}, {"choices": [{"text": "told"}]}, Texts("tell", "told")),
    ("openai_embeddings", {"input": "a text"}, {"data": [{"embedding": [1.0]}]}, Texts("a text")),
    (
        "openai_responses",
        {"instructions": "be brief", "input": [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}]},
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}]},
        Texts("q", "a"),
    ),
    (
        "anthropic_messages",
        {"system": "s", "messages": [{"role": "user", "content": "q"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        Texts("q", "a"),
    ),
    (
        "gemini",
        {"contents": [{"role": "user", "parts": [{"text": "q"}]}]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]},
        Texts("q", "a"),
    ),
    (
        "bedrock_converse",
        {"messages": [{"role": "user", "content": [{"text": "q"}]}]},
        {"output": {"message": {"role": "assistant", "content": [{"text": "a"}]}}},
        Texts("q", "a"),
    ),
    ("triton", {"text_input": "q"}, {"text_output": "a"}, Texts("q", "a")),
    ("passthrough", {"messages": [{"role": "user", "content": "q"}]}, {}, Texts()),
]


@pytest.mark.parametrize(("dialect", "request_", "response", "texts"), CASES)
def test_the_last_question_and_the_answer(dialect: str, request_: Any, response: Any, texts: Texts) -> None:
    assert texts_of(dialect, orjson.dumps(request_).decode(), orjson.dumps(response).decode()) == texts


@given(
    st.sampled_from([case[0] for case in CASES]),
    st.text(max_size=60),
    st.recursive(
        st.none() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("messages", "content", "role", "choices", "input", "prompt")), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
)
def test_what_is_no_body_has_no_text_and_breaks_nothing(dialect: str, cut: str, document: Any) -> None:
    assert texts_of(dialect, cut, cut) == Texts() or cut.strip().startswith(("{", "[", '"'))
    assert isinstance(texts_of(dialect, orjson.dumps(document).decode(), orjson.dumps(document).decode()), Texts)


def test_a_long_text_is_read_at_its_beginning() -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": "x" * 100_000}]}).decode()
    assert texts_of("openai_chat", body, "") == Texts("x" * MOST_CHARS)
