"""The fields of one event under response guards: the protocol's own, what is said whole, and what nobody knows."""

from __future__ import annotations

from typing import Any

from gateway.core.segments import Segment, walk_leaves
from gateway.wire.grammar import Found, Rule
from gateway.wire.openai_responses.answer import strip_repeats
from gateway.wire.openai_responses.items import is_made_up, part, thought
from gateway.wire.openai_responses.logprobs import without_logprobs
from gateway.wire.repeated_texts import Texts
from gateway.wire.shapes import is_integer, is_object, is_text

INDEXES = ("content_index", "summary_index", "command_index")
# The protocol's own words and numbers around a text.
PROTOCOL = frozenset((
    "type", "sequence_number", "output_index", "item_id", "obfuscation", "annotation_index", "partial_image_index",
    *INDEXES,
))  # fmt: skip
# Fields of events that say something whole.
_SAID = frozenset(("text", "refusal", "arguments", "input", "code", "command", "name", "logprobs", "output", "status"))
_THOUGHTS = frozenset(("summary_text", "reasoning_text"))


class Fields:
    """Screens the fields of events.

    Args:
        texts: Of the stream.
    """

    __slots__ = ("_texts",)

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def protocol(self, document: dict[str, Any]) -> dict[str, Any]:
        """Make sure that the protocol's own fields, which are not looked at as text any more, hold none."""
        edits: dict[str, Any] = {}
        for name in PROTOCOL:
            value = document.get(name)
            if value is None or value.__class__ is int or name == "obfuscation":
                continue
            number = item_number(document)
            if is_text(value):
                shown: Any = value if is_made_up(value) else self._texts.once(number, "leaf", value)
            else:
                shown, _ = self._texts.document(number, value, leaves_of(value))
            if shown != value:
                edits[name] = shown
        return {**document, **edits} if edits else document

    def around(self, number: int, document: dict[str, Any], *known: str) -> dict[str, Any]:
        """Screen the fields of an event that are neither the protocol's nor these."""
        if document.keys() - PROTOCOL <= {*known, "logprobs"}:
            return document
        unknown = {name: value for name, value in document.items() if name not in PROTOCOL.union(known)}
        unknown.pop("logprobs", None)
        shown, edited = self._texts.document(number, unknown, leaves_of(unknown))
        if not edited:
            return document
        return {name: value for name, value in document.items() if name not in unknown} | shown

    def below(self, number: int, document: dict[str, Any], name: str, rule: Rule) -> dict[str, Any]:
        """Screen an event whose field of this name holds a document that follows a rule."""
        document = self.around(number, document, name)
        value = document.get(name)
        found: Found = []
        rule((), "assistant", value, found)
        shown, edited = self._texts.document(number, value, found)
        if not edited:
            return document
        return {**document, name: _stripped(shown, edited)}

    def part(self, number: int, document: dict[str, Any]) -> dict[str, Any]:
        """Screen an event about a part of an item."""
        said = document.get("part")
        meant = said.get("type") if is_object(said) else ""
        thinks = is_text(meant) and meant in _THOUGHTS
        left = self.below(number, document, "part", thought if thinks else part)
        said = left.get("part")
        if not is_object(said):
            return left
        honest = without_logprobs(said, str(said.get("text")), touched=False)
        return left if honest is said else {**left, "part": honest}

    def said(self, number: int, document: dict[str, Any], kind: str, tool: str) -> dict[str, Any]:
        """Screen an event that says a text whole, or of which nobody knows what it says.

        Args:
            number: Of the item that it is about.
            document: The event.
            kind: What its texts are.
            tool: Whose arguments they are.
        """
        edits: dict[str, Any] = {}
        for name, value in document.items():
            if name in PROTOCOL or name == "logprobs":
                continue
            if is_text(value):
                shown: Any = self._texts.once(number, kind, value, tool)
            else:
                shown, _ = self._texts.document(number, value, leaves_of(value))
            if shown != value:
                edits[name] = shown
        names = document.keys() - PROTOCOL
        if not names <= _SAID and (odd := self._renamed(number, names)):
            return {name: value for name, value in {**document, **edits}.items() if name not in odd}
        if not edits:
            return without_logprobs(document, str(document.get("text")), touched=False)
        return {**document, **edits, **({"logprobs": []} if document.get("logprobs") else {})}

    def _renamed(self, number: int, names: set[str]) -> set[str]:
        """Fields whose very name a rule would edit."""
        return {name for name in names - _SAID if self._texts.once(number, "leaf", name) != name}


def item_number(document: dict[str, Any]) -> int:
    """The number of the item that an event is about; 0 when it does not say."""
    number = document.get("output_index")
    return number if is_integer(number) else 0


def leaves_of(value: Any) -> list[Segment]:
    """Every leaf of a structure nobody knows."""
    return list(walk_leaves(value))


def _stripped(value: Any, edited: set[Any]) -> Any:
    if is_object(value) and value.get("logprobs") and any(len(path) == 1 for path in edited):
        return {**value, "logprobs": []}
    inner = strip_repeats({"output": [value]}, {("output", 0, *path) for path in edited})
    return inner["output"][0]
