from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.openai_completions.request import parse, segments
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown
from tests.support.incoming import json_incoming

TOKENS = st.lists(st.integers(0, 99), max_size=3)
REQUEST = objects(
    {
        "prompt": WORD | st.lists(WORD | TOKENS | st.integers(0, 99), max_size=3) | TOKENS,
        "suffix": WORD,
        "stop": WORD | st.lists(WORD, max_size=2),
        "user": WORD,
        "logprobs": st.integers(0, 5),
        "metadata": UNKNOWN,
    }
)


@given(REQUEST)
def test_every_string_is_a_segment_exactly_once(document: dict[str, Any]) -> None:
    assert shown(segments({"model": "m", **document})) == marked(document)


def test_prompts_are_the_users_and_token_numbers_are_no_text() -> None:
    document = {"model": "m", "prompt": ["a", [1, 2], ["b", 3], 7, {"c": "d"}], "max_tokens": 3, "echo": True}
    assert [(segment.role, segment.kind, segment.text) for segment in segments(document)] == [
        ("user", "text", "a"),
        ("user", "text", "b"),
        ("user", "text", "3"),
        ("user", "json_key", "c"),
        ("user", "text", "d"),
    ]


@pytest.mark.parametrize("prompt", [None, "a", ["a", "b"], [1, 2], [[1], [2]]])
def test_request_is_parsed(prompt: Any) -> None:
    document = {"model": "m", "prompt": prompt}
    request = parse(json_incoming("/v1/completions", document), document)
    assert (request.dialect, request.operation) == ("openai_completions", "text_completion")
    assert (request.route, request.upstream_path) == ("/v1/completions", "/completions")


@pytest.mark.parametrize("prompt", [5, {}, True])
def test_prompt_of_another_type_is_refused(prompt: Any) -> None:
    document = {"model": "m", "prompt": prompt}
    with pytest.raises(MalformedRequest) as caught:
        parse(json_incoming("/v1/completions", document), document)
    assert caught.value.param == "prompt"
