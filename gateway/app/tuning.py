"""Finds a threshold in one's own traffic: how often a detector's scores lie above each value in calls that were fine.

Recorded calls are weighed once more, by the texts that the bundle's rules would show the detector. A call's score is
the highest of its texts, so a share is one of calls, which is what people notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor
from typing import Any

import msgspec

from gateway.app.explaining import Asked, NothingToExplain, asked_of_exchange
from gateway.core.segments import Direction, Segment
from gateway.guards.engine import GuardEngine
from gateway.guards.outside import meant_for
from gateway.guards.plan import Side
from gateway.guards.rules import admits
from gateway.guards.runner import Runner
from gateway.guards.scored import ScoredDetector
from gateway.plugin.guard import About

# What a table shows, beside what was asked for.
SHARES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_DIGITS = 4
_STEP = 10**-_DIGITS


class NothingToTune(Exception):
    """There is nothing to weigh; the message says why."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    Attributes:
        target_fpr: At most this share of calls is to be flagged.
        min_score: The threshold for that; ``None`` when there are too few calls to measure such a share.
        flagged: Calls at or above it.
        share: Their share.
    """

    target_fpr: float
    min_score: float | None
    flagged: int = 0
    share: float = 0.0


class Weigher:
    """Weighs recorded calls.

    Args:
        engine: The guards.
        name: The detector.

    Raises:
        NothingToTune: No rule asks it, or it gives no scores of its own.
    """

    def __init__(self, engine: GuardEngine, name: str) -> None:
        kit = engine.kit
        self._engine = engine
        self._name = name
        self._asker = kit.askers.get(name)
        self._runner: Runner | None = next((runner for runner in kit.runners if runner.name == name), None)
        self._known: dict[tuple[str, About], float] = {}
        if name not in kit.forms:
            declared = any(spec.name == name for spec in engine.bundle.detectors)
            raise NothingToTune(f"no rule asks the detector '{name}'" if declared else f"no detector is named '{name}'")
        if self._asker is not None and not self._asker.modelled:
            raise NothingToTune(f"'{name}' asks somebody else, once for each call; its scores are theirs")
        if self._asker is None and (self._runner is None or self._runner.piece):
            raise NothingToTune(f"'{name}' finds or does not find: it gives no scores")

    async def weigh(self, row: Mapping[str, Any]) -> float | None:
        """Return the highest score in a recorded call; ``None`` when no text of it is shown to the detector.

        Raises:
            GatewayError: The model cannot be asked.
        """
        try:
            asked = asked_of_exchange(row, "")
        except NothingToExplain:
            return None
        plan = self._engine.plan(asked.facts)
        scores = [
            *await self._weigh(plan.request, "request", asked, asked.request),
            *await self._weigh(plan.response, "response", asked, asked.answer),
        ]
        return max(scores, default=None)

    async def _weigh(self, side: Side, direction: Direction, asked: Asked, document: Any) -> list[float]:
        if document is None:
            return []
        dialect = asked.dialect
        segments = list(dialect.segments(document) if direction == "request" else dialect.answer_segments(document))
        if self._asker is None:
            return self._by_itself(side, segments)
        meant = meant_for(side, self._asker, (*side.prompt, *side.late), segments)
        texts = list(dict.fromkeys((text, about) for _, text, about in meant))
        fresh = [text for text in texts if text not in self._known]
        detector = self._asker.detector
        if fresh and isinstance(detector, ScoredDetector):
            # Every score counts here, those that the cheap tier would have settled too.
            for text, found in zip(fresh, await detector.weigh(fresh, 0.0), strict=True):
                self._known[text] = max([each.score or 0.0 for each in found], default=0.0)
        return [self._known[text] for text in texts]

    def _by_itself(self, side: Side, segments: Sequence[Segment]) -> list[float]:
        runner = self._runner
        rules = [rule for rule in (*side.texts, *side.prompt, *side.late) if self._name in rule.names]
        scores: list[float] = []
        for segment in segments:
            about = About(side.direction, segment.role, segment.kind, segment.tool)
            if runner is None or not runner.takes(about):
                continue
            if any(admits(rule.spec.match, segment.role, segment.kind, segment.tool) for rule in rules):
                found = runner.explain(segment.text, about).findings
                scores.append(max([each.score or 0.0 for each in found], default=0.0))
        return scores


def table(scores: Iterable[float], target_fpr: float) -> tuple[Mark, ...]:
    """Make the table from share to threshold.

    Args:
        scores: Of calls that were fine.
        target_fpr: The share that was asked for.
    """
    ranked = sorted(scores, reverse=True)
    shares = sorted({*SHARES, target_fpr}, reverse=True)
    return tuple(_mark(ranked, share) for share in shares)


def _mark(ranked: Sequence[float], share: float) -> Mark:
    most = floor(share * len(ranked) + 1e-9)
    if not most:
        return Mark(target_fpr=share, min_score=None)
    if most >= len(ranked):
        return Mark(target_fpr=share, min_score=0.0, flagged=len(ranked), share=1.0)
    # Just above the best of those that must not be flagged; calls with one score are flagged together or not at all.
    mark = floor(ranked[most] / _STEP + 1e-6) * _STEP + _STEP
    flagged = sum(score >= mark for score in ranked)
    return Mark(target_fpr=share, min_score=round(mark, _DIGITS), flagged=flagged, share=flagged / len(ranked))
