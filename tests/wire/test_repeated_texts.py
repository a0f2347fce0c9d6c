from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.core.segments import Segment
from gateway.wire import repeated_texts as texts
from gateway.wire.repeated_texts import Texts
from tests.support.streams import ToyScreen


def test_a_text_that_went_on_is_known_when_it_is_said_again() -> None:
    screen = ToyScreen()
    known = Texts(screen)
    running = known.begin(0, "text")
    shown = [known.feed(running, piece) for piece in ("a SEC", "RET", " b S")]
    assert "".join([*shown, known.finish(running)]) == "a [X] b S"
    assert running.touched
    before = len(screen.given)
    assert known.once(3, "text", "a SECRET b S") == "a [X] b S"
    assert len(screen.given) == before
    # The same words are another text where they are something else.
    assert known.once(3, "reasoning", "a SECRET b S") == "a [X] b S"
    assert len(screen.given) == before + 1


def test_arguments_belong_to_their_tool() -> None:
    screen = ToyScreen()
    known = Texts(screen)
    known.once(1, "tool_argument", "x", "look")
    known.once(1, "tool_argument", "x", "look")
    known.once(1, "tool_argument", "x", "hide")
    known.once(1, "tool_name", "x", "look")
    known.once(1, "tool_result", "x", "look")
    assert [(c[1].partition("/")[0], *c[2:]) for c in screen.given] == [
        ("tool_argument", "look"), ("tool_argument", "hide"), ("tool_name",), ("leaf",)
    ]  # fmt: skip


def test_documents_are_shared_where_nothing_is_edited() -> None:
    known = Texts(ToyScreen())
    value = {"a": "SECRET", "b": "c"}
    assert known.document(0, value, [Segment(("b",), "", "text", "c")]) == (value, set())
    shown, edited = known.document(0, value, [Segment(("a",), "", "text", "SECRET")])
    assert (shown, edited, value["a"]) == ({"a": "[X]", "b": "c"}, {("a",)}, "SECRET")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_CHARS", 640)
    known = Texts(ToyScreen())
    running = known.begin(0, "tool_argument")
    with pytest.raises(InvalidAnswer):
        known.hold(running, "x" * 641)
    known = Texts(ToyScreen())
    for number in range(10):
        known.once(0, "leaf", f"{number}")
    with pytest.raises(InvalidAnswer):
        known.once(0, "leaf", "one too many")
