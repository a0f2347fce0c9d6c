"""Segments: every piece of text in a request or an answer, with the way to it, and edits on them.

Guards see segments and answer with spans; dialects and :func:`replace_leaves` put the edits back. A JSON document is
never changed in place: the same request may be sent several times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any, Literal, cast

import msgspec
import orjson

Kind = Literal[
    "text",
    "reasoning",
    "refusal",
    "tool_name",
    "tool_argument",
    "tool_result",
    "tool_description",
    "file_name",
    "json_key",
    "url",
    "leaf",
    "header",
    # Base64: read by what reads images, and by nobody else.
    "image",
]
Direction = Literal["request", "response"]
# Keys and indexes from the document's root. A trailing KEY marks the key itself instead of its value.
Path = tuple[str | int, ...]
KEY = -1


class Segment(msgspec.Struct, frozen=True):
    """One piece of text.

    Attributes:
        path: Keys and indexes from the root of the JSON document.
        role: Who wrote it: system, developer, user, assistant, tool; empty where nobody says.
        kind: What it is.
        text: The text itself.
        encoded: The text is itself a JSON document (tool arguments): edits must keep it valid.
        tool: The tool that a result came from, or that arguments are for; empty elsewhere.
        inline: The document holds this JSON as itself: ``text`` is how it is written, and an edit is read again.
        sealed: A signature covers the text: who would edit it turns the call back instead.
    """

    path: Path
    role: str
    kind: Kind
    text: str
    encoded: bool = False
    tool: str = ""
    inline: bool = False
    sealed: bool = False

    def revised(self, text: str) -> Any:
        """Give what stands in the document when this is the text."""
        return orjson.loads(text) if self.inline else text


class Span(msgspec.Struct, frozen=True):
    """A stretch ``[start, end)`` of a segment's text, in code points, to be replaced."""

    start: int
    end: int
    replacement: str
    rule: str


def pointer(path: Path) -> str:
    """Show a path as people write it: ``messages[0].content``."""
    shown = ""
    for step in path:
        if isinstance(step, str):
            shown += f".{step}" if shown else step
        elif step == KEY:
            shown += "{key}"
        else:
            shown += f"[{step}]"
    return shown


def apply_spans(text: str, spans: list[Span]) -> str:
    """Replace stretches of a text.

    Args:
        text: The original.
        spans: Stretches inside it; overlapping ones are merged, the earliest one's replacement wins.
    """
    parts: list[str] = []
    at = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= at:
            parts += (text[at : span.start], span.replacement)
        at = max(at, span.end)
    parts.append(text[at:])
    return "".join(parts)


def walk_leaves(document: Any, path: Path = (), *, role: str = "", kind: Kind = "leaf") -> Iterator[Segment]:
    """Yield every string in a JSON document, keys and numbers as text included, in document order.

    Iterative: a document of any depth costs no Python stack.
    """
    stack: list[tuple[Path, Any]] = [(path, document)]
    while stack:
        here, value = stack.pop()
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            stack.extend(((*here, key), items[key]) for key in reversed(items))
            yield from (Segment((*here, key, KEY), role, "json_key", key) for key in items if key)
        elif isinstance(value, list):
            parts = cast("list[Any]", value)
            stack.extend(((*here, index), parts[index]) for index in range(len(parts) - 1, -1, -1))
        elif (text := _leaf(value)) is not None:
            yield Segment(here, role, kind, text)


def _leaf(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def replace_leaves(document: Any, edits: Mapping[Path, Any]) -> Any:
    """Return a copy of a JSON document with some leaves replaced; what is not on an edited path is shared.

    Iterative, as :func:`walk_leaves`.

    Args:
        document: Parsed JSON. Not changed.
        edits: New text by path, or what else stands there. A path that ends in :data:`KEY` renames that key.
    """
    if not edits:
        return document
    if () in edits:
        return edits[()]
    copied: dict[Path, Any] = {(): copy(document)}

    def own(path: Path) -> Any:
        depth = len(path)
        while path[:depth] not in copied:
            depth -= 1
        here = copied[path[:depth]]
        for at in range(depth, len(path)):
            inner = copy(here[path[at]])
            here[path[at]] = copied[path[: at + 1]] = inner
            here = inner
        return here

    renames: list[tuple[Path, str]] = []
    for path, text in edits.items():
        if path[-1] == KEY:
            renames.append((path[:-1], text))
        else:
            own(path[:-1])[path[-1]] = text
    # Deepest first, so that a renamed parent does not hide its children.
    for path, name in sorted(renames, key=lambda item: -len(item[0])):
        holder = own(path[:-1])
        items = [(name if key == path[-1] else key, value) for key, value in holder.items()]
        holder.clear()
        holder.update(items)
    return copied[()]


def without_paths(document: Any, paths: Iterable[Path]) -> Any:
    """Copy a document without some list members and fields; what is not there is left out of account.

    A list of which nothing is left is taken out of the object that holds it: providers refuse empty ones.
    """
    for path in sorted(paths, key=lambda path: [(0, step) if isinstance(step, int) else (1, step) for step in path])[
        ::-1
    ]:
        document = _without(document, path)
    return document


def _without(value: Any, path: Path) -> Any:
    step: Any = path[0]
    left: Any = value
    if isinstance(value, dict):
        held = cast("dict[Any, Any]", value)
        if step in held:
            rest = _without(held[step], path[1:]) if len(path) > 1 else None
            if len(path) == 1 or (rest == [] and held[step] != []):
                left = {name: item for name, item in held.items() if name != step}
            else:
                left = {**held, step: rest}
    elif isinstance(value, list) and isinstance(step, int):
        items = cast("list[Any]", value)
        if 0 <= step < len(items):
            inner: list[Any] = [] if len(path) == 1 else [_without(items[step], path[1:])]
            left = items[:step] + inner + items[step + 1 :]
    return left
