"""Puts masked values back where a reader, and nobody else, will see them.

A value comes back only in the kinds of text that its mask allows, never where it would be sent to somebody else
(:mod:`gateway.guards.places`), and only for the call that masked it: a placeholder that this call did not make stays as
it is. Restored text is not screened again. In a stream, text is held back only as long as its end may still become a
placeholder; at every instant what left is a prefix of what the whole becomes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import orjson

from gateway.core.ports import Channel, Dialect, StreamVerdicts
from gateway.core.record import GuardEvent
from gateway.core.segments import Path, Segment, replace_leaves
from gateway.core.verdict import Action, Masked
from gateway.guards.places import Places
from gateway.guards.vault import PLACEHOLDER

# A placeholder that is not whole yet, at the end of a text.
_BEGUN = re.compile(r"\[(?:[A-Z][A-Z0-9_]{0,38}(?::[a-z2-7]{0,4})?)?\Z")
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_OF_TOOL = "tool_args:"
# Channels of text that its maker signs when it is whole.
_SIGNED = "reasoning/signed"
Values = Mapping[str, Masked]


def allowed(masked: Masked, kind: str, tool: str) -> bool:
    """Whether a value may come back in a kind of text."""
    wanted = {"text": "assistant_text", "reasoning": "reasoning"}.get(kind, "")
    if wanted:
        return wanted in masked.restore_in
    return kind == "tool_argument" and any(
        each.startswith(_OF_TOOL) and fnmatchcase(tool, each[len(_OF_TOOL) :]) for each in masked.restore_in
    )


class Restorer:
    """Restores one text as it becomes known.

    Args:
        values: What may come back in it.
        plain: It is neither markdown nor HTML.
    """

    __slots__ = ("_places", "_rest", "_values")

    def __init__(self, values: Values, *, plain: bool = False) -> None:
        self._values = values
        self._places = Places(plain=plain)
        self._rest = ""

    def feed(self, text: str) -> str:
        """Take more text and return what may leave."""
        text = self._rest + text
        begun = _BEGUN.search(text, max(0, len(text) - 48))
        stop = begun.start() if begun else len(text)
        self._rest = text[stop:]
        return self._write(text[:stop])

    def finish(self) -> str:
        """Take the end of the text and return the rest."""
        text, self._rest = self._rest, ""
        return self._write(text)

    def _write(self, text: str) -> str:
        if "[" not in text:
            self._places.add(text)
            return text
        parts: list[str] = []
        at = 0
        for found in PLACEHOLDER.finditer(text):
            masked = self._values.get(found.group())
            self._places.add(text[at : found.start()])
            parts.append(text[at : found.start()])
            at = found.end()
            if masked is None or self._places.leads_away():
                parts.append(found.group())
            else:
                parts.append(masked.value)
        self._places.add(text[at:])
        parts.append(text[at:])
        return "".join(parts)


def restore(text: str, values: Values, *, plain: bool = False) -> str:
    """Restore a text that is whole."""
    if "[" not in text:
        return text
    restorer = Restorer(values, plain=plain)
    return restorer.feed(text) + restorer.finish()


def restore_json(text: str, values: Values) -> str:
    """Restore the strings of a JSON text, which stays one; what is no JSON is restored as text."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return restore(text, values, plain=True)

    def string(found: re.Match[str]) -> str:
        token = found.group()
        if "[" not in token and "\\u005" not in token:
            return token
        inner: str = orjson.loads(token)
        restored = restore(inner, values, plain=True)
        return token if restored == inner else orjson.dumps(restored).decode()

    return _STRING.sub(string, text)


def restore_document(dialect: Dialect, document: Any, values: Values) -> Any:
    """Restore the texts of a whole answer; the same object when nothing comes back, else a copy."""
    edits: dict[Path, Any] = {}
    for segment in dialect.answer_segments(document):
        restored = _restored(segment, values)
        if restored != segment.text:
            edits[segment.path] = segment.revised(restored)
    return dialect.strip_repeats(replace_leaves(document, edits), set(edits)) if edits else document


def _restored(segment: Segment, values: Values) -> str:
    maybe = not segment.sealed and ("[" in segment.text or segment.encoded)
    mine = _allowed(values, segment.kind, segment.tool) if maybe else {}
    if not mine:
        return segment.text
    if segment.encoded:
        return restore_json(segment.text, mine)
    return restore(segment.text, mine, plain=segment.kind == "tool_argument")


def _allowed(values: Values, kind: str, tool: str) -> dict[str, Masked]:
    return {name: masked for name, masked in values.items() if allowed(masked, kind, tool)}


class RestoringScreen:
    """Restores what another screen releases; a :class:`gateway.core.ports.StreamVerdicts`.

    Args:
        screen: Screens first; ``None`` when no rule does.
        values: What may come back.
    """

    __slots__ = ("_held", "_restorers", "_screen", "_values", "events", "released")

    def __init__(self, screen: StreamVerdicts | None, values: Values) -> None:
        self._screen = screen
        self._values = values
        self._restorers: dict[Channel, Restorer | None] = {}
        # Tool arguments are JSON: restored when they are whole.
        self._held: dict[Channel, list[str]] = {}
        self.released = 0
        self.events: list[GuardEvent] = screen.events if screen is not None else []

    @property
    def action(self) -> Action:
        """The strongest action that the other screen has taken."""
        return self._screen.action if self._screen is not None else "allow"

    @property
    def taint(self) -> bool:
        """Whether a rule of the other screen taints the session."""
        return self._screen is not None and self._screen.taint

    @property
    def coverage(self) -> float:
        """What the other screen could judge."""
        return self._screen.coverage if self._screen is not None else 1.0

    def feed(self, channel: Channel, text: str) -> str:
        """Take more text of a channel and return what may be released now."""
        if self._screen is not None:
            text = self._screen.feed(channel, text)
        return self._count(self._restore(channel, text))

    def finish(self, channel: Channel) -> str:
        """The channel's text is whole: return the rest of it."""
        text = self._screen.finish(channel) if self._screen is not None else ""
        out = self._restore(channel, text)
        held = self._held.pop(channel, None)
        if held is not None:
            values = _allowed(self._values, "tool_argument", _tool(channel))
            out += restore_json("".join(held), values)
        restorer = self._restorers.pop(channel, None)
        if restorer is not None:
            out += restorer.finish()
        return self._count(out)

    def seal(self, channel: Channel) -> None:
        """A signature covers the text of a channel that has ended."""
        if self._screen is not None:
            self._screen.seal(channel)

    def _restore(self, channel: Channel, text: str) -> str:
        if channel in self._held:
            self._held[channel].append(text)
            return ""
        if channel not in self._restorers:
            kind = channel[1].partition("/")[0]
            # Text whose signature is still to come stays as it was signed.
            values = {} if channel[1].startswith(_SIGNED) else _allowed(self._values, kind, _tool(channel))
            if values and kind == "tool_argument":
                self._held[channel] = [text]
                return ""
            self._restorers[channel] = Restorer(values) if values else None
        restorer = self._restorers[channel]
        return restorer.feed(text) if restorer is not None else text

    def _count(self, text: str) -> str:
        self.released += len(text)
        return text


def _tool(channel: Channel) -> str:
    return channel[2] if len(channel) > 2 else ""
