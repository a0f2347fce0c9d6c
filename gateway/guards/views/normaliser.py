"""From a text to its views: which ones are worth making, in which order, and when to stop.

A text in plain ASCII that asks for nothing costs one scan and has one view, itself. Otherwise it is folded, what hides
in it is laid open, and what is encoded in it is decoded, each result in the same way again, down to :data:`MAX_DEPTH`
layers. All views together hold about :data:`GROWTH` times the characters of the text at most: work is linear whatever
it says. Where that bound is reached, the result says that it is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from gateway.core.views import FOLDED, RAW, VIEW_NAMES
from gateway.guards.views import encodings, escapes, hidden, letters, turns
from gateway.guards.views.folding import fold, strip_escapes, western
from gateway.guards.views.rewriting import Rewritten
from gateway.guards.views.triggers import Triggers
from gateway.guards.views.view import View

MAX_DEPTH = 2
GROWTH = 12
# Short texts may be as tangled as they like.
_SMALL = 65_536
# One of these is in a text that hides another, or turns it.
_HIDING = frozenset(chr(place) for span in ((0xE0000, 0xE0200), (0xFE00, 0xFE10)) for place in range(*span)) | {
    "\u202e"
}
# What is decoded, and what asks for it.
_DECODERS: tuple[tuple[str, tuple[str, ...], Callable[[View], Rewritten]], ...] = (
    ("escapes", ("escapes",), escapes.escapes),
    ("markup", ("markup",), escapes.markup),
    ("base64", ("run",), encodings.base64),
    ("base32", ("run",), encodings.base32),
    ("hex", ("run", "codes"), encodings.hexadecimal),
    ("codes", ("run", "codes"), encodings.codes),
)


class Views:
    """The views of one text.

    Attributes:
        views: The text as it stands first, unless nobody wants it.
        whole: No bound was reached.
        chars: Characters of all views that were made, the text's own left out.
    """

    __slots__ = ("chars", "views", "whole")

    def __init__(self) -> None:
        self.views: list[View] = []
        self.whole = True
        self.chars = 0

    def __iter__(self) -> Iterator[View]:
        """In the order in which they were made."""
        return iter(self.views)


class Normaliser:
    """Makes views. Belongs to one thread.

    Args:
        names: Which ones; a view of a view is made when both are wanted.
        tight: Spaced and leet texts come as nothing but letters, for expressions without gaps, and not as people write.
    """

    __slots__ = ("_names", "_tight", "_triggers")

    def __init__(self, names: Collection[str] = VIEW_NAMES, *, tight: bool = False) -> None:
        self._names = frozenset(names)
        self._tight = tight
        self._triggers = Triggers()

    def views(self, text: str) -> Views:
        """Return the views of a text."""
        made = Views()
        root = View(RAW, text)
        if RAW in self._names:
            made.views.append(root)
        fired = self._triggers.fire(text.encode()) if text.isascii() else None
        if fired is None or fired:
            _Making(self._names, self._triggers, made, text, tight=self._tight).expand(root, fired)
        return made


class _Making:
    """The views of one text while they are made."""

    __slots__ = ("_limit", "_made", "_names", "_seen", "_tight", "_triggers")

    def __init__(self, names: frozenset[str], triggers: Triggers, made: Views, text: str, *, tight: bool) -> None:
        self._names = names
        self._triggers = triggers
        self._made = made
        self._tight = tight
        self._seen = {(False, text)}
        self._limit = GROWTH * len(text) + _SMALL

    def expand(self, view: View, fired: set[str] | None = None) -> None:
        """Make everything of a view that is not folded.

        Args:
            view: The text.
            fired: Its triggers, when it is plain ASCII and they are known.
        """
        if fired is None and view.text.isascii():
            fired = self._fire(view)
        bare = folded = view
        if fired is None or "controls" in fired:
            bare = strip_escapes(view)
            folded = fold(bare)
            if view.depth < MAX_DEPTH and western(view.text) is None:
                self._unhide(view)
            fired = self._fire(folded)
            if len(folded.text) != len(view.text):
                # What was taken out may have stood between words.
                fired.add("lone")
            if folded is not view and not self._add(folded):
                return
        self._rearrange(bare, folded, fired)
        if view.depth < MAX_DEPTH:
            for name, asking, decode in _DECODERS:
                if name in self._names and not fired.isdisjoint(asking) and not self._full():
                    self._decoded(decode(folded))

    def _fire(self, view: View) -> set[str]:
        return self._triggers.fire(view.text.encode("ascii", "replace"))

    def _unhide(self, view: View) -> None:
        if _HIDING.isdisjoint(view.text):
            return
        for name, reveal in (("tags", hidden.tags), ("variation", hidden.variation), ("bidi", turns.bidi)):
            if name in self._names and not self._full():
                self._again(reveal(view))

    def _rearrange(self, bare: View, folded: View, fired: set[str]) -> None:
        if self._full():
            return
        if "rot13" in fired and "rot13" in self._names:
            self._add(fold(turns.rot13(bare)))
        if "reversed" in fired and "reversed" in self._names:
            self._add(turns.reversed_text(folded))
            self._add(turns.reversed_words(folded))
        leet = not fired.isdisjoint(("leet", "signs")) and "leet" in self._names
        apart = "lone" in fired and "spaced" in self._names
        if self._tight:
            if leet or apart:
                self._add(letters.tight(folded, "leet" if leet else "spaced"))
            if leet and "signs" in fired:
                self._add(letters.tight(folded, "leet", signs=True))
            return
        if leet:
            self._add(letters.leet(folded))
        if apart and (joined := letters.spaced(folded)) is not None:
            self._add(joined)

    def _decoded(self, made: Rewritten) -> None:
        self._made.whole = self._made.whole and made.whole
        self._again(made.view)

    def _again(self, view: View | None) -> None:
        if view is not None and self._add(view):
            self.expand(view)

    def _add(self, view: View) -> bool:
        """Keep a view that says something new; return whether to go on with it."""
        key = (view.tight, view.text)
        if self._full() or key in self._seen:
            return False
        self._made.chars += len(view.text)
        if self._full():
            return False
        self._seen.add(key)
        if view.kind != FOLDED or FOLDED in self._names or view.name != FOLDED:
            self._made.views.append(view)
        return True

    def _full(self) -> bool:
        if self._made.chars > self._limit:
            self._made.whole = False
            return True
        return False
