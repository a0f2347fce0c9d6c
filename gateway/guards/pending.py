"""Where in the tail of a text a match may still be about to begin.

A stream may release what stands before that place. The question is put to regular expressions that are built from what
:mod:`gateway.core.pattern_width` knows of the active expressions: a trie over the first characters of all of them, then
the characters that may follow, no more of them than the longest match has. It says yes too often rather than too
seldom; a place that it passes over can never become the start of a match, whatever text comes.

There is one expression for each pair of characters that a match may begin with, compiled when a text first has that
pair where a match may begin. All of them at once take a fifth of a second, which neither a start nor the first stream
of a new policy can spare; one takes less than a millisecond, and most texts need a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from gateway.core.pattern_width import EVERY, OTHER, Shape
from gateway.guards.validators import ESCAPE_CHARS, ESCAPED, LOOK_BACK

_END = r"\Z"
_NEVER = "(?!)"
# Characters outside ASCII are too many for all their pairs to be remembered.
_MAX_STARTS = 20_000


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

    def ways(self, first: int = EVERY) -> list[str]:
        """Every way on from here, with one of these characters."""
        ways = [f"{_set(mask)}{child.source()}" for mask, child in self.children.items() if mask & first]
        return ways + [f"{_set(rest)}{{1,{most}}}+{_END}" for rest, most in self.rests if rest & first and most]

    def begins(self, first: int) -> str:
        """An expression that matches where a text ends with one of these characters and could go on."""
        return "" if self.ways(first) else _NEVER

    def begins_with(self, first: int, second: int) -> str:
        """As :meth:`source`, for texts that begin with one of these and one of those characters."""
        ways: list[str] = []
        for mask, child in self.children.items():
            following = child.ways(second) if mask & first else []
            if following:
                ways.append(f"{_set(mask)}(?:{'|'.join(following)})")
        both = first | second
        ways += [f"{_set(rest)}{{1,{most}}}+{_END}" for rest, most in self.rests if rest & both == both and most > 1]
        return f"(?:{'|'.join(ways)})" if ways else _NEVER


class _Starts(dict[str, re.Pattern[str]]):
    """What may begin with two characters, by the two; with one that ends the text, by the one. Compiled when asked for.

    Args:
        node: Where everything begins.
    """

    def __init__(self, node: _Node) -> None:
        super().__init__()
        self._node = node
        # Most that begin anything at all begin the same things.
        self._known: dict[str, re.Pattern[str]] = {}

    def __missing__(self, chars: str) -> re.Pattern[str]:
        bits = [1 << ord(char) if char.isascii() else OTHER for char in chars]
        source = self._node.begins(*bits) if len(bits) == 1 else self._node.begins_with(*bits)
        known = self._known.get(source)
        if known is None:
            known = self._known[source] = re.compile(source)
        if len(self) >= _MAX_STARTS:
            self.clear()
        self[chars] = known
        return known


class Pending:
    """Finds the first place at which a match of any of these openings may begin."""

    __slots__ = ("_begun", "_escaped", "_free", "_plain")

    def __init__(self, openings: Iterable[Opening]) -> None:
        bounded, free = _Node(), _Node()
        for opening in openings:
            (bounded if opening.bounded else free).add(opening.shape)
        self._begun, self._free = _Starts(bounded), _Starts(free)
        # Small expressions find the places where it is worth to ask the others.
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
            chars = text[place : place + 2]
            if (found.lastindex and self._begun[chars].match(text, place)) or self._free[chars].match(text, place):
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
