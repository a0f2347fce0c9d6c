"""Fields of Triton's documents are tensors: one value, or arrays of values, as deep as the tensor's shape."""

from __future__ import annotations

from typing import Any

from gateway.core.segments import Path
from gateway.wire.grammar import Found, leaves
from gateway.wire.shapes import is_array, is_integer, is_text

_leaves = leaves()


def numbers(path: Path, role: str, value: Any, found: Found) -> None:
    """A tensor of numbers, which is no text; whatever else is in it is."""
    if not _numeric(value):
        _leaves(path, role, value, found)


def first_integer(value: Any) -> int | None:
    """Return the first value of a tensor when it is an integer."""
    while is_array(value) and value:
        value = value[0]
    return value if is_integer(value) else None


def first_text(value: Any) -> str:
    """Return the first value of a tensor when it is text, else nothing."""
    while is_array(value) and value:
        value = value[0]
    return value if is_text(value) else ""


def _numeric(value: Any) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if is_array(item):
            pending += item
        elif not (item is None or isinstance(item, int | float)):
            return False
    return True
