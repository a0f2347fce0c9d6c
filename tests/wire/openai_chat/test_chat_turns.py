from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, Media, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.wire.openai_chat.chat_turns import data_url, read_turns

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}


def parts(content: Any, role: str = "user") -> tuple[Any, ...]:
    (turn,) = read_turns([{"role": role, "content": content}])
    return turn.parts


def test_a_conversation_is_read() -> None:
    turns = read_turns(
        [
            {"role": "system", "content": "be brief"},
            {"role": "developer", "content": "d", "name": "dev"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, "b"]},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "seen"},
            {"role": "assistant", "content": "done", "refusal": "no", "annotations": []},
        ]
    )
    call = ToolCall(id="c1", name="look", arguments='{"a": 1}')
    assert turns == (
        Turn(role="system", parts=(Text(text="be brief"),)),
        Turn(role="developer", parts=(Text(text="d"),), name="dev"),
        Turn(role="user", parts=(Text(text="a"), Text(text="b"))),
        Turn(role="assistant", parts=(Reasoning(text="hm", origin="openai_chat"), call)),
        Turn(role="tool", parts=(ToolResult(call_id="c1", name="look", parts=(Text(text="seen"),)),)),
        Turn(role="assistant", parts=(Text(text="done"), Refusal(text="no"))),
    )


def test_the_form_before_there_were_several_calls_is_read() -> None:
    asked, answered = read_turns(
        [
            {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
            {"role": "function", "name": "look", "content": "seen"},
        ]
    )
    assert asked.parts == (ToolCall(id="call_0", name="look", arguments="{}"),)
    assert answered.parts == (ToolResult(call_id="call_0", name="look", parts=(Text(text="seen"),)),)


@pytest.mark.parametrize(
    ("part", "read"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://e.example/a.png", "detail": "low"}},
            Media(kind="image", url="https://e.example/a.png", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://e.example/a"}, Media(kind="image", url="https://e.example/a")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            Media(kind="image", media_type="image/png", data="AAAA"),
        ),
        ({"type": "video_url", "video_url": {"url": "https://e.example/v"}}, Media(kind="video", url="https://e.example/v")),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            Media(kind="audio", media_type="audio/wav", data="AAAA"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            Media(kind="document", media_type="application/pdf", data="AAAA", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(kind="document", file_id="file-1")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text(text="a", cache=CacheMark(ttl="1h")),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal(text="no")),
        (
            {"type": "hologram", "x": 1},
            Opaque(dialect="openai_chat", kind="hologram", document={"type": "hologram", "x": 1}),
        ),
    ],
)  # fmt: skip
def test_parts_are_read(part: Any, read: Any) -> None:
    assert parts([part]) == (read,)


def test_fields_nobody_knows_are_kept_by_name() -> None:
    (turn,) = read_turns([{"role": "assistant", "content": "a", "audio": {"id": "audio-1"}, "mood": None}])
    assert turn.parts[1:] == (Opaque(dialect="openai_chat", kind="message.audio", document={"id": "audio-1"}),)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("data:image/png;base64,QQ==", ("image/png", "QQ==")),
        ("data:text/plain;charset=utf-8;base64,QQ==", ("text/plain", "QQ==")),
        ("data:text/plain,plain", ("", "")),
        ("data:;base64,QQ==", ("", "QQ==")),
        ("https://e.example", ("", "")),
    ],
)
def test_data_urls_are_split(url: str, read: tuple[str, str]) -> None:
    assert data_url(url) == read


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("x", "messages[0].role"),
        ({"role": "owner", "content": "a"}, "messages[0].role"),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"role": "user", "content": [7]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"text": "a"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": 1}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].image_url.url"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "messages[0].content[0].input_audio"),
        ({"role": "user", "content": [{"type": "file", "file": 1}]}, "messages[0].content[0].file"),
        ({"role": "user", "content": "a", "name": 1}, "messages[0].name"),
        ({"role": "tool", "content": "a"}, "messages[0].tool_call_id"),
        (
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "refusal", "refusal": "x"}]},
            "messages[0].content",
        ),
        ({"role": "assistant", "tool_calls": {}}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": [1]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "messages[0].tool_calls[0].function"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": ""}}]},
            "messages[0].tool_calls[0].function.name",
        ),
        ({"role": "assistant", "function_call": 1}, "messages[0].function_call"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_named(message: Any, param: str) -> None:
    with pytest.raises(MalformedRequest) as raised:
        read_turns([message])
    assert raised.value.param == param
