"""The events of a session, and every text in them: what a client sends is a request's, what a server sends an answer's.

Sound is no text and is left out; who carries it is told by :func:`carries_sound`. Identifiers that a provider has made
up say nothing; whatever else stands in their place is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.core.errors import MalformedRequest
from gateway.core.segments import Path, Segment
from gateway.wire.grammar import (
    Found,
    Rule,
    constant,
    each,
    fields,
    leaves,
    nothing,
    said_by,
    schema,
    text,
    url,
)
from gateway.wire.shapes import is_array, is_object, is_text

CLIENT = frozenset((
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
    "conversation.item.create", "conversation.item.retrieve", "conversation.item.truncate", "conversation.item.delete",
    "response.create", "response.cancel", "output_audio_buffer.clear", "transcription_session.update",
))  # fmt: skip
SOUND_IN = "input_audio_buffer.append"
# The name of today's interface, and the one that it had in its trial.
SOUND_OUT = frozenset(("response.output_audio.delta", "response.audio.delta"))
_ROLES = ("system", "developer", "user", "assistant", "tool")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
# Shorter pieces of sound say nothing, and could be words.
_SOUND_CHARS = 128
_MADE_UP = re.compile(r"[a-z]{2,12}_[0-9A-Za-z]{10,64}")
_OF_TOOLS = frozenset({"tool_argument", "tool_result"})
_anything = leaves()


def identifier(path: Path, role: str, value: Any, found: Found) -> None:
    """A name that says nothing when a provider has made it up."""
    if not (is_text(value) and _MADE_UP.fullmatch(value)):
        _anything(path, role, value, found)


def _sound(path: Path, role: str, value: Any, found: Found) -> None:
    if not is_sound(value):
        _anything(path, role, value, found)


_ID = identifier
_NUMBER = constant()
_WORD = constant(
    "realtime", "transcription", "realtime.session", "realtime.item", "realtime.response", "realtime.conversation",
    "realtime.transcription_session", "message", "function_call", "function_call_output", "input_text", "input_audio",
    "input_image", "item_reference", "output_text", "output_audio", "text", "audio", "function", "mcp", "tokens",
    "duration", "completed", "incomplete", "in_progress", "cancelled", "failed", "turn_detected", "client_cancelled",
    "max_output_tokens", "content_filter", "auto", "none", "required", "low", "high", "server_vad", "semantic_vad",
    "inf", "disabled", "conversation",
)  # fmt: skip
_WORDS = each(_WORD)
_TYPE = constant(*CLIENT)
_PART = fields(
    {
        "type": _WORD,
        "text": text("text"),
        "transcript": text("text"),
        "audio": _sound,
        "image_url": url,
        "detail": _WORD,
        "id": _ID,
    },
    otherwise=text("text"),
)
_ITEM = fields(
    {
        "id": _ID,
        "object": _WORD,
        "type": _WORD,
        "status": _WORD,
        "role": constant(*_ROLES),
        "content": each(_PART),
        "name": text("tool_name"),
        "call_id": _ID,
        "arguments": text("tool_argument", encoded=True),
        "output": text("tool_result"),
    }
)
_TOOL = fields(
    {
        "type": _WORD,
        "name": text("tool_name"),
        "description": text("tool_description"),
        "parameters": schema,
    }
)
_PLACE: dict[str, Rule] = {
    "event_id": _ID,
    "item_id": _ID,
    "previous_item_id": _ID,
    "response_id": _ID,
    "output_index": _NUMBER,
    "content_index": _NUMBER,
    "audio_start_ms": _NUMBER,
    "audio_end_ms": _NUMBER,
}


def _speaker(item: Any) -> str:
    if not is_object(item):
        return ""
    role, kind = item.get("role"), item.get("type")
    if is_text(role) and role in _ROLES:
        return role
    return {"function_call": "assistant", "function_call_output": "tool"}.get(kind, "") if is_text(kind) else ""


def _usage(path: Path, role: str, value: Any, found: Found) -> None:
    """What was used: numbers, and the word that says which; any other string is a text."""
    if is_object(value):
        for name, item in value.items():
            (_usage if is_object(item) else constant("tokens", "duration"))((*path, name), role, item, found)


_item = said_by(_speaker, _ITEM)
_system = said_by(lambda _: "system", text("text"))
_assistant = said_by(lambda _: "assistant", _item)
# The settings of a session, and of one answer in it: some dozen switches and numbers, and these.
_SETTINGS: dict[str, Rule] = {
    "instructions": _system,
    "tools": each(_TOOL),
    "input": each(_item),
    "output": each(_assistant),
    "object": _WORD,
    "type": _WORD,
    "status": _WORD,
    "id": _ID,
    "conversation_id": _ID,
    "output_modalities": _WORDS,
    "modalities": _WORDS,
    "tool_choice": _WORD,
    "usage": _usage,
}
_settings = fields(_SETTINGS)
_client_event = fields(
    {
        **_PLACE,
        "type": _TYPE,
        "audio": _sound,
        "session": _settings,
        "response": _settings,
        "item": said_by(lambda _: "user", _item),
    }
)


_server_event = fields(
    {
        **_PLACE,
        # Which events there are is the provider's to say; a new one is read leaf by leaf.
        "type": nothing,
        "session": _settings,
        "response": _settings,
        "conversation": fields({"id": _ID, "object": _WORD}),
        "item": _assistant,
        "part": said_by(lambda _: "assistant", _PART),
        "text": text("text"),
        "transcript": text("text"),
        "arguments": text("tool_argument", encoded=True),
        "name": text("tool_name"),
        "call_id": _ID,
        "usage": _usage,
        # Repeats a text token by token; an event whose text is edited loses it.
        "logprobs": nothing,
    }
)


def client_segments(event: Any, tools: Mapping[str, str]) -> list[Segment]:
    """Every text of a client's event.

    Args:
        event: As said.
        tools: By the call that a result answers, the tool that was called.
    """
    found: Found = []
    _client_event((), "", event, found)
    item = event.get("item") if is_object(event) else None
    if is_object(item):
        _name_tool(item, tools, found)
    return found


def _name_tool(item: dict[str, Any], tools: Mapping[str, str], found: Found) -> None:
    call_id = item.get("call_id")
    tool = item.get("name") or (tools.get(call_id) if is_text(call_id) else None)
    if not is_text(tool) or not tool:
        return
    for at, segment in enumerate(found):
        if segment.kind in _OF_TOOLS and segment.path[0] == "item":
            found[at] = msgspec.structs.replace(segment, tool=tool)


def server_segments(event: Any) -> list[Segment]:
    """Every text of a server's event that is no delta."""
    found: Found = []
    _server_event((), "assistant", event, found)
    item = event.get("item") if is_object(event) else None
    if is_object(item):
        _name_tool(item, {}, found)
    return found


def called(event: Any) -> tuple[str, str] | None:
    """The call that a server's event tells of, and its tool; ``None`` when it tells of none."""
    item = event.get("item") if is_object(event) else None
    if not is_object(item):
        return None
    call_id, name = item.get("call_id"), item.get("name")
    return (call_id, name) if is_text(call_id) and is_text(name) else None


def kind_of(event: Any) -> str:
    """What an event is; empty where it does not say."""
    kind = event.get("type") if is_object(event) else None
    return kind if is_text(kind) else ""


def carries_sound(event: dict[str, Any]) -> bool:
    """Say whether a client's event holds sound, which no rule can read."""
    if kind_of(event) == SOUND_IN:
        return True
    response = event.get("response")
    items: list[Any] = [event.get("item")]
    if is_object(response) and is_array(response.get("input")):
        items += response["input"]
    return any(
        is_object(part) and bool(part.get("audio"))
        for item in items
        if is_object(item) and is_array(item.get("content"))
        for part in item["content"]
    )


def is_sound(value: Any) -> bool:
    """Say whether a field is sound as base64."""
    return is_text(value) and len(value) >= _SOUND_CHARS and _BASE64.fullmatch(value) is not None


def with_known_model(event: dict[str, Any], asked: str, known: str) -> dict[str, Any]:
    """Give a session's model the name that its provider knows; it cannot become another one.

    Args:
        event: A client's. Not changed; the same object where it names no model, or the provider's.
        asked: The model as the client named it in its handshake.
        known: As the provider does; empty where that is the same.

    Raises:
        MalformedRequest: The event sets another model.
    """
    session = event.get("session")
    model = session.get("model") if is_object(session) else None
    if not is_object(session) or not is_text(model):
        return event
    if model not in {asked, known}:
        raise MalformedRequest("The model of a session cannot be changed.", param="session.model")
    return {**event, "session": {**session, "model": known}} if known and model != known else event
