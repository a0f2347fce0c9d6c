"""Calls of tools as blocks of a message: their arguments as objects, their ids, and which tool a text belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from gateway.core.errors import MalformedRequest
from gateway.core.segments import Path
from gateway.wire.grammar import Found
from gateway.wire.shapes import is_array, is_object, is_text
from gateway.wire.strict_json import parse_body

# Reasons why an answer ended whose last call may be half of one.
CUT = frozenset({"length", "context", "content_filter", "error", "refusal"})
_OF_TOOLS = frozenset({"tool_argument", "tool_result"})
# Given a block: the id and the name of the call that it is, as they stand there.
Call = Callable[[dict[str, Any]], tuple[Any, Any]]


class OpenCall:
    """A call of a stream that is written: it has begun, and its block is open.

    Args:
        index: Of the block.
        name: Of the tool.
        custom: It takes free text.
    """

    __slots__ = ("custom", "index", "name", "pieces")

    def __init__(self, index: int, name: str, *, custom: bool) -> None:
        self.index = index
        self.name = name
        self.custom = custom
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """Its arguments so far."""
        return "".join(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether nothing more can come."""
        return not self.custom and bool(self.pieces) and arguments_object(self.text) is not None


def call_id(identity: str, call: int) -> str:
    """Give a call its id: the provider's, or one by its position."""
    return identity or f"call_{call}"


def arguments_object(text: str) -> dict[str, Any] | None:
    """Read the arguments of a call strictly; ``None`` when they are no JSON object."""
    if not text.strip():
        return {}
    try:
        document = parse_body(text.encode())
    except (MalformedRequest, UnicodeEncodeError):
        return None
    return document if is_object(document) else None


def arguments_text(value: Any) -> str:
    """Write the input of a call as the text that other dialects hold it in."""
    return orjson.dumps(value).decode()


def name_tools(document: Any, messages: Any, found: Found, *, refers: str, call: Call) -> None:
    """Fill in the tool of every segment that has one.

    Args:
        document: A request or an answer.
        messages: A list of the messages in it.
        found: Its segments; those of tools are replaced.
        refers: The field by which a result names its call.
        call: Reads a block that is a call.
    """
    called: dict[str, str] | None = None
    for at, segment in enumerate(found):
        if segment.kind not in _OF_TOOLS:
            continue
        tool = ""
        if segment.kind == "tool_argument":
            tool = _holder(document, segment.path, "name")
        elif identity := _holder(document, segment.path, refers):
            called = _called(messages, call) if called is None else called
            tool = called.get(identity, "")
        if tool:
            found[at] = msgspec.structs.replace(segment, tool=tool)


def _holder(document: Any, path: Path, name: str) -> str:
    """The innermost value of a name in what holds a path."""
    found = ""
    here = document
    for step in path[:-1]:
        here = _at(here, step)
        if is_object(here) and is_text(value := here.get(name)):
            found = value
    return found


def _at(holder: Any, step: str | int) -> Any:
    return holder[step]


def _called(messages: Any, call: Call) -> dict[str, str]:
    """Names of tools by the ids of their calls."""
    names: dict[str, str] = {}
    for message in messages if is_array(messages) else ():
        content = message.get("content") if is_object(message) else None
        for block in content if is_array(content) else ():
            identity, name = call(block) if is_object(block) else (None, None)
            if is_text(identity) and is_text(name):
                names[identity] = name
    return names
