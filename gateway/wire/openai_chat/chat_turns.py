"""The messages of a chat request, read into turns."""

from __future__ import annotations

from typing import Any, cast

from gateway.core.chat import CacheMark, Media, Opaque, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.wire.openai_chat.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object, is_text

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
# What a message holds that is read here, or says nothing that the conversation needs.
_READ = frozenset(
    ("role", "content", "name", "tool_calls", "function_call", "tool_call_id", "refusal", "reasoning_content",
     "reasoning", "annotations")
)  # fmt: skip
_LINKS = {"image_url": "image", "video_url": "video"}


class _Calls:
    """Names of the tools that were called so far, by the ids of their calls."""

    __slots__ = ("last", "names")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        # The id of the last call in the form before there were several, which has none of its own.
        self.last = ""

    def legacy(self, name: str) -> str:
        """Give an id to a call in the old form."""
        self.last = f"call_{len(self.names)}"
        self.names[self.last] = name
        return self.last


def read_turns(messages: Any) -> tuple[Turn, ...]:
    """Read the messages.

    Raises:
        MalformedRequest: They cannot be understood, naming the field.
    """
    if not is_array(messages):
        raise _wrong("messages", "an array of objects")
    calls = _Calls()
    return tuple(_turn(message, f"messages[{at}]", calls) for at, message in enumerate(messages))


def _turn(message: Any, where: str, calls: _Calls) -> Turn:
    role = message.get("role") if is_object(message) else None
    if not is_text(role) or role not in _ROLES:
        raise _wrong(f"{where}.role", "one of " + ", ".join(sorted(_ROLES)))
    if role in ("tool", "function"):
        return _result(message, where, calls)
    parts: list[Part] = []
    if role == "assistant":
        parts += _reasoning(message)
    parts += read_content(message.get("content"), f"{where}.content")
    if is_text(refusal := message.get("refusal")) and refusal:
        parts.append(Refusal(text=refusal))
    parts += _calls(message, where, calls)
    parts += [
        Opaque(dialect=DIALECT_NAME, kind=f"message.{name}", document=value)
        for name, value in message.items()
        if name not in _READ and value is not None
    ]
    return Turn(role=cast("Role", role), parts=tuple(parts), name=_text(message, "name", where))


def _reasoning(message: dict[str, Any]) -> list[Part]:
    thought = message.get("reasoning_content") or message.get("reasoning")
    return [Reasoning(text=thought, origin=DIALECT_NAME)] if is_text(thought) and thought else []


def _result(message: dict[str, Any], where: str, calls: _Calls) -> Turn:
    call_id, name = _text(message, "tool_call_id", where), _text(message, "name", where)
    if message["role"] == "function":
        call_id = calls.last
    elif not call_id:
        raise _wrong(f"{where}.tool_call_id", "a string that is not empty")
    parts = read_content(message.get("content"), f"{where}.content")
    if not all(isinstance(part, (Text, Media)) for part in parts):
        raise _wrong(f"{where}.content", "text")
    name = calls.names.get(call_id, name)
    result = ToolResult(call_id=call_id, name=name, parts=cast("tuple[Text | Media, ...]", tuple(parts)))
    return Turn(role="tool", parts=(result,))


def _calls(message: dict[str, Any], where: str, calls: _Calls) -> list[Part]:
    parts: list[Part] = []
    listed = message.get("tool_calls")
    if listed is not None and not is_array(listed):
        raise _wrong(f"{where}.tool_calls", "an array")
    for at, call in enumerate(listed or ()):
        read = read_call(call, f"{where}.tool_calls[{at}]")
        calls.names[read.id] = read.name
        parts.append(read)
    if (legacy := message.get("function_call")) is not None:
        name, arguments = _called(legacy, "arguments", f"{where}.function_call")
        parts.append(ToolCall(id=calls.legacy(name), name=name, arguments=arguments))
    return parts


def read_call(call: Any, where: str) -> ToolCall:
    """Read one tool call of a message.

    Raises:
        MalformedRequest: It is none.
    """
    if not is_object(call):
        raise _wrong(where, "an object")
    custom = call.get("type") == "custom"
    holder, name = ("custom", "input") if custom else ("function", "arguments")
    called, arguments = _called(call.get(holder), name, f"{where}.{holder}")
    return ToolCall(id=_text(call, "id", where), name=called, arguments=arguments, custom=custom)


def _called(held: Any, field: str, where: str) -> tuple[str, str]:
    if not is_object(held):
        raise _wrong(where, "an object")
    name = _text(held, "name", where)
    if not name:
        raise _wrong(f"{where}.name", "a string that is not empty")
    return name, _text(held, field, where)


def read_content(content: Any, where: str) -> list[Part]:
    """Read the content of a message: a string, parts, or nothing.

    Raises:
        MalformedRequest: It is none of these.
    """
    if content is None or content == "":
        return []
    if is_text(content):
        return [Text(text=content)]
    if not is_array(content):
        raise _wrong(where, "a string or an array of parts")
    return [_part(part, f"{where}[{at}]") for at, part in enumerate(content)]


def _part(part: Any, where: str) -> Part:
    if is_text(part):
        return Text(text=part)
    if not is_object(part):
        raise _wrong(where, "an object")
    kind = part.get("type")
    if kind == "text":
        return Text(text=_text(part, "text", where), cache=_cache(part))
    if kind == "refusal":
        return Refusal(text=_text(part, "refusal", where))
    if is_text(kind) and kind in _LINKS:
        return _link(part, kind, where)
    if kind == "input_audio":
        held = _held(part, "input_audio", where)
        data, form = _text(held, "data", where), _text(held, "format", where)
        return Media(kind="audio", data=data, media_type=f"audio/{form}" if form else "", cache=_cache(part))
    if kind == "file":
        return _file(part, where)
    if not is_text(kind):
        raise _wrong(f"{where}.type", "a string")
    return Opaque(dialect=DIALECT_NAME, kind=kind, document=part)


def _link(part: dict[str, Any], kind: str, where: str) -> Media:
    held = part.get(kind)
    held = {"url": held} if is_text(held) else held
    if not is_object(held) or not is_text(url := held.get("url")) or not url:
        raise _wrong(f"{where}.{kind}.url", "a string that is not empty")
    media_type, data = data_url(url)
    return Media(
        kind=cast("Any", _LINKS[kind]),
        media_type=media_type,
        data=data,
        url="" if data else url,
        detail=_text(held, "detail", where),
        cache=_cache(part),
    )


def _file(part: dict[str, Any], where: str) -> Media:
    held = _held(part, "file", where)
    written = _text(held, "file_data", where)
    media_type, data = data_url(written)
    return Media(
        kind="document",
        media_type=media_type,
        data=data or written,
        file_id=_text(held, "file_id", where),
        name=_text(held, "filename", where),
        cache=_cache(part),
    )


def data_url(url: str) -> tuple[str, str]:
    """Split a ``data:`` URL in base64 into its media type and its data; both empty when it is none."""
    if not url.startswith("data:"):
        return "", ""
    head, comma, data = url[5:].partition(",")
    media_type, semicolon, coding = head.rpartition(";")
    return (media_type.partition(";")[0], data) if comma and semicolon and coding == "base64" else ("", "")


def _cache(part: dict[str, Any]) -> CacheMark | None:
    mark = part.get("cache_control")
    if not is_object(mark):
        return None
    ttl = mark.get("ttl")
    return CacheMark(ttl=ttl if is_text(ttl) else "")


def _held(part: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    held = part.get(name)
    if not is_object(held):
        raise _wrong(f"{where}.{name}", "an object")
    return held


def _text(holder: dict[str, Any], name: str, where: str) -> str:
    value = holder.get(name)
    if value is not None and not is_text(value):
        raise _wrong(f"{where}.{name}", "a string")
    return value or ""


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)
