"""Which tool a text of a chat document belongs to: arguments are for one, results come from one."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.segments import Path
from gateway.wire.grammar import Found
from gateway.wire.shapes import is_array, is_object, is_text

_OF_TOOLS = frozenset({"tool_argument", "tool_result"})


def name_tools(document: Any, found: Found) -> None:
    """Fill in the tool of every segment that has one.

    Args:
        document: A request or an answer.
        found: Its segments; those of tools are replaced.
    """
    called: dict[str, str] | None = None
    for at, segment in enumerate(found):
        if segment.kind not in _OF_TOOLS:
            continue
        if segment.kind == "tool_argument":
            tool = _named_above(document, segment.path)
        else:
            if called is None:
                called = _called(document)
            tool = _returned_by(document, segment.path, called)
        if tool:
            found[at] = msgspec.structs.replace(segment, tool=tool)


def _named_above(document: Any, path: Path) -> str:
    """The name in the object that holds arguments."""
    name = ""
    here = document
    for step in path[:-1]:
        here = _at(here, step)
        if is_object(here) and is_text(own := here.get("name")):
            name = own
    return name


def _at(holder: Any, step: str | int) -> Any:
    return holder[step]


def _called(document: Any) -> dict[str, str]:
    """Names of tools by the ids of their calls."""
    names: dict[str, str] = {}
    messages = document.get("messages")
    for message in messages if is_array(messages) else ():
        calls = message.get("tool_calls") if is_object(message) else None
        for call in calls if is_array(calls) else ():
            if is_object(call) and is_text(identity := call.get("id")):
                for holder in (call.get("function"), call.get("custom")):
                    if is_object(holder) and is_text(name := holder.get("name")):
                        names[identity] = name
    return names


def _returned_by(document: Any, path: Path, called: dict[str, str]) -> str:
    message = document
    for step in path[:2]:
        message = message[step]
    if not is_object(message):
        return ""
    identity, name = message.get("tool_call_id"), message.get("name")
    if is_text(identity) and identity in called:
        return called[identity]
    return name if is_text(name) else ""
