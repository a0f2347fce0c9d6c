"""Where in the tail of a text a match may still be about to begin.

A stream may release what stands before that place. The question is put to one regular expression that is built from
what :mod:`gateway.core.pattern_width` knows of the active expressions: a trie over the first characters of all of them,
then the characters that may follow, no more of them than the longest match has. It says yes too often rather than too
seldom; a place that it passes over can never become the start of a match, whatever text comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from gateway.core.pattern_width import OTHER, Shape
from gateway.guards.validators import ESCAPE_CHARS, ESCAPED, LOOK_BACK

_END = r"\Z"
_NEVER = "(?!)"


class Opening(msgspec.Struct, frozen=True):
    """How an expression's matches begin. ``bounded``: never right after an ASCII letter or digit."""

    shape: Shape
    bounded: bool


class _Node:
    """A place in the trie: sets of characters that lead on, and what may follow a prefix that ends here."""

    __slots__ = ("children", "rests")

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}
        self.rests: set[tuple[int, int]] = set()

    def add(self, shape: Shape) -> None:
        for prefix in shape.prefixes:
            node = self
            for mask in prefix:
                node = node.children.setdefault(mask, _Node())
            node.rests.add((shape.rest, shape.longest - len(prefix)))

    def source(self) -> str:
        """The expression for everything below this node, the end of the text allowed anywhere."""
        return f"(?:{'|'.join([_END, *self.ways()])})"

    def begin(self) -> str:
        """As :meth:`source`, with at least one character."""
        ways = self.ways()
        return f"(?:{'|'.join(ways)})" if ways else _NEVER

    def ways(self) -> list[str]:
        """Every way on from here."""
        ways = [f"{_set(mask)}{child.source()}" for mask, child in self.children.items()]
        return ways + [f"{_set(rest)}{{1,{most}}}+{_END}" for rest, most in self.rests if rest and most]


class Pending:
    """Finds the first place at which a match of any of these openings may begin."""

    __slots__ = ("_begun", "_escaped", "_free", "_plain")

    def __init__(self, openings: Iterable[Opening]) -> None:
        bounded, free = _Node(), _Node()
        for opening in openings:
            (bounded if opening.bounded else free).add(opening.shape)
        # The two large expressions are compiled once; small ones find the places where it is worth to ask them.
        self._begun, self._free = re.compile(bounded.begin()), re.compile(free.begin())
        self._plain = _places(bounded, free, "(?<![A-Za-z0-9])")
        self._escaped = _places(bounded, free, f"(?:(?<![A-Za-z0-9])|{ESCAPED})")

    def first(self, text: str, at: int) -> int:
        """Return the first such place from ``at`` on; the text's length when there is none.

        Everything before ``at`` must have been passed over before.
        """
        places = self._plain
        tail = text[max(0, at - LOOK_BACK) :]
        if ESCAPE_CHARS[0] in tail or ESCAPE_CHARS[1] in tail or ESCAPE_CHARS[2] in tail:
            places = self._escaped
        for found in places.finditer(text, at):
            place = found.start()
            if (found.lastindex and self._begun.match(text, place)) or self._free.match(text, place):
                return place
        return len(text)


def _places(bounded: _Node, free: _Node, boundary: str) -> re.Pattern[str]:
    """The first characters of all ways: group 1 where what is bounded may begin."""
    return re.compile(f"({boundary}{_first(bounded)})|{_first(free)}")


def _first(node: _Node) -> str:
    mask = 0
    for each in node.children:
        mask |= each
    # Expressions whose very first character may be one of several things have no prefix: h?[0-9].
    for rest, most in node.rests:
        mask |= rest if most else 0
    return _set(mask) if mask else _NEVER


@lru_cache(maxsize=512)
def _set(mask: int) -> str:
    """A set of characters as a class."""
    codes = [code for code in range(128) if mask >> code & 1]
    if len(codes) == 1 and not mask & OTHER:
        return _char(codes[0])
    parts: list[str] = []
    at = 0
    while at < len(codes):
        last = at
        while last + 1 < len(codes) and codes[last + 1] == codes[last] + 1:
            last += 1
        low, high = _char(codes[at]), _char(codes[last])
        parts.append(low if last == at else f"{low}-{high}")
        at = last + 1
    if mask & OTHER:
        parts.append("\\x80-\\U0010ffff")
    return f"[{''.join(parts)}]"


def _char(code: int) -> str:
    # The shorter an expression is, the sooner it is compiled.
    char = chr(code)
    return char if char.isalnum() or char in "_:=/@" else f"\\x{code:02x}"
