from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import MalformedRequest
from gateway.core.segments import pointer
from gateway.wire.openai_realtime import events

SOUND = "A" * 400
WEATHER = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}


def said(event: dict[str, Any], **tools: str) -> dict[str, tuple[str, str, str]]:
    found = events.client_segments(event, tools)
    return {pointer(each.path): (each.role, each.kind, each.text) for each in found}


def test_every_text_of_a_client_is_a_segment_once() -> None:
    assert said(
        {
            "type": "session.update",
            "event_id": "mine",
            "session": {"type": "realtime", "instructions": "Be kind.", "tools": [WEATHER], "x": ["new"]},
        }
    ) == {
        "event_id": ("", "leaf", "mine"),
        "session.instructions": ("system", "text", "Be kind."),
        "session.tools[0].name": ("", "tool_name", "weather"),
        "session.tools[0].description": ("", "tool_description", "Tells it."),
        "session.x{key}": ("", "json_key", "x"),
        "session.x[0]": ("", "leaf", "new"),
    }


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"item.content[0].text": ("user", "text", "hi")},
        ),
        (
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_audio", "audio": SOUND, "transcript": "hi"}],
            },
            {"item.content[0].transcript": ("user", "text", "hi")},
        ),
        (
            {"type": "function_call_output", "call_id": "call_0123456789abcd", "output": "sunny"},
            {"item.output": ("tool", "tool_result", "sunny")},
        ),
        (
            {"type": "function_call", "name": "weather", "call_id": "c", "arguments": '{"a":1}'},
            {
                "item.name": ("assistant", "tool_name", "weather"),
                "item.call_id": ("assistant", "leaf", "c"),
                "item.arguments": ("assistant", "tool_argument", '{"a":1}'),
            },
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "http://a/b"}]},
            {"item.content[0].image_url": ("user", "url", "http://a/b")},
        ),
    ],
)
def test_items_are_read_by_who_says_them(item: dict[str, Any], expected: dict[str, Any]) -> None:
    assert said({"type": "conversation.item.create", "item": item}) == expected


def test_a_result_belongs_to_the_tool_that_was_called() -> None:
    event = {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    }
    found = [each for each in events.client_segments(event, {"call_1": "weather"}) if each.kind == "tool_result"]
    assert [each.tool for each in found] == ["weather"]


def test_an_answer_of_ones_own_has_instructions_and_input() -> None:
    event = {
        "type": "response.create",
        "response": {
            "instructions": "Short.",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "metadata": {"who": "me"},
        },
    }
    found = said(event)
    assert found["response.instructions"] == ("system", "text", "Short.")
    assert found["response.input[0].content[0].text"] == ("user", "text", "hi")
    assert found["response.metadata.who"] == ("", "leaf", "me")


def test_sound_is_no_text_and_text_is_no_sound() -> None:
    assert said({"type": "input_audio_buffer.append", "audio": SOUND}) == {}
    assert said({"type": "input_audio_buffer.append", "audio": "a secret"}) == {"audio": ("", "leaf", "a secret")}
    # Too short to be sound.
    assert said({"type": "input_audio_buffer.append", "audio": "AKIA"}) == {"audio": ("", "leaf", "AKIA")}


@pytest.mark.parametrize(
    ("event", "sound"),
    [
        ({"type": "input_audio_buffer.append", "audio": ""}, True),
        ({"type": "conversation.item.create", "item": {"content": [{"audio": SOUND}]}}, True),
        ({"type": "response.create", "response": {"input": [{"content": [{"audio": SOUND}]}]}}, True),
        ({"type": "conversation.item.create", "item": {"content": [{"text": "hi"}]}}, False),
        ({"type": "response.create"}, False),
    ],
)
def test_who_carries_sound_is_known(event: dict[str, Any], sound: bool) -> None:
    assert events.carries_sound(event) is sound


def test_every_text_of_a_server_is_a_segment() -> None:
    event = {
        "type": "response.done",
        "event_id": "event_0123456789abcdef",
        "response": {
            "id": "resp_0123456789abcdef",
            "status": "failed",
            "status_details": {"error": {"message": "oops"}},
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "hello"}]},
                {"type": "function_call", "name": "weather", "arguments": "{}"},
            ],
            "usage": {"total_tokens": 3, "input_token_details": {"text_tokens": 1}},
        },
    }
    found = {pointer(each.path): (each.kind, each.text) for each in events.server_segments(event)}
    assert found["response.output[0].content[0].transcript"] == ("text", "hello")
    assert found["response.output[1].arguments"] == ("tool_argument", "{}")
    assert found["response.status_details.error.message"] == ("leaf", "oops")
    assert not any(name.startswith("response.usage") for name in found)


def test_calls_are_found_where_they_are() -> None:
    assert events.called({"item": {"call_id": "c", "name": "weather"}}) == ("c", "weather")
    assert events.called({"item": {"call_id": "c"}}) is None
    assert events.called({}) is None


def test_the_model_of_a_session_is_written_as_its_provider_knows_it() -> None:
    event = {"type": "session.update", "session": {"model": "m", "voice": "v"}}
    assert events.with_known_model(event, "m", "n")["session"] == {"model": "n", "voice": "v"}
    assert event["session"] == {"model": "m", "voice": "v"}
    for same in (event, {"session": {}}, {"session": None}, {}):
        assert events.with_known_model(same, "m", "") is same
    assert events.with_known_model(event, "x", "m") is event
    with pytest.raises(MalformedRequest):
        events.with_known_model(event, "x", "y")
