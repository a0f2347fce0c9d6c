"""A stream of unknown shape under response rules: held back whole, inspected, then let through or not at all.

Nobody knows which fields of such a stream go on from event to event, so nothing can be edited in it and no prefix of it
can be called decided. What can be done: put together whatever could belong together, and look at all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import Blocked, InvalidAnswer
from gateway.core.ports import Channel, StreamMark, TextScreen
from gateway.wire.grammar import is_media
from gateway.wire.passthrough.stream import PassThroughReader
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

MAX_HELD_BYTES = 8 << 20
# A rule that edits where nothing can be edited, and does not say its name.
UNNAMED_RULE = "response-rule"
# What tells two texts apart that stand under the same names.
_DISCRIMINATORS = ("index", "output_index", "content_index", "summary_index", "item_id")

_Steps = tuple[str, ...]
_Place = tuple[str, _Steps, _Steps | None]

# Comments, unknown fields, and what is no event at all.
_LINES: _Place = ("", (), None)


class ScreenedReader:
    """Holds a stream back until it is whole and its text was found clean.

    Attributes:
        facts, done, kept: See :class:`gateway.core.ports.StreamReader`.
        rule: The rule that stopped the stream, else empty.
    """

    __slots__ = ("_held", "_reader", "_screen", "_size", "_splitter", "_texts", "done", "facts", "kept", "rule")

    def __init__(self, screen: TextScreen) -> None:
        self.done = False
        self.kept: list[bytes] = []
        self.rule = ""
        self._screen = screen
        self._held: list[bytes] = []
        self._size = 0
        self._reader = PassThroughReader()
        self.facts = self._reader.facts
        self._splitter = EventSplitter(max_event_bytes=MAX_HELD_BYTES)
        self._texts = _Texts()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; none leave before the end.

        Raises:
            InvalidAnswer: The stream is larger than what may be held back.
        """
        self._size += len(data)
        if self._size > MAX_HELD_BYTES:
            raise InvalidAnswer(f"A stream that must be inspected whole is larger than {MAX_HELD_BYTES} bytes.")
        self._held.append(self._reader.feed(data))
        for event in self._splitter.feed(data):
            self._texts.add_event(event)
        return b""

    def finish(self) -> bytes:
        """Inspect all text and let the whole stream go.

        Raises:
            Blocked: A rule ends the stream, or would have edited it.
        """
        self._reader.finish()
        rest = self._splitter.rest()
        if rest:
            self._texts.add_event(rest)
        for number, text in enumerate(self._texts):
            self._inspect((0, f"leaf/{number}"), text)
        self.kept = self._reader.kept
        held, self._held = self._held, []
        return b"".join(held)

    def mark(self) -> StreamMark:
        """Return this moment: see :meth:`gateway.core.ports.StreamReader.mark`."""
        return 0, len(self.kept)

    def rewind(self, mark: StreamMark) -> None:
        """Forget what came after a moment: see :meth:`gateway.core.ports.StreamReader.rewind`."""
        del self.kept[mark[1] :]

    def _inspect(self, channel: Channel, text: str) -> None:
        try:
            released = self._screen.feed(channel, text) + self._screen.finish(channel)
        except Blocked as blocked:
            self._drop(blocked.rule)
            raise
        if released != text:
            self._drop(_rule(self._screen))
            raise Blocked(self.rule)

    def _drop(self, rule: str) -> None:
        self.rule = rule
        self._held.clear()


class _Texts:
    """Texts of a stream, put together across its events in every way in which they may belong together.

    Strings at the same place of events of the same type are one text, once whatever their indexes say and once by
    them: the first way sees a secret that changes its index on the way, the second one that another text interrupts.
    """

    __slots__ = ("_joined", "_once")

    def __init__(self) -> None:
        self._joined: dict[_Place, list[str]] = {}
        # Keys and names of events: said often, looked at once.
        self._once: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        """Give each text once."""
        texts = dict.fromkeys("".join(parts) for parts in self._joined.values())
        if self._once:
            texts["\n".join(self._once)] = None
        return iter([text for text in texts if text])

    def add_event(self, raw: bytes) -> None:
        """Take one event, its comments included, or bytes that are no event."""
        for line in raw.splitlines():
            if line.startswith(b"event:"):
                self._once[line.decode("utf-8", "replace")] = None
            elif line and not line.startswith(b"data:"):
                self._join(_LINES, line.decode("utf-8", "replace") + "\n")
        event = parse_event(raw)
        if event is None:
            return
        try:
            document = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            self._join((event.name.decode("utf-8", "replace"), ("data",), None), event.data.decode("utf-8", "replace"))
            return
        kind = document.get("type") if is_object(document) else None
        self._add_document(kind if is_text(kind) else event.name.decode("utf-8", "replace"), document)

    def _add_document(self, kind: str, document: Any) -> None:
        stack: list[tuple[_Steps, _Steps, Any]] = [((), (), document)]
        while stack:
            names, marks, value = stack.pop()
            if is_text(value):
                if not is_media(value):
                    self._join((kind, names, None), value)
                    self._join((kind, names, marks), value)
            elif is_object(value):
                marks = (*marks, *_marks(value))
                self._once.update(dict.fromkeys(value))
                stack += [((*names, key), marks, item) for key, item in reversed(value.items())]
            elif is_array(value):
                stack += [
                    (names, marks if _marks(value[at]) else (*marks, str(at)), value[at])
                    for at in range(len(value) - 1, -1, -1)
                ]

    def _join(self, place: _Place, text: str) -> None:
        self._joined.setdefault(place, []).append(text)


def _marks(value: Any) -> list[str]:
    if not is_object(value):
        return []
    return [str(mark) for name in _DISCRIMINATORS if is_integer(mark := value.get(name)) or is_text(mark)]


def _rule(screen: TextScreen) -> str:
    """The rule that wanted to edit: the last one that said so, where the screen keeps count."""
    rule = getattr(screen, "rule", "")
    events = getattr(screen, "events", ())
    return rule or (events[-1].rule if events else UNNAMED_RULE)
