from __future__ import annotations

from typing import Any

import pytest

from gateway.core.usage import Usage
from gateway.wire.bedrock_converse import DIALECT
from gateway.wire.bedrock_converse.answer import is_padding
from tests.support.bedrock_script import CALL, THOUGHT, said


def test_every_text_of_an_answer_is_seen() -> None:
    document = {**said(THOUGHT, "Sunny.", CALL), "trace": {"guardrail": {"matched": "bad"}}, "new": "x"}
    assert [(each.kind, each.text) for each in DIALECT.answer_segments(document) if each.kind != "json_key"][-4:] == [
        ("tool_name", "weather"),
        ("tool_argument", '{"city":"Rome"}'),
        ("leaf", "bad"),
        ("leaf", "x"),
    ]
    assert DIALECT.answer_text(document, []) == 'Let me look.\nSunny.\nweather\n{"city":"Rome"}'
    assert DIALECT.strip_repeats(document, set()) is document


def test_what_an_answer_says_about_itself() -> None:
    facts = DIALECT.read_answer({**said("a"), "trace": {"promptRouter": {"invokedModelId": "m"}}})
    assert (facts.finish_reason, facts.model_served, facts.usage) == ("end_turn", "m", Usage(100, 600, 300, 200))
    assert DIALECT.skim(b'{"stopReason":"x"}').finish_reason == "x"
    assert DIALECT.skim(b"{") == DIALECT.read_answer(None)


@pytest.mark.parametrize("odd", [[], {"output": 1}, {"output": {"message": []}}, {"trace": {"promptRouter": 1}}])
def test_fields_of_the_wrong_type_count_as_absent(odd: Any) -> None:
    assert DIALECT.read_answer(odd).model_served == ""
    assert list(DIALECT.answer_segments(odd)) is not None


def test_filling_is_no_text_and_text_is_no_filling() -> None:
    assert is_padding("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[:40])
    assert not is_padding("secret")
    assert [each.text for each in DIALECT.answer_segments({"p": "abc"})] == []
    assert [each.text for each in DIALECT.answer_segments({"p": "secret"})] == ["secret"]
