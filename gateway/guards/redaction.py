"""Writes a text anew with markers where something was found, whole or piece by piece with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.guards.matcher import Cluster, Cover


class Redaction:
    """Redacts one text as it becomes known.

    Args:
        marker: Gives what replaces a match of a pattern.
    """

    __slots__ = ("_at", "_marker", "_shade")

    def __init__(self, marker: Callable[[int], str]) -> None:
        self._marker = marker
        # The cluster that was begun last, while something may still be added to it.
        self._shade: Cluster | None = None
        self._at = 0

    @property
    def busy(self) -> bool:
        """Whether something found earlier reaches beyond what has been decided."""
        return self._shade is not None

    def skip(self, at: int) -> None:
        """Everything before this character of the whole text has been written as it is."""
        self._at = at

    def write(self, text: str, base: int, covers: Iterable[Cover], decided: int) -> str:
        """Write on.

        Args:
            text: What is at hand; its first character is number ``base`` of the whole text.
            base: As said.
            covers: The matches that begin before ``decided`` and were not given before, in order.
            decided: No other match begins before this character of the whole text.

        Returns:
            The next piece of the redacted text.
        """
        parts: list[str] = []
        at, shade = self._at, self._shade
        growing = shade.refresh() if shade is not None else False
        for cover in covers:
            if shade is not None and shade.takes(cover):
                continue
            if shade is not None:
                at = max(at, shade.end)
            parts += (text[at - base : cover.start - base], self._marker(cover.rank))
            shade = Cluster(cover)
        if shade is not None:
            growing = shade.refresh()
            at = max(at, shade.end)
            if not growing and shade.end <= decided:
                shade = None
        if not growing and at < decided:
            parts.append(text[at - base : decided - base])
            at = decided
        self._at, self._shade = at, shade
        return "".join(parts)


def redact(text: str, covers: Iterable[Cover], marker: Callable[[int], str]) -> str:
    """Redact a text that is whole; the matches come in order."""
    return Redaction(marker).write(text, 0, covers, len(text))
