"""Detectors with a model behind them: scores become findings at a threshold.

The threshold is the policy's (``min_score``), or the score that a share of benign texts passes (``target_fpr``), looked
up in the model's own table when the bundle is loaded. The model itself is loaded when it is first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.core.errors import Misconfigured
from gateway.core.scored import NAMES_MIN_SCORE, categories_of, scorer_of
from gateway.core.segments import Kind
from gateway.core.verdict import DetectorSpec
from gateway.guards.models.scoring import Score, Scorer
from gateway.plugin.guard import About, Finding, Scope

Scorers = Callable[[str], Scorer]

# What a person or a tool may have written. Names, keys and numbers are no language, and models are not asked of them.
PROSE: tuple[Kind, ...] = ("text", "reasoning", "refusal", "tool_argument", "tool_result", "tool_description", "leaf")
# Of texts that nobody knows the kind of, those that may be a sentence.
_LEAF_CHARS = 16
_LABELS = {"injection": "INJECTION", "instruction": "INJECTION", "toxicity": "TOXIC"}
# For a detector that the policy gives no time limit.
DEFAULT_TIMEOUT_S = 2.0
_WARM_UP = (("Is the model there?", About("request", "user")),)


class ScoredDetector:
    """Asks a model; a :class:`gateway.plugin.guard.OutsideDetector` whose findings depend on the text alone.

    Args:
        name: As rules call it.
        scorer: The model.
        marks: By category, the score from which on it is found. What has none is not wanted.
    """

    scope = Scope(kinds=PROSE)
    stable = True

    def __init__(self, name: str, scorer: Scorer, marks: Mapping[str, float]) -> None:
        self.name = name
        self._scorer = scorer
        self._marks = dict(marks)
        self._lowest = min(marks.values(), default=1.0)

    def takes(self, text: str, about: About) -> bool:
        """Whether a text may hold what the model knows."""
        return about.kind != "leaf" or (len(text) >= _LEAF_CHARS and " " in text.strip())

    def counts(self, finding: Finding) -> bool:
        """Whether a finding of :meth:`weigh` is one."""
        return finding.score is not None and finding.score >= self._marks[finding.kind.partition("/")[0]]

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        """Return what is found in each text.

        Raises:
            ModelFailed: See :class:`gateway.guards.models.scoring.Scorer`.
        """
        scored = await self._scorer.score(texts, self._lowest)
        return [[found for found in self._findings(scores) if self.counts(found)] for scores in scored]

    async def weigh(self, texts: Sequence[tuple[str, About]], at: float | None = None) -> list[list[Finding]]:
        """Return all scores of each text, however low; raises as :meth:`judge`.

        Args:
            texts: The texts.
            at: The threshold that the model is to take for the one in force; its own without.
        """
        scored = await self._scorer.score(texts, self._lowest if at is None else at)
        return [self._findings(scores) for scores in scored]

    async def warm(self) -> None:
        """Load the model; raises as :meth:`judge`."""
        await self._scorer.score(_WARM_UP, 0.0)

    async def close(self) -> None:
        """Let go of nothing: the model belongs to whoever gave it."""

    def _findings(self, scores: Sequence[Score]) -> list[Finding]:
        return [
            Finding(
                kind=f"{score.category}/{score.tier}" if score.tier else score.category,
                start=score.start,
                end=score.end,
                label=_LABELS.get(score.category) or _LABELS.get(self._scorer.name) or score.category,
                score=score.value,
            )
            for score in scores
            if score.category in self._marks
        ]


def build(spec: DetectorSpec, scorers: Scorers | None) -> ScoredDetector | None:
    """Build the part of a detector that asks a model.

    Args:
        spec: As the policy room compiled it.
        scorers: Gives the models.

    Returns:
        The detector; ``None`` for one that asks no model.

    Raises:
        Misconfigured: There are no models here, or the share of false alarms is smaller than what was measured.
    """
    name = scorer_of(spec)
    if not name:
        return None
    if scorers is None:
        raise Misconfigured("asks a model, and there are none here")
    scorer = scorers(name)
    return ScoredDetector(spec.name, scorer, _marks(spec, scorer))


def _marks(spec: DetectorSpec, scorer: Scorer) -> dict[str, float]:
    categories = categories_of(spec)
    share = spec.options.get("target_fpr")
    if share is None:
        least = spec.min_score or (NAMES_MIN_SCORE if spec.use == "pii" else 0.0)
        return dict.fromkeys(categories, least)
    try:
        return {category: scorer.threshold(share, category) for category in categories}
    except ValueError as refused:
        raise Misconfigured(f"target_fpr: {refused}") from None
