"""What can be said of an expression without running it: its longest match, how it begins, which characters it holds.

Streams live on this. Text may be released once no match can begin in it any more, and that follows from the longest
match and from characters that no match holds. The analysis takes the common ground of Hyperscan's syntax and Python's,
refuses what the two read differently, and errs on the side of more characters and longer matches.

Sets of characters are integers: bits 0 to 127 are ASCII, bit 128 (:data:`OTHER`) stands for every other character.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

# Python has no public regex parser. This is the one place that reads the private one; its nodes are (name, argument).
_PARSER: Any = importlib.import_module("re._parser")

OTHER = 1 << 128
EVERY = (OTHER << 1) - 1
_ASCII = OTHER - 1
_MAX_EXPRESSION_CHARS = 4096
_MAX_PREFIX, _MAX_PREFIXES, _WIDE = 12, 32, 8
# Longer matches would make a stream hold back more than a reader forgives.
LONGEST = 1024
_IGNORES_CASE = re.compile(r"\(\?[a-z]*i")
_GAP = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.)([+*])?", re.DOTALL)
# As plain numbers: the library's flags are objects, slow to ask.
_IGNORECASE, _DOTALL, _MULTILINE = int(re.IGNORECASE), int(re.DOTALL), int(re.MULTILINE)
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_DIFFERS = re.compile(r"\\(?:[vuUN]|x\{)|\[[.:=][\w^]+[.:=]\]|\{,\d")


class PatternRefused(ValueError):
    """An expression that cannot run on a stream; the message says why, in words for whoever wrote it."""


class Shape(msgspec.Struct, frozen=True):
    """What is known of an expression.

    Attributes:
        longest: Longest match in code points.
        prefixes: Alternatives; each is a set of characters for every one of the first positions of a match.
        rest: Characters that may follow the prefix.
        consumed: Every character that a match may hold.
        fixed: All matches have the same length.
    """

    longest: int
    prefixes: tuple[tuple[int, ...], ...]
    rest: int
    consumed: int
    fixed: bool


class _Head(msgspec.Struct, frozen=True):
    """One way in which a match may begin; ``open`` while the next node still has a known position."""

    prefix: tuple[int, ...] = ()
    rest: int = 0
    open: bool = True


def bound_gaps(expression: str) -> str:
    r"""Give open repeats of white space (``\s+``) an end of 32 characters; everything else stays as written."""

    def bounded(found: re.Match[str]) -> str:
        atom, repeat = found.groups()
        if not repeat or atom not in (r"\s", " "):
            return found.group()
        return atom + ("{1,32}" if repeat == "+" else "{0,32}")

    return _GAP.sub(bounded, expression)


def longest_match(expression: str) -> int | None:
    """Return the longest match of an expression in code points, or ``None`` when :func:`shape` refuses it."""
    try:
        return shape(expression).longest
    except PatternRefused:
        return None


# What was worked out before the program started. As many entries as the shipped rules have.
_REMEMBERED: dict[str, Shape] = {}


def remember(expression: str, known: Shape) -> None:
    """Take what :func:`shape` would say of an expression from whoever has asked it before."""
    _REMEMBERED[expression] = known


# An expression is analysed when its file is read and again when it is compiled.
@lru_cache(maxsize=4096)
def shape(expression: str) -> Shape:
    """Analyse an expression.

    Args:
        expression: Hyperscan/PCRE syntax, flags first (``(?i)``). It is read as :func:`bound_gaps` gives it.

    Raises:
        PatternRefused: Matches have no finite length or may be empty, or the expression uses what has no meaning on a
            stream (text anchors) or reads differently in Python and Hyperscan.
    """
    known = _REMEMBERED.get(expression)
    if known is not None:
        return known
    bounded = bound_gaps(expression)
    return analysed(expression) if bounded == expression else shape(bounded)


def analysed(expression: str) -> Shape:
    """As :func:`shape`, whatever is remembered."""
    tree = _parse(bound_gaps(expression))
    low, high = tree.getwidth()
    if high >= _PARSER.MAXREPEAT:
        raise PatternRefused("a match has no longest length; use a bounded repeat such as {1,64} instead of * or +")
    if high > LONGEST:
        raise PatternRefused(f"a match may be {high} characters long; at most {LONGEST}")
    if low == 0:
        raise PatternRefused("the expression matches an empty text")
    flags = int(tree.state.flags)
    heads = _begin(tree, flags, (_Head(),))
    rest = _rests(heads)
    consumed = _consumed(tree, flags)
    if consumed & OTHER and _IGNORES_CASE.search(expression):
        # Some ASCII letters have case variants outside ASCII (k, s).
        heads = tuple(_Head(tuple(mask | OTHER for mask in head.prefix)) for head in heads)
        rest |= OTHER
    heads = tuple(_trimmed(head) for head in heads)
    prefixes = tuple(dict.fromkeys(head.prefix for head in heads))
    return Shape(int(high), prefixes, rest | _rests(heads), consumed, low == high)


def _rests(heads: Iterable[_Head]) -> int:
    mask = 0
    for head in heads:
        mask |= head.rest
    return mask


def _parse(expression: str) -> Any:
    if len(expression) > _MAX_EXPRESSION_CHARS:
        raise PatternRefused(f"the expression is longer than {_MAX_EXPRESSION_CHARS} characters")
    if found := _DIFFERS.search(expression.replace("\\\\", "..")):
        raise PatternRefused(f"{found.group()!r} is not supported")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _PARSER.parse(expression)
    except re.error as problem:
        raise PatternRefused(f"cannot be read: {problem.msg}") from None
    except (FutureWarning, DeprecationWarning):
        raise PatternRefused("a character class holds '[', '--', '&&', '||' or '~~'; escape it") from None
    except (RecursionError, OverflowError):
        raise PatternRefused("the expression is nested too deeply or repeats too often") from None


def _mask(name: str, argument: Any, flags: int) -> int | None:
    """The set of a node that stands for exactly one character, else ``None``."""
    if name == "LITERAL":
        return _char(argument, flags)
    if name == "NOT_LITERAL":
        return EVERY & ~(_char(argument, 0) & _ASCII)
    if name == "ANY":
        return EVERY if flags & _DOTALL else EVERY & ~(1 << 10)
    if name == "IN":
        return _class(argument, flags)
    return None


def _char(code: int, flags: int) -> int:
    return _either_case(code) if flags & _IGNORECASE else 1 << min(code, 128)


@lru_cache(maxsize=1024)
def _either_case(code: int) -> int:
    char = chr(code)
    mask = 0
    for variant in (char, char.lower(), char.upper(), char.casefold()):
        if len(variant) == 1:
            mask |= 1 << min(ord(variant), 128)
    return mask


def _class(items: Iterable[tuple[Any, Any]], flags: int) -> int:
    mask = 0
    negated = False
    for op, argument in items:
        name = str(op)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            mask |= _char(argument, flags)
        elif name == "RANGE":
            mask |= _range(*argument, flags)
        else:
            mask |= _category(str(argument))
    # What a negated class leaves out is left out for certain only within ASCII.
    return EVERY & ~(mask & _ASCII) if negated else mask


@lru_cache(maxsize=512)
def _range(low: int, high: int, flags: int) -> int:
    mask = OTHER if high > 127 else 0
    for code in range(low, min(high, 127) + 1):
        mask |= _char(code, flags)
    return mask


def _category(name: str) -> int:
    mask = 0
    for char in {"DIGIT": "0123456789", "SPACE": " \t\n\r\f\v"}.get(name.rpartition("_")[2], ""):
        mask |= 1 << ord(char)
    if name.endswith("WORD"):
        for code in range(128):
            if chr(code).isalnum() or code == 95:
                mask |= 1 << code
    return EVERY & ~mask if "_NOT_" in name else mask


def _inner(name: str, argument: Any, flags: int) -> list[tuple[Any, int]]:
    """The sequences inside a node, each with the flags that hold there."""
    if name == "SUBPATTERN":
        _, added, removed, nodes = argument
        return [(nodes, (flags | added) & ~removed)]
    if name == "BRANCH":
        return [(nodes, flags) for nodes in argument[1]]
    if name in _REPEATS:
        return [(argument[2], flags)]
    if name == "AT":
        where = str(argument)
        if "BOUNDARY" not in where and (where.endswith("STRING") or not flags & _MULTILINE):
            raise PatternRefused("anchors of the whole text have no meaning on a stream; use (?m)^, (?m)$ or \\b")
        return []
    raise PatternRefused(f"{name.lower().replace('_', ' ')} is not supported")


def _consumed(nodes: Any, flags: int) -> int:
    total = 0
    for op, argument in nodes:
        name = str(op)
        mask = _mask(name, argument, flags)
        if mask is not None:
            total |= mask
            continue
        for inner, inner_flags in _inner(name, argument, flags):
            total |= _consumed(inner, inner_flags)
    return total


def _begin(nodes: Any, flags: int, heads: tuple[_Head, ...]) -> tuple[_Head, ...]:
    """Lengthen every way in which a match may begin by a sequence of nodes."""
    for op, argument in nodes:
        name = str(op)
        mask = _mask(name, argument, flags)
        if mask is not None:
            heads = tuple(_grow(head, mask, 1, 1) for head in heads)
        elif name != "AT":
            heads = _begin_inner(name, argument, flags, heads)
    return heads


def _begin_inner(name: str, argument: Any, flags: int, heads: tuple[_Head, ...]) -> tuple[_Head, ...]:
    inner = _inner(name, argument, flags)
    if name in _REPEATS:
        low, high, nodes = argument
        mask = _mask(str(nodes[0][0]), nodes[0][1], flags) if len(nodes) == 1 else None
        if mask is not None:
            return tuple(_grow(head, mask, low, high) for head in heads)
        if low != 1 or high != 1:
            return tuple(_close(head, _consumed(nodes, flags)) for head in heads)
    if len(inner) * len(heads) > _MAX_PREFIXES:
        mask = 0
        for nodes, inner_flags in inner:
            mask |= _consumed(nodes, inner_flags)
        return tuple(_close(head, mask) for head in heads)
    return tuple(grown for nodes, inner_flags in inner for grown in _begin(nodes, inner_flags, heads))


def _grow(head: _Head, mask: int, low: int, high: int) -> _Head:
    if not head.open:
        return _close(head, mask)
    kept = min(low, _MAX_PREFIX - len(head.prefix))
    prefix = head.prefix + (mask,) * kept
    if kept == high:
        return _Head(prefix, head.rest)
    return _Head(prefix, head.rest | mask, open=False)


def _trimmed(head: _Head) -> _Head:
    """Leave out the end of a beginning where many characters may stand: it says little, and all its places cost."""
    prefix, rest = head.prefix, head.rest
    while len(prefix) > 1 and prefix[-1].bit_count() >= _WIDE:
        rest |= prefix[-1]
        prefix = prefix[:-1]
    return _Head(prefix, rest, open=False)


def _close(head: _Head, mask: int) -> _Head:
    return _Head(head.prefix, head.rest | mask, open=False)
