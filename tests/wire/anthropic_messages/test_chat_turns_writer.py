from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.core.chat import CacheMark, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages.chat_turns_writer import TurnsWriter


def written(*turns: Turn, own: bool = False, losses: Losses | None = None) -> TurnsWriter:
    writer = TurnsWriter(losses or Losses({}, "anthropic_messages"), own=own)
    writer.write(turns)
    return writer


def says(role: Any, *parts: Part | str) -> Turn:
    return Turn(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def test_the_system_stands_before_everything() -> None:
    writer = written(says("system", "a"), says("user", "hi"), says("developer", "b"), says("user", "go"))
    assert writer.system == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert writer.messages == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "go"}]}
    ]


def test_roles_take_turns_and_results_come_first() -> None:
    call = ToolCall(id="call_1", name="t", arguments='{"a":1}')
    writer = written(
        says("user", "hi"),
        says("assistant", "so"),
        says("assistant", call),
        says("user", "and?"),
        says("tool", ToolResult(call_id="call_1", parts=(Text(text="r"),))),
    )
    assert [each["role"] for each in writer.messages] == ["user", "assistant", "user"]
    assert writer.messages[1]["content"][1] == {"type": "tool_use", "id": "call_1", "name": "t", "input": {"a": 1}}
    assert writer.messages[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "r"},
        {"type": "text", "text": "and?"},
    ]


def test_calls_without_ids_get_them_and_so_do_their_results() -> None:
    one, two = (ToolCall(id="", name=name, arguments="") for name in ("a", "b"))
    results = [ToolResult(call_id="", name=name, parts=(), document={"x": 1}) for name in ("b", "a", "c")]
    writer = written(says("assistant", one, two), says("tool", *results))
    assert [each["id"] for each in writer.messages[0]["content"]] == ["call_0", "call_1"]
    assert [each["tool_use_id"] for each in writer.messages[1]["content"]] == ["call_1", "call_0", "call_2"]
    assert writer.messages[1]["content"][0]["content"] == '{"x":1}'


def test_ids_of_others_are_made_to_fit_on_both_sides() -> None:
    call = ToolCall(id="functions.t:0", name="t", arguments="{}")
    writer = written(says("assistant", call), says("tool", ToolResult(call_id="functions.t:0", parts=())))
    assert writer.messages[0]["content"][0]["id"] == writer.messages[1]["content"][0]["tool_use_id"] == "functions_t_0"


def test_arguments_that_are_no_object_are_refused_by_the_name_of_the_call() -> None:
    with pytest.raises(MalformedRequest, match="call_9"):
        written(says("assistant", ToolCall(id="call_9", name="t", arguments="[1]")))
    free = written(says("assistant", ToolCall(id="c", name="t", arguments="free", custom=True)))
    assert free.messages[0]["content"][0]["input"] == {"input": "free"}


def test_thoughts_of_others_are_left_out_and_said_so() -> None:
    losses = Losses({}, "anthropic_messages")
    own = Reasoning(text="t", signature="s", origin="anthropic_messages")
    parts = (own, Reasoning(text="x", origin="openai_chat"), Reasoning(text="u", origin="anthropic_messages"))
    writer = written(says("assistant", *parts, "so"), losses=losses)
    assert writer.messages[0]["content"][0] == {"type": "thinking", "thinking": "t", "signature": "s"}
    assert len(writer.messages[0]["content"]) == 2
    assert losses.fields == ("thinking",)


def test_what_says_nothing_is_not_written() -> None:
    writer = written(says("user", " "), says("user", "hi"), says("assistant", Refusal(text="no"), Refusal(text="")))
    assert writer.messages == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "no"}]


def test_media() -> None:
    parts = (
        Media(kind="image", data="AA", media_type="image/gif", detail="high", cache=CacheMark()),
        Media(kind="image", url="u"),
        Media(kind="document", data="AA", name="n", context="c", citations=True),
        Media(kind="document", data=base64.b64encode(b"words").decode(), media_type="text/markdown"),
        Media(kind="document", text="w"),
    )
    losses = Losses({}, "anthropic_messages")
    content = written(says("user", *parts), losses=losses).messages[0]["content"]
    assert [each["source"]["type"] for each in content] == ["base64", "url", "base64", "text", "text"]
    assert content[0]["cache_control"] == {"type": "ephemeral"}
    assert content[2]["source"]["media_type"] == "application/pdf"
    assert (content[2]["title"], content[2]["context"], content[2]["citations"]) == ("n", "c", {"enabled": True})
    assert content[3]["source"]["data"] == "words"
    assert losses.fields == ("detail",)


@pytest.mark.parametrize("part", [Media(kind="audio", data="AA"), Media(kind="image", file_id="f")])
def test_what_has_no_place_is_refused_or_dropped(part: Media) -> None:
    with pytest.raises(UnsupportedField):
        written(says("user", part))
    losses = Losses({}, "anthropic_messages", "drop")
    assert written(says("user", part, "hi"), losses=losses).messages[0]["content"] == "hi"
    assert losses.fields
    if part.file_id:
        assert written(says("user", part), own=True).messages[0]["content"][0]["source"]["file_id"] == "f"


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        written(says("user", Media(kind="document", data="/w==", media_type="text/plain")))


def test_small_losses_are_told() -> None:
    losses = Losses({}, "anthropic_messages")
    turn = Turn(
        role="user", name="ann", parts=(Text(text="x"), Opaque(dialect="openai_chat", kind="odd", document={}))
    )  # fmt: skip
    written(turn, losses=losses)
    assert losses.fields == ("name", "odd")
