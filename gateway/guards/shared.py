"""Patterns that share one rough expression: every number of so many digits, to begin with.

A database of a hundred expressions for numbers is slow to compile and slow to run. One for all of them is neither, and
tells where candidates may be; how many letters and digits each has, counted from its end, says which patterns they are
candidates of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.clients.hyperscan import Found

# What a rough expression takes in before a number, where no boundary of a word is.
_ESCAPE = re.compile(r"\\[nrt]|%[0-9A-Fa-f]{2}")
_GROUP = re.compile("[0-9A-Za-z]+")


class Shared:
    """The patterns of one expression.

    Args:
        patterns: Their numbers and sizes; without sizes, a pattern takes every candidate as it is.
    """

    __slots__ = ("always", "sized")

    def __init__(self, patterns: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        self.always: list[int] = []
        self.sized: dict[int, list[int]] = {}
        for number, sizes in patterns:
            if not sizes:
                self.always.append(number)
            for size in sizes:
                self.sized.setdefault(size, []).append(number)


def spread(text: str, found: Iterable[Found], shared: Sequence[Shared]) -> list[Found]:
    """Turn what the database found into candidates of patterns.

    Args:
        text: In which it was found.
        found: Numbers of expressions, offsets in code points.
        shared: By number of the expression.
    """
    out: list[Found] = []
    for expression, start, end in found:
        known = shared[expression]
        out += [(number, start, end) for number in known.always]
        if known.sized:
            escape = _ESCAPE.match(text, start, end)
            size = 0
            groups = [group.span() for group in _GROUP.finditer(text, escape.end() if escape else start, end)]
            last = groups[-1][1]
            for begin, stop in reversed(groups):
                size += stop - begin
                if numbers := known.sized.get(size):
                    out += [(number, begin, last) for number in numbers]
    return out
