"""Text in documents of unknown shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.segments import KEY, Path, Segment
from gateway.wire.grammar import is_media
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

# Under these names providers put what a model wrote.
_SPOKEN = frozenset(
    (
        "text",
        "content",
        "refusal",
        "arguments",
        "reasoning",
        "reasoning_content",
        "output_text",
        "thinking",
        "transcript",
    )
)
_REPEATS = "logprobs"


def segments(document: Any) -> Iterator[Segment]:
    """Yield every string, number and key in document order; what is below an object with a ``role`` has that role.

    Base64 data URLs of anything that is not text are media and left out. Iterative: depth costs no stack.
    """
    stack: list[tuple[Path, str, Any]] = [((), "", document)]
    while stack:
        path, role, value = stack.pop()
        if is_text(value):
            if value and not is_media(value):
                yield Segment(path, role, "leaf", value)
        elif is_object(value):
            speaker = value.get("role")
            if is_text(speaker):
                role = speaker
            for key in value:
                if key:
                    yield Segment((*path, key, KEY), role, "json_key", key)
            stack += [((*path, key), role, item) for key, item in reversed(value.items())]
        elif is_array(value):
            stack += [((*path, index), role, value[index]) for index in range(len(value) - 1, -1, -1)]
        elif is_integer(value) or isinstance(value, float):
            yield Segment(path, role, "leaf", repr(value))


def spoken(document: Any) -> str:
    """Join what a model wrote, as far as names tell; good enough to estimate tokens."""
    parts: list[str] = []
    stack: list[Any] = [document]
    while stack:
        value = stack.pop()
        if is_object(value):
            # Texts take their turn on the stack as well, so that the order is the document's.
            stack += [item for key, item in reversed(value.items()) if key in _SPOKEN or not is_text(item)]
        elif is_array(value):
            stack += [item for item in reversed(value) if not is_text(item)]
        elif is_text(value):
            parts.append(value)
    return "".join(parts)


def without_logprobs(document: Any) -> Any:
    """Copy a document without its ``logprobs``, which spell out the text again, token by token."""
    root: list[Any] = [document]
    stack: list[Any] = [root]
    while stack:
        # A holder is a copy of ours whose items are still the document's own.
        holder = stack.pop()
        slots: list[Any] = list(holder) if is_object(holder) else list(range(len(holder)))
        for slot in slots:
            copy = _shallow_copy(holder[slot])
            if copy is not None:
                holder[slot] = copy
                stack.append(copy)
    return root[0]


def _shallow_copy(value: Any) -> Any:
    if is_object(value):
        return {key: item for key, item in value.items() if key != _REPEATS}
    return list(value) if is_array(value) else None
