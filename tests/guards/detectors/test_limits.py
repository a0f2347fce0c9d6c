"""What a request may hold at most."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Match, RuleSpec, Step, When
from gateway.guards.detectors.limits import build
from gateway.guards.engine import GuardEngine
from gateway.plugin.guard import Subject
from gateway.plugin.testing import check_call
from gateway.wire.openai_chat import DIALECT

IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
TOOL = {"type": "function", "function": {"name": "a"}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def subject(document: Any) -> Subject:
    segments = list(DIALECT.segments(document)) if "messages" in document else []
    return Subject(direction="request", dialect="openai_chat", document=document, segments=segments)


def kinds(document: Any, **most: int) -> list[str]:
    limits = build(DetectorSpec(name="limits", use="limits", options=most))
    check_call(limits, [subject(document)])
    return [finding.kind for finding in limits.judge(subject(document))]


@pytest.mark.parametrize(
    ("option", "document", "count"),
    [
        ("max_chars", {"messages": [{"role": "system", "content": "abc"}, user("defg")]}, 7),
        ("max_turns", {"messages": [user("a"), {"role": "assistant", "content": "b"}, user("c")]}, 2),
        ("max_turns", {"contents": [{"parts": []}, {"role": "model"}, {"role": "user"}]}, 2),
        ("max_turns", {"prompt": "a"}, 1),
        ("max_attachments", {"messages": [user([{"type": "text", "text": "a"}, IMAGE]), user([IMAGE])]}, 2),
        ("max_attachments", {"contents": [{"parts": [{"inlineData": {}}, {"text": "a"}]}]}, 1),
        ("max_attachments", {"input": [{"type": "message", "content": [{"type": "input_file"}]}]}, 1),
        ("max_attachments", {"messages": [user([{"type": "tool_result", "content": [{"type": "image"}]}])]}, 1),
        ("max_tools", {"messages": [], "tools": [TOOL, TOOL]}, 2),
    ],
)
def test_limits(option: str, document: Any, count: int) -> None:
    assert kinds(document, **{option: count}) == []
    assert kinds(document, **{option: count - 1}) == [option]


def test_all_that_are_passed_are_named() -> None:
    document = {"messages": [user([IMAGE]), user("abc")], "tools": [TOOL]}
    assert kinds(document, max_turns=1, max_attachments=0, max_tools=1) == ["max_turns", "max_attachments"]


def test_answers_are_neither_bounded_nor_held() -> None:
    spec = DetectorSpec(name="limits", use="limits", options={"max_chars": 3})
    rule = RuleSpec(
        id="r", match=Match(), when=When(op="detector", name="limits"), steps=(Step(action="block"),), mode="enforce"
    )
    plan = GuardEngine(Bundle(revision="0" * 12, detectors=(spec,), rules=(rule,)), lambda: 0).plan(CallFacts())
    assert plan.screen_request(DIALECT, {"messages": [user("long")]}).rule == "r"
    assert plan.screen_request(DIALECT, {"messages": [user("abc")]}).rule == ""
    assert plan.screen_answer(DIALECT, {"choices": [{"message": {"role": "assistant", "content": "long"}}]}).rule == ""
    assert plan.gathers in (None, "", False)
    assert plan.stream_screen().feed((0, "text"), "long enough") == "long enough"
