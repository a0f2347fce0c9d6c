"""Explains what shows only where the texts of one author are read as one, and what it took to look."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns

import msgspec

from gateway.core.explanation import DetectorShown, FindingShown
from gateway.core.segments import Segment
from gateway.guards.conversation import find_joined, windows
from gateway.guards.screening import Look, Screening, hits_of

JOINED = "joined"


class LookedAt(msgspec.Struct):
    """A text, the rules that look at it, what was found in it, and its path as it is shown."""

    segment: Segment
    screening: Screening
    look: Look
    shown: str


def explain_joined(parts: Sequence[LookedAt]) -> Sequence[DetectorShown]:
    """Explain detectors that read several texts as one; what they find is added to what was found in the texts.

    Args:
        parts: The texts of a request, in order.
    """
    runners = {runner.name: runner for runner, _ in windows(parts)}
    shown: list[DetectorShown] = []
    for runner in runners.values():
        findings: dict[FindingShown, None] = {}
        error = ""
        began = perf_counter_ns()
        found_in = list(find_joined(parts, only=runner))
        took_us = (perf_counter_ns() - began) / 1000
        for number, _, found in found_in:
            parts[number].look.add(found.covers, found.points)
            error = error or found.error
            findings |= {
                FindingShown(
                    kind=hit.pattern, start=hit.start, end=hit.end, score=hit.score, view=hit.view,
                    path=parts[number].shown, advisory=hit.advisory,
                ): None
                for hit in (*hits_of(found.covers), *found.points)
            }  # fmt: skip
        shown.append(
            DetectorShown(
                name=runner.name,
                use=runner.spec.use,
                form="text",
                microseconds=took_us,
                findings=tuple(findings),
                views=(JOINED,),
                error=error,
                on_error=runner.spec.on_error,
            )
        )
    return shown
