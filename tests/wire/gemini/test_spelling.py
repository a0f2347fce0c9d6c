from __future__ import annotations

from gateway.wire.gemini.spelling import either, listed, member, read, snake
from gateway.wire.grammar import leaves


def test_both_spellings_are_read_and_the_usual_one_goes_first() -> None:
    assert snake("systemInstruction") == "system_instruction"
    assert snake("text") == "text"
    assert read({"system_instruction": 1}, "systemInstruction") == 1
    assert read({"system_instruction": 1, "systemInstruction": 2}, "systemInstruction") == 2
    assert read({}, "systemInstruction") is None
    assert read(["no object"], "systemInstruction") is None


def test_a_rule_holds_for_both_spellings() -> None:
    rule = leaves()
    assert either({"mimeType": rule, "text": rule}) == {"mimeType": rule, "mime_type": rule, "text": rule}


def test_a_holder_keeps_its_spelling() -> None:
    assert member({"inline_data": {}}, "inlineData") == "inline_data"
    assert member({"inlineData": {}, "inline_data": {}}, "inlineData") == "inlineData"
    assert member({}, "inlineData") == "inlineData"


def test_one_item_without_brackets_is_a_list_of_one() -> None:
    assert listed([1, 2]) == [1, 2]
    assert listed({"text": "a"}) == [{"text": "a"}]
    assert listed(None) == []
