"""The two spellings of every field: Google's servers take ``systemInstruction`` and ``system_instruction`` alike."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from gateway.wire.grammar import Rule
from gateway.wire.shapes import is_array, is_object

_HUMP = re.compile(r"(?=[A-Z])")


@functools.cache
def snake(name: str) -> str:
    """The other spelling of a field that we know: never called with a name that a client made up."""
    return _HUMP.sub("_", name).lower()


def either(rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The same rules for both spellings."""
    return {**{snake(name): rule for name, rule in rules.items()}, **rules}


def read(holder: Any, name: str) -> Any:
    """The value of a field, however it is spelled; ``None`` when it is not there or the holder is no object."""
    if not is_object(holder):
        return None
    value = holder.get(name)
    return holder.get(snake(name)) if value is None else value


def member(holder: dict[str, Any], name: str) -> str:
    """How the holder spells a field; the usual spelling when it does not have it."""
    other = snake(name)
    return other if name not in holder and other in holder else name


def listed(value: Any) -> list[Any]:
    """The items of a repeated field; one that is written without brackets counts as one item."""
    if is_array(value):
        return value
    return [] if value is None else [value]
