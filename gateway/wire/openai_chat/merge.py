"""Deltas of a chat stream put together to the message they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.wire.openai_stream import choice_index, chunks_of, envelope_of
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Strings that name something: repeated, not continued.
_NAMES = frozenset({"id", "type", "role", "format"})
MAX_DEPTH = 32


def merge_delta(into: dict[str, Any], delta: dict[str, Any], depth: int = 0) -> None:
    """Add a delta to what was merged so far: texts grow, objects merge, arrays merge by ``index``, the rest is new.

    Args:
        into: Changed in place; shares nothing with ``delta`` afterwards that a later delta would change.
        delta: Not changed.
        depth: How deep in the message; what lies below :data:`MAX_DEPTH` is replaced, not merged.
    """
    for name, value in delta.items():
        known = into.get(name)
        if value is None and known is not None:
            continue
        if is_text(value) and is_text(known) and name not in _NAMES:
            into[name] = known + value
        elif is_object(value) and depth < MAX_DEPTH:
            inner: dict[str, Any] = known if is_object(known) else {}
            merge_delta(inner, value, depth + 1)
            into[name] = inner
        elif is_array(value) and depth < MAX_DEPTH:
            members: list[Any] = known if is_array(known) else []
            _merge_members(members, value, depth + 1)
            into[name] = members
        elif not (name in _NAMES and known and not value):
            into[name] = value


def _merge_members(members: list[Any], delta: list[Any], depth: int) -> None:
    for value in delta:
        number = value.get("index") if is_object(value) else None
        known = _numbered(members, number) if is_integer(number) else None
        if known is None or _is_another(known, value):
            if is_object(value):
                fresh: dict[str, Any] = {}
                merge_delta(fresh, value, depth)
                members.append(fresh)
            else:
                members.append(value)
        else:
            merge_delta(known, value, depth)


def _numbered(members: list[Any], number: int) -> dict[str, Any] | None:
    for member in reversed(members):
        if is_object(member) and member.get("index") == number:
            return member
    return None


def _is_another(known: dict[str, Any], value: dict[str, Any]) -> bool:
    fresh, old = value.get("id"), known.get("id")
    return bool(fresh and old and fresh != old)


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the whole answer they stand for; a cut-off tail is left out."""
    answer: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    texts: dict[tuple[int, str], list[str]] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks_of(kept):
        usage = chunk.get("usage") or usage
        answer = answer or {**envelope_of(chunk), "object": "chat.completion"}
        for choice in _objects(chunk.get("choices")):
            index = choice_index(choice)
            known = choices.setdefault(index, {"index": index, "message": {"role": "assistant"}, "finish_reason": None})
            known["finish_reason"] = choice.get("finish_reason") or known["finish_reason"]
            delta = choice.get("delta")
            if is_object(delta):
                _merge_message(known["message"], delta, index, texts)
    for (index, name), pieces in texts.items():
        _set_text(choices[index]["message"], name, "".join(pieces))
    for choice in choices.values():
        for call in _objects(choice["message"].get("tool_calls")):
            call.pop("index", None)
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return {**answer, "usage": usage} if usage else answer


def as_delta(choice: dict[str, Any]) -> dict[str, Any]:
    """What a chunk holds of a whole choice: its message as one delta, its calls numbered again."""
    message = choice.get("message")
    delta = dict(message) if is_object(message) else {}
    calls = delta.get("tool_calls")
    if is_array(calls):
        delta["tool_calls"] = [{"index": at, **call} if is_object(call) else call for at, call in enumerate(calls)]
    return {"delta": delta}


def _set_text(message: dict[str, Any], name: str, whole: str) -> None:
    parts = message[name]
    if is_array(parts):
        parts.append({"type": "text", "text": whole})
    else:
        message[name] = whole


def _merge_message(
    message: dict[str, Any], delta: dict[str, Any], index: int, texts: dict[tuple[int, str], list[str]]
) -> None:
    rest: dict[str, Any] = {}
    for name, value in delta.items():
        if is_text(value) and name not in _NAMES:
            # Joined once at the end: n deltas cost n.
            texts.setdefault((index, name), []).append(value)
            message.setdefault(name, "")
        else:
            rest[name] = value
    merge_delta(message, rest)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for item in value if is_array(value) else ():
        if is_object(item):
            yield item
