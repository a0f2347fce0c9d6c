"""Which words every match of an expression has: cheap to look for, so that the expression itself runs only near them.

The expressions are Python's. What cannot be told errs on the side of fewer words required.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

# As in pattern_width: Python has no public parser of expressions; its nodes are (name, argument).
_PARSER: Any = importlib.import_module("re._parser")
Words = frozenset[str]

_MOST_WORDS, _MOST_PRODUCTS, _LEAST_CHARS, _MOST_OF_A_CLASS, _MOST_REPEATS = 512, 64, 3, 8, 3
_NOTHING: Words = frozenset(("",))
_NO_WORDS: Words = frozenset()
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_EMPTY = ("AT", "ASSERT", "ASSERT_NOT")
_BLANK: Words = frozenset((" ",))
_GAP = str(list(_PARSER.parse("[^a-z0-9]+")))
# Words that are in any text; they tell next to nothing.
_COMMON = frozenset(
    (
        *("the", "and", "you", "are", "your", "that", "this", "with", "from", "for", "not", "all", "any", "was", "has"),
        *("have", "will", "can", "what", "when", "which", "one", "out", "about", "there", "they", "them", "would"),
        *("more", "other", "into", "then", "than", "now", "way", "may", "use", "act", "must", "been"),
        *("die", "der", "das", "und", "ist", "ein", "nicht", "mit", "von", "den", "dem", "als", "auf", "sie"),
        *("les", "des", "est", "une", "que", "dans", "pour", "qui", "sur", "pas", "vous", "tes", "vos", "ses"),
        *("par", "los", "las", "una", "por", "con", "del", "como", "para", "son", "sus"),
    )
)
# How often a word of so many letters is taken to be somewhere by chance.
_BY_CHANCE = 0.15


class WordFinder:
    """Analyses expressions that share parts; each part is analysed once.

    Args:
        parts: Expressions by the character that stands for them in others.
    """

    __slots__ = ("_known", "_parts")

    def __init__(self, parts: Mapping[str, str] | None = None) -> None:
        self._parts = dict(parts or {})
        self._known: dict[str, tuple[Words | None, list[Words]]] = {}

    def required(self, expression: str) -> list[Words]:
        """Return sets of lower-case words, in order: every match has one of each, as a part of it.

        Args:
            expression: Python's syntax; case is taken not to matter.
        """
        return self._required(_PARSER.parse(expression))

    def heads(self, expression: str) -> Words:
        """Return lower-case words such that every match begins with one of them; none when that cannot be told.

        A blank at the end of a word stands for something that is neither letter nor digit.
        """
        heads = self._heads(list(_PARSER.parse(expression)))
        return _NO_WORDS if heads is None else _first(heads)

    def _heads(self, nodes: list[tuple[Any, Any]]) -> Words | None:
        run = _NOTHING
        for at, (name, argument) in enumerate(nodes):
            words = self._all(str(name), argument)
            if words is not None and _may_join(run, words):
                run = _joined(run, words)
                continue
            if "" not in run:
                return _joined(run, _BLANK) if _is_gap(argument, name) else run
            # What may be empty lets what follows be the beginning.
            more = (
                words if words is not None and "" not in words else self._begins(str(name), argument, nodes[at + 1 :])
            )
            return None if more is None else (run - _NOTHING) | more
        return None if "" in run else run

    def _begins(self, name: str, argument: Any, rest: list[tuple[Any, Any]]) -> Words | None:
        match name:
            case "LITERAL":
                return self._heads(list(_PARSER.parse(self._parts[chr(argument)])))
            case "SUBPATTERN":
                return self._heads(list(argument[3]))
            case "BRANCH":
                return _union([self._heads(list(branch)) for branch in argument[1]])
            case "IN" if any(chr(value) in self._parts for kind, value in argument if str(kind) == "LITERAL"):
                return _union([self._heads([member]) for member in argument])
            case _ if name in _REPEATS:
                inner = self._heads(list(argument[2]))
                return inner if argument[0] > 0 else _union([inner, self._heads(rest)])
            case _:
                return None

    def _part(self, char: str) -> tuple[Words | None, list[Words]]:
        if char not in self._known:
            nodes = _PARSER.parse(self._parts[char])
            self._known[char] = (self._sequence(nodes), self._required(nodes))
        return self._known[char]

    def _required(self, nodes: Iterable[tuple[Any, Any]]) -> list[Words]:
        sets: list[Words] = []
        run = _NOTHING
        for name, argument in nodes:
            words = self._all(str(name), argument)
            if words is not None and _may_join(run, words):
                run = _joined(run, words)
                continue
            sets += _closed(run)
            run = words if words is not None else _NOTHING
            if words is None:
                sets += self._within(str(name), argument)
        return sets + _closed(run)

    def _within(self, name: str, argument: Any) -> list[Words]:
        match name:
            case "LITERAL":
                return self._part(chr(argument))[1]
            case "SUBPATTERN":
                return self._required(argument[3])
            case "BRANCH":
                return _united([self._required(branch) for branch in argument[1]])
            case "IN" if any(chr(value) in self._parts for kind, value in argument if str(kind) == "LITERAL"):
                return _united([self._required([member]) for member in argument])
            case _:
                return self._required(argument[2]) if name in _REPEATS and argument[0] > 0 else []

    def _all(self, name: str, argument: Any) -> Words | None:
        """Return everything that a node matches, or ``None`` when that is too much."""
        match name:
            case "LITERAL":
                char = chr(argument)
                return self._part(char)[0] if char in self._parts else frozenset((char.lower(),))
            case "IN":
                return self._class(argument)
            case "SUBPATTERN":
                return self._sequence(argument[3])
            case "BRANCH":
                return _union([self._sequence(branch) for branch in argument[1]])
            case _:
                if name in _EMPTY:
                    return _NOTHING
                return self._repeated(*argument) if name in _REPEATS else None

    def _sequence(self, nodes: Iterable[tuple[Any, Any]]) -> Words | None:
        run = _NOTHING
        for name, argument in nodes:
            words = self._all(str(name), argument)
            if words is None or not _may_join(run, words):
                return None
            run = _joined(run, words)
        return run

    def _repeated(self, least: int, most: Any, nodes: Any) -> Words | None:
        words = self._sequence(nodes) if int(most) <= _MOST_REPEATS else None
        if words is None or len(words) ** int(most) > _MOST_WORDS:
            return None
        return frozenset(
            "".join(parts) for count in range(least, int(most) + 1) for parts in product(words, repeat=count)
        )

    def _class(self, members: list[tuple[Any, Any]]) -> Words | None:
        each: list[Words | None] = []
        for name, argument in members:
            if str(name) == "LITERAL":
                each.append(self._all("LITERAL", argument))
            elif str(name) == "RANGE" and argument[1] - argument[0] < _MOST_OF_A_CLASS:
                each.append(frozenset(chr(place).lower() for place in range(argument[0], argument[1] + 1)))
            else:
                return None
        return _union(each)


def chance(words: Words) -> float:
    """Return about how likely one of some words is in a text that has nothing to do with them."""
    return sum(1.0 if word in _COMMON else _BY_CHANCE ** len(word) for word in words) or 1.0


def _closed(run: Words) -> list[Words]:
    return [_shortest(run)] if min(len(word) for word in run) >= _LEAST_CHARS else []


def _united(each: list[list[Words]]) -> list[Words]:
    """Return the one set that is left of alternatives: the rarest of each."""
    if not all(each):
        return []
    union = _NO_WORDS.union(*(min(sets, key=chance) for sets in each))
    return [_shortest(union)] if len(union) <= _MOST_WORDS else []


def _union(parts: list[Words | None]) -> Words | None:
    known = [part for part in parts if part is not None]
    union = _NO_WORDS.union(*known)
    return union if len(known) == len(parts) and len(union) <= _MOST_WORDS else None


def _shortest(words: Words) -> Words:
    """Leave out words that have another one in them."""
    kept: list[str] = []
    for word in sorted(words, key=len):
        if not any(part in word for part in kept):
            kept.append(word)
    return frozenset(kept)


def _is_gap(argument: Any, name: Any) -> bool:
    """Whether a node is at least one character that is neither letter nor digit."""
    while str(name) == "SUBPATTERN" and len(argument[3]) == 1:
        name, argument = argument[3][0]
    return str([(name, argument)]) == _GAP


def _first(words: Words) -> Words:
    """Leave out words that begin with another one."""
    kept: list[str] = []
    for word in sorted(words, key=len):
        if not word.startswith(tuple(kept)):
            kept.append(word)
    return frozenset(kept)


def _may_join(one: Words, other: Words) -> bool:
    return len(one) == 1 or len(other) == 1 or len(one) * len(other) <= _MOST_PRODUCTS


def _joined(one: Words, other: Words) -> Words:
    return frozenset(first + second for first in one for second in other)
