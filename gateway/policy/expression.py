"""``when``: a boolean expression over detectors. ``not`` binds closest, then ``and``, then ``or``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from gateway.core.verdict import When

_TOKEN = re.compile(r"\s*(?:([()])|([A-Za-z_][A-Za-z0-9_-]*))")
_WORDS = frozenset({"and", "or", "not"})
_MAX_CHARS = 1000
_MAX_DEPTH = 20


def parse_when(value: object) -> When:
    """Parse an expression.

    Args:
        value: A text such as ``keys and not (words or ids)``.

    Raises:
        ValueError: It is no expression; the message says where it stops making sense.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should be an expression over detectors, such as: keys and not words")
    if len(value) > _MAX_CHARS:
        raise ValueError(f"longer than {_MAX_CHARS} characters")
    return _Parser(value).parse()


def detectors_of(when: When) -> Iterator[str]:
    """Yield the name of every detector in an expression, in order."""
    if when.op == "detector":
        yield when.name
    for part in when.parts:
        yield from detectors_of(part)


def speaking(when: When, *, negated: bool = False) -> Iterator[str]:
    """Yield the detectors whose findings a rule acts on: those that stand under no ``not``."""
    if when.op == "detector" and not negated:
        yield when.name
    for part in when.parts:
        yield from speaking(part, negated=negated ^ (when.op == "not"))


def finds_something(when: When) -> bool:
    """Whether a hit of some detector is needed for the expression to hold: only then there is something to redact."""
    if when.op == "detector":
        return True
    if when.op == "not":
        return False
    needed = [finds_something(part) for part in when.parts]
    return any(needed) if when.op == "all" else all(needed)


class _Parser:
    """Recursive descent over at most ``_MAX_DEPTH`` levels of parentheses and ``not``."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def parse(self) -> When:
        when = self._any(0)
        word, column = self._tokens[self._at]
        if word:
            raise ValueError(f"'and', 'or' or the end expected at column {column}")
        return when

    def _any(self, depth: int) -> When:
        return self._chain("or", "any", self._all, depth)

    def _all(self, depth: int) -> When:
        return self._chain("and", "all", self._one, depth)

    def _chain(self, joint: str, op: Literal["any", "all"], part: Callable[[int], When], depth: int) -> When:
        parts = [part(depth)]
        while self._tokens[self._at][0] == joint:
            self._at += 1
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else When(op=op, parts=tuple(parts))

    def _one(self, depth: int) -> When:
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
        word, column = self._tokens[self._at]
        self._at += 1
        if word == "not":
            return When(op="not", parts=(self._one(depth + 1),))
        if word == "(":
            inner = self._any(depth + 1)
            if self._tokens[self._at][0] != ")":
                raise ValueError(f"the parenthesis of column {column} is not closed")
            self._at += 1
            return inner
        if not word or word == ")" or word in _WORDS:
            raise ValueError(f"a detector expected at column {column}")
        return When(op="detector", name=word)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Yield each token with its column, counted from 1, and an empty one at the end."""
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise ValueError(f"a character at column {column} that means nothing here")
        yield match[1] or match[2], match.start(match.lastindex or 0) + 1
        at = match.end()
    yield "", end + 1
