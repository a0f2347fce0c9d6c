from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, Media, Opaque, Part, Reasoning, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.openai_chat.chat_turns_writer import TurnsWriter


def write(*turns: Turn, policy: Any = "reject", own_files: bool = False) -> tuple[list[dict[str, Any]], Losses]:
    losses = Losses({}, "openai_chat", policy)
    return TurnsWriter(losses, own_files=own_files).write(turns), losses


def user(*parts: Part) -> Turn:
    return Turn(role="user", parts=parts)


def test_a_users_turn_is_split_where_results_stand() -> None:
    result = ToolResult(call_id="c1", parts=(Text(text="seen"),))
    messages, _ = write(user(Text(text="first"), result, Text(text="then"), Text(text="more")))
    assert messages == [
        {"role": "user", "content": "first"},
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        {"role": "user", "content": [{"type": "text", "text": "then"}, {"type": "text", "text": "more"}]},
    ]


def test_calls_without_ids_get_them_and_their_results_too() -> None:
    calls = Turn(
        role="assistant",
        parts=(
            ToolCall(id="", name="a", arguments="{}"),
            ToolCall(id="", name="b", arguments="{}"),
            ToolCall(id="", name="a", arguments="{}"),
        ),
    )
    results = [ToolResult(call_id="", name=name, parts=(Text(text=name),)) for name in ("b", "a", "a")]
    messages, _ = write(calls, Turn(role="tool", parts=tuple(results)))
    assert [call["id"] for call in messages[0]["tool_calls"]] == ["call_0", "call_1", "call_2"]
    assert [message["tool_call_id"] for message in messages[1:]] == ["call_1", "call_0", "call_2"]


def test_thoughts_go_back_to_whom_they_came_from_only() -> None:
    own = Turn(role="assistant", parts=(Reasoning(text="hm", origin="openai_chat"), Text(text="a")))
    messages, losses = write(own)
    assert messages == [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]
    assert losses.fields == ()
    other = Turn(role="assistant", parts=(Reasoning(text="hm", signature="s", origin="x"), Text(text="a")))
    messages, losses = write(other)
    assert messages == [{"role": "assistant", "content": "a"}]
    assert losses.fields == ("thinking",)


def test_results_carry_text_documents_and_say_what_is_left_out() -> None:
    document = ToolResult(call_id="c", parts=(), document={"city": "Rome"}, is_error=True, cache=CacheMark())
    messages, losses = write(Turn(role="tool", parts=(document,)))
    assert messages == [{"role": "tool", "tool_call_id": "c", "content": '{"city":"Rome"}'}]
    assert losses.fields == ("cache_control", "is_error")
    picture = ToolResult(call_id="c", parts=(Media(kind="image", data="AAAA"),))
    with pytest.raises(UnsupportedField) as raised:
        write(Turn(role="tool", parts=(picture,)))
    assert raised.value.param == "messages"
    messages, losses = write(Turn(role="tool", parts=(picture,)), policy="drop")
    assert messages[0]["content"] == ""
    assert losses.fields == ("messages",)


@pytest.mark.parametrize(
    ("media", "written"),
    [
        (
            Media(kind="image", media_type="image/png", data="AAAA", detail="low"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        ),
        (
            Media(kind="audio", media_type="audio/mpeg", data="AAAA"),
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
        (
            Media(kind="document", media_type="application/pdf", data="AAAA"),
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "document"}},
        ),
        (Media(kind="document", text="plain", name="n", context="c"), {"type": "text", "text": "n\nc\nplain"}),
    ],
)
def test_media_are_written(media: Media, written: dict[str, Any]) -> None:
    messages, _ = write(user(Text(text="see"), media))
    assert messages[0]["content"][1] == written


@pytest.mark.parametrize(
    ("media", "field"),
    [
        (Media(kind="image", file_id="f"), "file_id"),
        (Media(kind="document", file_id="f"), "file_id"),
        (Media(kind="document", url="https://e.example/a.pdf"), "url"),
        (Media(kind="document", text="a", citations=True), "citations"),
        (Media(kind="audio", url="https://e.example/a.wav"), "messages"),
        (Media(kind="audio", data="AAAA", media_type="audio/flac"), "messages"),
    ],
)
def test_media_that_have_no_place_are_named(media: Media, field: str) -> None:
    with pytest.raises(UnsupportedField) as raised:
        write(user(media))
    assert raised.value.param == field


def test_files_of_the_same_family_are_known_by_name() -> None:
    messages, _ = write(user(Media(kind="document", file_id="f")), own_files=True)
    assert messages[0]["content"] == [{"type": "file", "file": {"file_id": "f"}}]


def test_pieces_of_this_dialect_come_back_and_others_are_left_out() -> None:
    own = Opaque(dialect="openai_chat", kind="hologram", document={"type": "hologram"})
    audio = Opaque(dialect="openai_chat", kind="message.audio", document={"id": "a"})
    other = Opaque(dialect="x", kind="server_tool_use", document={})
    messages, losses = write(user(own, other), Turn(role="assistant", parts=(audio,)))
    assert messages[0]["content"] == [{"type": "hologram"}]
    assert messages[1] == {"role": "assistant", "content": "", "audio": {"id": "a"}}
    assert losses.fields == ("server_tool_use",)


def test_an_empty_turn_stays_a_message() -> None:
    assert write(user())[0] == [{"role": "user", "content": ""}]
    custom = ToolCall(id="c", name="sh", arguments="ls", custom=True)
    assert write(Turn(role="assistant", parts=(custom,), name="bot"))[0] == [
        {
            "role": "assistant",
            "content": None,
            "name": "bot",
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
        }
    ]
