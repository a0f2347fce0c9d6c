"""How many values a request body may have.

A body is read by its texts, each with the way to it: that costs by the value, not by the byte. Megabytes of ``{}`` or
of one-letter members would keep a worker from everybody else for most of a minute, so their number is bounded as
their size is. Nobody's conversation, tools included, comes near the bound.
"""

from __future__ import annotations

from typing import Any

from gateway.core.errors import RequestTooLarge
from gateway.wire.shapes import is_array, is_integer, is_object

MAX_VALUES = 100_000


def check_extent(body: bytes, document: Any, *, tokens: str = "") -> None:
    """Refuse a document of too many values.

    Args:
        body: The bytes that it was read from. Counting commas and brackets in them is enough for nearly every large
            body: a value comes behind one of those.
        document: As it was parsed.
        tokens: A member of the root in which integers are tokens: those are no texts and do not count.

    Raises:
        RequestTooLarge: It has more than :data:`MAX_VALUES`.
    """
    if len(body) <= 2 * MAX_VALUES or body.count(b",") + body.count(b"[") + body.count(b"{") <= MAX_VALUES:
        return
    count, containers = 0, [document]
    free = document.get(tokens) if tokens and is_object(document) else None
    if is_array(free):
        containers = [value for name, value in document.items() if name != tokens]
        count = len(document) + _without_integers(free, containers)
    while containers and count <= MAX_VALUES:
        container = containers.pop()
        if is_object(container):
            count += len(container)
            containers.extend(item for item in container.values() if is_object(item) or is_array(item))
        elif is_array(container):
            count += len(container)
            # A level that is too wide is not looked into.
            if count <= MAX_VALUES:
                containers.extend(item for item in container if is_object(item) or is_array(item))
    if count > MAX_VALUES:
        raise RequestTooLarge(f"The body has more than {MAX_VALUES} values.")


def _without_integers(tokens: list[Any], containers: list[Any]) -> int:
    """Count what is no token in a list of tokens, or of such lists; what is deeper goes to the other containers."""
    count = 0
    for item in tokens:
        if is_integer(item):
            continue
        count += 1
        if is_array(item) and all(map(is_integer, item)):
            continue
        if is_array(item) or is_object(item):
            containers.append(item)
        if count > MAX_VALUES:
            break
    return count
