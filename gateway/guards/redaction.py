"""Writes a text anew where something was found, whole or piece by piece with the same result.

Matches that overlap share one place. The strongest edit among them wins it (redact, then mask, then rewrite), the first
of several that are as strong. A redaction's marker leaves at once; the other edits depend on all that shares their
place, so they wait until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from gateway.guards.cover import Cluster, Cover
from gateway.guards.vault import Masks

# A value that is longer is redacted where it was to be masked or rewritten: it is waited for no longer.
MAX_WAITED_CHARS = 1_024


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a finding.

    Attributes:
        action: What is done.
        remove: A rewrite leaves nothing, instead of what the detector offers.
        restore_in: Kinds of text in which a masked value comes back.
    """

    action: Literal["rewrite", "mask", "redact"]
    remove: bool = False
    restore_in: tuple[str, ...] = ()

    @property
    def strength(self) -> int:
        """Its place among the actions."""
        return _STRENGTH[self.action]

    def replace(self, label: str, value: str, offer: str | None, masks: Masks) -> str:
        """Return what stands in a value's place.

        Args:
            label: Its type.
            value: The value.
            offer: What the detector offers in its place.
            masks: Take what is masked.
        """
        if self.action == "mask" and len(value) <= MAX_WAITED_CHARS:
            return masks.put(label, value, self.restore_in)
        if self.action == "rewrite":
            if self.remove:
                return ""
            if offer is not None:
                return offer
        return f"[{label}]"


_STRENGTH = {"rewrite": 0, "mask": 1, "redact": 2}
REDACT = Edit(action="redact")
Edits = Mapping[int, Edit]


class _Place(Cluster):
    """Matches that overlap, and the edit that has won their place."""

    __slots__ = ("edit", "winner", "written")

    def __init__(self, cover: Cover, edit: Edit) -> None:
        super().__init__(cover)
        self.edit = edit
        self.winner = cover.mark
        self.written = False

    def join(self, cover: Cover, edit: Edit) -> bool:
        """Add a match that begins inside; say no when it begins behind."""
        if not self.takes(cover):
            return False
        if edit.strength > self.edit.strength and not self.written:
            self.edit, self.winner = edit, cover.mark
        return True

    def settle(self, seen: int) -> None:
        """Give up waiting for the end of what is too long, once all that begins before ``seen`` is known."""
        last = self.start + MAX_WAITED_CHARS
        if seen > last and self.end > last and self.edit.action != "redact":
            self.edit = REDACT

    def write(self, text: str, base: int, masks: Masks) -> str:
        """Return what stands in this place."""
        self.written = True
        mark = self.winner
        value = text[self.start - base : self.end - base] if self.edit.action == "mask" else ""
        return self.edit.replace(mark.label, value, mark.replacement, masks)


class Redaction:
    """Writes one text anew as it becomes known.

    Args:
        edits: What is done to the findings of each detector, by its number.
        masks: Take what is masked.
    """

    __slots__ = ("_at", "_edits", "_masks", "_place")

    def __init__(self, edits: Edits, masks: Masks) -> None:
        self._edits = edits
        self._masks = masks
        # The place that was begun last, while something may still be added to it.
        self._place: _Place | None = None
        self._at = 0

    @property
    def busy(self) -> bool:
        """Whether something found earlier reaches beyond what has been decided."""
        return self._place is not None

    @property
    def needs(self) -> int | None:
        """First character of the whole text that is still needed to write on; ``None`` when it is what is decided."""
        place = self._place
        return place.start if place is not None and not place.written else None

    def skip(self, at: int) -> None:
        """Everything before this character of the whole text has been written as it is."""
        self._at = at

    def write(self, text: str, base: int, covers: Iterable[Cover], decided: int) -> str:
        """Write on.

        Args:
            text: What is at hand; its first character is number ``base`` of the whole text.
            base: As said.
            covers: The matches that begin before ``decided`` and were not given before, in order, edited ones only.
            decided: No other match begins before this character of the whole text.

        Returns:
            The next piece of the text as it becomes.
        """
        parts: list[str] = []
        place = self._place
        if place is not None:
            place.refresh()
        for cover in covers:
            edit = self._edits[cover.mark.number]
            if place is not None:
                place.settle(cover.start)
                if place.join(cover, edit):
                    continue
                self._close(place, parts, text, base)
            parts.append(text[self._at - base : cover.start - base])
            self._at = cover.start
            place = _Place(cover, edit)
        if place is not None:
            growing = place.refresh()
            place.settle(decided)
            if not growing and place.end <= decided:
                self._close(place, parts, text, base)
                place = None
            elif place.edit.action == "redact":
                self._close(place, parts, text, base)
        self._place = place
        if place is None and self._at < decided:
            parts.append(text[self._at - base : decided - base])
            self._at = decided
        return "".join(parts)

    def _close(self, place: _Place, parts: list[str], text: str, base: int) -> None:
        if not place.written:
            parts.append(place.write(text, base, self._masks))
        self._at = max(self._at, place.end)


def redact(text: str, covers: Iterable[Cover], edits: Edits, masks: Masks | None = None) -> str:
    """Edit a text that is whole; the matches come in order, those without an edit are passed over."""
    meant = [cover for cover in covers if cover.mark.number in edits]
    return Redaction(edits, masks or Masks()).write(text, 0, meant, len(text))
