"""Texts of one author that follow each other, read as one: an order may be given in parts, over several messages.

Every text has been judged by itself. Here detectors that can (``find_joined``) look for what runs over the places where
texts meet: in windows of some texts each, which overlap, so that the work grows with the conversation and no faster. A
window that was clean is remembered, as texts are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gateway.core.segments import Kind, Segment
from gateway.guards.runner import Found, Runner
from gateway.guards.screening import Screening

# What runs over no more than four texts lies within one window, wherever it begins.
WINDOW, STEP = 8, 5
# What people and tools say in turns. Names, keys and arguments are no conversation.
_SPOKEN: frozenset[Kind] = frozenset({"text", "tool_result"})


class Part(Protocol):
    """A text, and the rules that look at it."""

    segment: Segment
    screening: Screening


def find_joined(parts: Sequence[Part], *, only: Runner | None = None) -> Iterator[tuple[int, Runner, Found]]:
    """Look for what runs from one text into the next.

    Args:
        parts: The texts of a request, in order.
        only: The detector to ask; all when none is named.

    Yields:
        The number of a text, the detector, and what it found there, or why it could not judge.
    """
    for runner, window in windows(parts, only):
        texts = [parts[number].segment.text for number in window]
        for index, found in runner.run_joined(texts, parts[window[0]].screening.about):
            yield window[index], runner, found


def windows(parts: Sequence[Part], only: Runner | None = None) -> Iterator[tuple[Runner, list[int]]]:
    """Yield which texts, by their numbers, are read together by which detector."""
    authors: dict[tuple[Runner, str, str], list[int]] = {}
    for number, part in enumerate(parts):
        segment = part.segment
        if segment.kind in _SPOKEN and not segment.encoded:
            for runner in part.screening.runners:
                if runner.joins and only in (None, runner):
                    authors.setdefault((runner, segment.role, segment.tool), []).append(number)
    for (runner, _, _), numbers in authors.items():
        for first in range(0, max(1, len(numbers) - (WINDOW - STEP)), STEP):
            window = numbers[first : first + WINDOW]
            if len(window) > 1:
                yield runner, window
