"""Explains what models and others outside said of a request or answer: every score, and what it took to get it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns

from gateway.core.explanation import DetectorShown, FindingShown
from gateway.core.segments import Segment
from gateway.guards.document import Opinions
from gateway.guards.kit import Asker
from gateway.guards.outside import meant_for, time_limit
from gateway.guards.plan import Side
from gateway.guards.scored import ScoredDetector
from gateway.plugin.runner import DetectorFailed, within

_Shown = tuple[tuple[FindingShown, ...], str]


async def explain_askers(
    side: Side, segments: Sequence[Segment], opinions: Opinions, outside_us: float
) -> Sequence[DetectorShown]:
    """Explain those who were asked. Each model is asked once more by itself, so that its time is its own.

    Args:
        side: The rules.
        segments: Every text.
        opinions: What was said.
        outside_us: How long that took; those outside are asked side by side.
    """
    rules = (*side.prompt, *side.late)
    shown: list[DetectorShown] = []
    for name, asker in side.kit.askers.items():
        detector = asker.detector
        weighs = isinstance(detector, ScoredDetector)
        if not any(name in rule.names for rule in rules) or (name not in side.asks and not weighs):
            continue
        began = perf_counter_ns()
        findings, error = (
            await _weighed(side, asker, detector, segments) if weighs else _opined(side, name, segments, opinions)
        )
        shown.append(
            DetectorShown(
                name=name,
                use=asker.holder.spec.use,
                form="model" if weighs else "outside",
                microseconds=(perf_counter_ns() - began) / 1000 if weighs else outside_us,
                findings=findings,
                error=error,
                on_error=asker.holder.spec.on_error,
            )
        )
    return shown


async def _weighed(side: Side, asker: Asker, detector: ScoredDetector, segments: Sequence[Segment]) -> _Shown:
    """Every score that a model gives, those below the mark too."""
    meant = meant_for(side, asker, (*side.prompt, *side.late), segments)
    if not meant:
        return (), ""
    try:
        weighed = await within(detector.weigh([(text, about) for _, text, about in meant]), time_limit(asker))
    except DetectorFailed as failed:
        return (), failed.reason
    findings = tuple(
        FindingShown(
            kind=each.kind,
            start=each.start,
            end=each.end,
            score=each.score,
            path=side.kit.shown(segments[number].path),
            counted=detector.counts(each),
        )
        for (number, _, _), found in zip(meant, weighed, strict=True)
        for each in found
    )
    return findings, ""


def _opined(side: Side, name: str, segments: Sequence[Segment], opinions: Opinions) -> _Shown:
    findings = tuple(
        FindingShown(
            kind=cover.mark.kind,
            start=cover.start,
            end=cover.end,
            score=cover.mark.score,
            path=side.kit.shown(segments[number].path),
        )
        for number, found in opinions.found.get(name, {}).items()
        for cover in found.covers
    )
    return findings, opinions.failed.get(name, "")
