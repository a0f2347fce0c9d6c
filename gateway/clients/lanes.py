"""Works through a list in so many lanes: bounded side by side, in order of arrival, all given up when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def in_lanes(items: Sequence[T], lanes: int, work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Return what becomes of each item, in their order.

    Args:
        items: What to work on.
        lanes: How many at once.
        work: What is done with one. The first failure is the whole's; the others are cancelled.
    """
    done: dict[int, R] = {}
    turns = iter(enumerate(items))
    lanes = min(lanes, len(items))
    if lanes == 1:
        # Nothing to be side by side with: no task is made.
        await _lane(turns, work, done)
    elif lanes:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(lanes):
                    group.create_task(_lane(turns, work, done))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [done[number] for number in range(len(items))]


async def _lane(turns: Iterator[tuple[int, T]], work: Callable[[T], Awaitable[R]], done: dict[int, R]) -> None:
    for number, item in turns:
        done[number] = await work(item)
