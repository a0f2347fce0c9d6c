"""What kind of JSON value this is, in words a type checker follows."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Say whether a parsed JSON value is an object."""
    return value.__class__ is dict


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Say whether a parsed JSON value is an array."""
    return value.__class__ is list


def is_integer(value: Any) -> TypeGuard[int]:
    """Say whether a parsed JSON value is an integer; ``true`` and ``false`` are none."""
    return value.__class__ is int


def is_text(value: Any) -> TypeGuard[str]:
    """Say whether a parsed JSON value is a string."""
    return value.__class__ is str
