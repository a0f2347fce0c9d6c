from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Blocked, InvalidAnswer
from gateway.wire.block_stream import MAX_BLOCKS
from gateway.wire.block_texts import SIGNED, BlockTexts
from gateway.wire.grammar import fields, sealed, text
from tests.support.streams import HoldingScreen, OpenScreen, ToyScreen

RULE = fields({"a": text("text"), "b": text("text"), "seal": sealed(text("reasoning"))})


def test_a_text_goes_on_from_event_to_event() -> None:
    texts = BlockTexts(ToyScreen())
    released = texts.add(0, "words", "text", "my SEC") + texts.add(1, "words", "text", "RET no secret: S")
    assert "SEC" not in released.partition("RET")[0]
    released = texts.add(0, "words", "text", "RET")
    assert "RET" not in released
    assert texts.settle(1) == ("words", "S")
    assert texts.settle(1) == ("", "")
    # The number of a block may come again: it is another text.
    assert texts.add(1, "thoughts", "text", "more") == "more"
    with pytest.raises(InvalidAnswer, match="in the middle"):
        texts.add(1, "words", "text", "more")


def test_what_is_held_back_comes_at_the_end_of_its_block() -> None:
    texts = BlockTexts(HoldingScreen())
    assert texts.add(0, "words", "text", "one") == ""
    assert texts.settle(0) == ("words", "one")


def test_a_thought_that_was_edited_cannot_be_signed() -> None:
    texts = BlockTexts(ToyScreen())
    texts.add(0, "thought", SIGNED, "a SECRET")
    texts.signed.add(0)
    with pytest.raises(Blocked):
        texts.settle(0)
    assert not texts.signed
    with pytest.raises(Blocked):
        texts.edits({"seal": "a SECRET"}, RULE)
    assert texts.edits({"seal": "nothing"}, RULE) == {}


def test_whole_texts_of_an_event_but_those_that_are_not() -> None:
    document: Any = {"a": "a SECRET", "b": "a SECRET", "seal": ""}
    edits = BlockTexts(ToyScreen()).edits(document, RULE, (("b",),))
    assert edits.keys() == {("a",)}
    assert "SECRET" not in edits["a",]
    assert BlockTexts(OpenScreen()).edits(document, RULE) == {}


def test_the_input_of_a_call_is_judged_whole() -> None:
    assert "SECRET" not in BlockTexts(ToyScreen()).argument(3, "look", '{"q":"SECRET"}')


def test_texts_are_bounded() -> None:
    texts = BlockTexts(OpenScreen())
    for index in range(MAX_BLOCKS):
        texts.add(index, "words", "text", "")
    with pytest.raises(InvalidAnswer, match="texts"):
        texts.add(MAX_BLOCKS, "words", "text", "")
