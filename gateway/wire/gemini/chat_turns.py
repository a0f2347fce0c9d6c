"""The contents of a request, read into turns."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.chat import Media, Part, Role, Text, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.wire.gemini.chat_pieces import read_blob, read_part, text_of
from gateway.wire.gemini.parts import is_part
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.shapes import is_object, is_text

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user", "tool": "user", "system": "system"}
# What tools commonly call the one thing that they give back; an error, in the last two.
_PLAIN = ("result", "output", "content", "error")
_ERROR = "error"


def read_system(instruction: Any) -> tuple[Turn, ...]:
    """Read the system instruction: a content, or a text."""
    if instruction is None:
        return ()
    if is_text(instruction):
        return (Turn(role="system", parts=(Text(text=instruction),)),)
    if not is_object(instruction):
        raise _wrong("systemInstruction", "an object")
    return (Turn(role="system", parts=_parts(instruction, "systemInstruction")),)


def read_turns(contents: Any) -> tuple[Turn, ...]:
    """Read the contents.

    Raises:
        MalformedRequest: They cannot be understood, naming the field.
    """
    if is_text(contents):
        return (Turn(role="user", parts=(Text(text=contents),)),)
    return tuple(_turn(content, f"contents[{at}]") for at, content in enumerate(listed(contents)))


def _turn(content: Any, where: str) -> Turn:
    role = content.get("role", "user") if is_object(content) else None
    if not is_text(role) or role not in _ROLES:
        raise _wrong(f"{where}.role", "one of " + ", ".join(_ROLES))
    parts = _parts(content, where)
    if parts and all(isinstance(part, ToolResult) for part in parts):
        return Turn(role="tool", parts=parts)
    return Turn(role=_ROLES[role], parts=parts)


def _parts(content: dict[str, Any], where: str) -> tuple[Part, ...]:
    found: list[Part] = []
    for at, part in enumerate(listed(read(content, "parts"))):
        here = f"{where}.parts[{at}]"
        if not is_object(part):
            raise _wrong(here, "an object")
        if is_part(part, "functionResponse"):
            found.append(_result(read(part, "functionResponse"), here))
        else:
            _check(part, here)
            found += read_part(part)
    return tuple(found)


def _check(part: dict[str, Any], where: str) -> None:
    text = part.get("text")
    if text is not None and not is_text(text):
        raise _wrong(f"{where}.text", "a string")
    call = read(part, "functionCall")
    if call is not None and not (is_object(call) and text_of(call, "name")):
        raise _wrong(f"{where}.functionCall", "an object that names a function")


def _result(response: Any, where: str) -> ToolResult:
    name = text_of(response, "name") if is_object(response) else ""
    if not name:
        raise _wrong(f"{where}.functionResponse", "an object that names a function")
    document = read(response, "response")
    parts: list[Text | Media] = []
    plain = _plain(document)
    media = [read_blob(blob) for part in listed(read(response, "parts")) if is_object(blob := read(part, "inlineData"))]
    if plain is not None:
        parts.append(Text(text=plain))
    elif media and document:
        parts.append(Text(text=orjson.dumps(document).decode()))
    failed = is_object(document) and document.keys() == {_ERROR}
    return ToolResult(
        call_id=text_of(response, "id"),
        name=name,
        parts=(*parts, *media),
        is_error=failed,
        document=document,
    )


def _plain(document: Any) -> str | None:
    """The text of a result that is nothing but a text."""
    if not is_object(document) or len(document) != 1:
        return None
    ((name, value),) = document.items()
    return value if name in _PLAIN and is_text(value) else None


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)
