"""Many expressions over one text in linear time, with where each match begins: a thin wrapper over Hyperscan."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import lru_cache

import hyperscan
import msgspec

from gateway.core.errors import Misconfigured

# Pattern's number, first byte, byte after the last.
Found = tuple[int, int, int]
# A text with more of them is made to have them: nearly a megabyte of nothing but numbers, for a pack that looks at
# numbers. Checking so many takes seconds.
MAX_FOUND = 200_000


class Expression(msgspec.Struct, frozen=True):
    """One expression.

    Attributes:
        text: Hyperscan/PCRE syntax, flags inline.
        unicode: A match may hold characters outside ASCII. Costly to compile with ``(?i)``: only where needed.
        once: Only whether there is a match is asked: one is reported, its start is 0, and letters of both cases are
            the same.
    """

    text: str
    unicode: bool = False
    once: bool = False


class PatternDatabase:
    """Compiled expressions. Belongs to one thread: scans share one scratch space and one list of results.

    Args:
        expressions: What to look for.
        numbers: What matches of each are called; by their positions when nothing else is said.

    Raises:
        Misconfigured: An expression does not compile; the message names it by its number and says why.
    """

    __slots__ = ("_database", "_found", "_keep", "_scratch", "full")

    def __init__(self, expressions: Sequence[Expression], numbers: Sequence[int] | None = None) -> None:
        found: list[Found] = []

        def keep(number: int, start: int, end: int, _flags: int, _context: object) -> bool:
            found.append((number, start, end))
            return len(found) >= MAX_FOUND

        def keep_named(number: int, start: int, end: int, _flags: int, _context: object) -> bool:
            found.append((known[number], start, end))
            return len(found) >= MAX_FOUND

        known = range(len(expressions)) if numbers is None else numbers
        self._found = found
        # The last scan was given up: it had found as many matches as may be.
        self.full = False
        self._keep = keep if numbers is None else keep_named
        try:
            self._database = _compile(tuple(expressions))
        except hyperscan.error as problem:
            for number, expression in zip(known, expressions, strict=True):
                _check(number, expression)
            raise Misconfigured(f"The patterns do not compile together: {problem}") from None
        self._scratch = hyperscan.Scratch(self._database)

    def scan(self, data: bytes) -> list[Found]:
        """Find all matches, in the order of their ends; for every end of a pattern its leftmost start only.

        Args:
            data: UTF-8.

        Returns:
            A list that the next scan overwrites; :attr:`full` tells when it is not all.

        Raises:
            Misconfigured: Hyperscan failed; it does so only for want of memory or on a foreign processor.
        """
        found = self._found
        if found:
            found.clear()
        self.full = False
        try:
            self._database.scan(data, self._keep, scratch=self._scratch)
        except hyperscan.ScanTerminated:
            self.full = True
        except hyperscan.error as problem:
            raise Misconfigured(f"Pattern matching failed: {problem}") from None
        return found

    def more_than(self, count: int, data: bytes) -> bool:
        """Say whether there are more matches than so many; the scan ends with the one that is too much.

        Raises:
            Misconfigured: See :meth:`scan`.
        """
        left = count

        def counted(_number: int, _start: int, _end: int, _flags: int, _context: object) -> bool:
            nonlocal left
            left -= 1
            return left < 0

        try:
            self._database.scan(data, counted, scratch=self._scratch)
        except hyperscan.ScanTerminated:
            return True
        except hyperscan.error as problem:
            raise Misconfigured(f"Pattern matching failed: {problem}") from None
        return False

    def any(self, data: bytes) -> bool:
        """Say whether there is a match; the scan ends with the first.

        Raises:
            Misconfigured: See :meth:`scan`.
        """
        try:
            self._database.scan(data, _stop, scratch=self._scratch)
        except hyperscan.ScanTerminated:
            return True
        except hyperscan.error as problem:
            raise Misconfigured(f"Pattern matching failed: {problem}") from None
        return False


class PatternDatabases:
    """Several databases over one text, as if they were one: what changes often is compiled apart from what does not.

    Args:
        databases: No two of them call their matches the same.
    """

    __slots__ = ("_databases", "full")

    def __init__(self, databases: Sequence[PatternDatabase]) -> None:
        self._databases = tuple(databases)
        self.full = False

    def scan(self, data: bytes) -> list[Found]:
        """Find all matches; see :meth:`PatternDatabase.scan`."""
        found: list[Found] = []
        for database in self._databases:
            here = database.scan(data)
            found = sorted(found + here, key=_end) if found and here else found or here
        self.full = any(database.full for database in self._databases)
        return found

    def more_than(self, count: int, data: bytes) -> bool:
        """Say whether one of them has more matches than so many; see :meth:`PatternDatabase.more_than`."""
        return any(database.more_than(count, data) for database in self._databases)

    def any(self, data: bytes) -> bool:
        """Say whether there is a match; see :meth:`PatternDatabase.any`."""
        return any(database.any(data) for database in self._databases)


def _end(found: Found) -> int:
    return found[2]


def _stop(_number: int, _start: int, _end: int, _flags: int, _context: object) -> bool:
    return True


def _flags(expression: Expression) -> int:
    if expression.once:
        return hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL
    return hyperscan.HS_FLAG_SOM_LEFTMOST | (hyperscan.HS_FLAG_UTF8 if expression.unicode else 0)


class Ahead(threading.Thread):
    """Compiles expressions beside whoever starts it: that happens without the interpreter. Join it before a fork.

    Args:
        expressions: Whoever makes a database of the very same next waits for this one to be compiled.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        super().__init__(name="patterns")
        self._expressions = tuple(expressions)
        self._database: hyperscan.Database | None = None

    def start(self) -> None:
        """Begin."""
        _AHEAD[self._expressions] = self
        super().start()

    def run(self) -> None:
        """Compile; what does not compile says so when it is compiled in earnest."""
        with contextlib.suppress(hyperscan.error):
            self._database = _compiled(self._expressions)

    def taken(self) -> hyperscan.Database | None:
        """Wait until it is compiled."""
        self.join()
        return self._database

    def forget(self) -> None:
        """Wait until it is compiled; nobody needs it any more."""
        self.join()
        _AHEAD.pop(self._expressions, None)


_AHEAD: dict[tuple[Expression, ...], Ahead] = {}


# What is compiled never changes and serves any number of threads, each with a scratch space of its own.
@lru_cache(maxsize=8)
def _compile_many(expressions: tuple[Expression, ...]) -> hyperscan.Database:
    ahead = _AHEAD.pop(expressions, None)
    return (ahead.taken() if ahead is not None else None) or _compiled(expressions)


# Single ones are small and many, and must not take the place of what takes seconds to compile.
@lru_cache(maxsize=256)
def _compile_one(expression: Expression) -> hyperscan.Database:
    return _compiled((expression,))


def _compile(expressions: tuple[Expression, ...]) -> hyperscan.Database:
    return _compile_one(expressions[0]) if len(expressions) == 1 else _compile_many(expressions)


def _compiled(expressions: tuple[Expression, ...]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.text.encode() for expression in expressions],
        ids=list(range(len(expressions))),
        flags=[_flags(expression) for expression in expressions],
    )
    return database


def _check(number: int, expression: Expression) -> None:
    try:
        _compile((expression,))
    except hyperscan.error as problem:
        raise Misconfigured(f"Pattern {number} does not compile: {problem}") from None
