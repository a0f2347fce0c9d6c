from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.gemini.parts import ANSWER_PART, CONTENTS, is_part, is_words
from gateway.wire.grammar import Found
from tests.support.gemini_streams import SIGNATURE


def found_in(rule: Any, value: Any) -> list[tuple[str, str, str]]:
    found: Found = []
    rule(("x",), "assistant", value, found)
    return [(segment.role, segment.kind, segment.text) for segment in found]


@pytest.mark.parametrize(
    ("role", "speaker"),
    [("user", "user"), ("model", "assistant"), ("function", "tool"), ("system", "system"), (None, "user")],
)
def test_roles_are_ours(role: str | None, speaker: str) -> None:
    content = {"parts": [{"text": "a"}], **({"role": role} if role else {})}
    assert found_in(CONTENTS, [content]) == [(speaker, "text", "a")]


def test_an_unknown_role_is_a_text_like_any_other() -> None:
    assert ("assistant", "leaf", "narrator") in found_in(CONTENTS, [{"role": "narrator", "parts": []}])


def test_a_signature_is_no_text_and_what_is_too_short_for_one_is() -> None:
    assert found_in(ANSWER_PART, {"text": "a", "thoughtSignature": SIGNATURE}) == [("assistant", "text", "a")]
    assert ("assistant", "leaf", "SECRET") in found_in(ANSWER_PART, {"thoughtSignature": "SECRET"})


def test_what_a_tool_says_is_the_tools_whoever_sends_it() -> None:
    response = {
        "name": "look",
        "response": {"lines": ["a", {"b": 1}]},
        "parts": [{"inlineData": {"mimeType": "text/plain", "data": "YQ=="}}],
        "scheduling": "SILENT",
        "new": "thing",
    }
    seen = found_in(CONTENTS, [{"role": "user", "parts": [{"functionResponse": response}]}])
    assert [item for item in seen if item[0] == "tool"] == [
        ("tool", "json_key", "lines"),
        ("tool", "tool_result", "a"),
        ("tool", "json_key", "b"),
        ("tool", "tool_result", "1"),
        ("tool", "text", "YQ=="),
        ("tool", "json_key", "new"),
        ("tool", "leaf", "thing"),
    ]


def test_arguments_in_pieces_and_of_odd_types_are_seen() -> None:
    pieces = {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "SECRET"}], "willContinue": True}
    assert ("assistant", "tool_argument", "SECRET") in found_in(ANSWER_PART, {"functionCall": pieces})
    assert ("assistant", "leaf", "SECRET") in found_in(ANSWER_PART, {"functionCall": {"args": "SECRET"}})
    assert ("assistant", "leaf", "SECRET") in found_in(ANSWER_PART, {"functionCall": "SECRET"})


def test_unknown_pieces_are_walked() -> None:
    assert found_in(ANSWER_PART, {"hologram": {"words": "SECRET"}}) == [
        ("assistant", "json_key", "hologram"),
        ("assistant", "json_key", "words"),
        ("assistant", "text", "SECRET"),
    ]


def test_what_is_words_and_what_is_not() -> None:
    assert is_words({"mimeType": "text/html"})
    assert is_words({"mime_type": "application/json"})
    assert not is_words({"mimeType": "image/png"})
    assert not is_words({})
    assert is_part({"function_call": {}}, "functionCall")
    assert not is_part("text", "text")
