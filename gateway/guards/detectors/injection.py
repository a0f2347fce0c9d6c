"""Attempts to give orders to a model, found by rules over every view of a text.

A rule has a level of suspicion: level 1 is sure and quiet, level 4 is worth a look. A detector may look closer than it
acts: what only the closer look finds is advisory. Where a model is asked too (:mod:`.scored`), these rules are what is
left when it does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from gateway.config.shipped import shipped_policies_dir
from gateway.config.source import load_yaml, read_text
from gateway.core.errors import Misconfigured
from gateway.core.injection_rules import LEVELS, InjectionRules, read_rules
from gateway.core.verdict import DetectorSpec
from gateway.core.views import RAW, VIEW_NAMES
from gateway.guards.detectors.injection_rules import Budget, Match, RuleScan
from gateway.guards.views.joined import Joined
from gateway.guards.views.normaliser import Normaliser
from gateway.guards.views.view import View
from gateway.plugin.guard import About, Finding

_ALL = "all"
_MOST_FINDINGS = 128


class NotWhole(Exception):
    """A text asks for more work than is done on one, and what was looked at is clean."""


@cache
def shipped_rules() -> InjectionRules:
    """Return the rules that come with the product; the same object each time.

    Raises:
        Misconfigured: The installation is damaged.
    """
    name = "injection.yaml"
    text, problem = read_text(shipped_policies_dir() / "rules" / name, name)
    if problem is not None:
        raise Misconfigured(str(problem))
    try:
        return read_rules(load_yaml(text, name, fast=True).data)
    except ValueError as wrong:
        raise Misconfigured(f"{name}: {wrong}") from None


class InjectionDetector:
    """Finds orders to the model.

    Attributes:
        name: As rules call it.

    Args:
        name: As rules call it.
        rules: A file of rules.
        enforce: The highest level whose findings count.
        detect: The highest level that is looked for.
        views: Which views are read.
        min_score: Findings below do not count.
    """

    __slots__ = ("_enforce", "_min_score", "_normaliser", "_rules", "_spaced", "_tight", "name")

    def __init__(
        self,
        name: str,
        rules: InjectionRules,
        *,
        enforce: int = 1,
        detect: int = 1,
        views: Collection[str] = VIEW_NAMES,
        min_score: float = 0.0,
    ) -> None:
        self.name = name
        self._enforce = enforce
        self._min_score = min_score
        self._rules = rules
        self._normaliser = Normaliser(views, tight=True)
        self._spaced = RuleScan(rules, detect, tight=False)
        self._tight = RuleScan(rules, detect, tight=True)

    def find(self, text: str, about: About) -> list[Finding]:
        """Return all findings of a text; where several views show the same place, the first one counts.

        Raises:
            NotWhole: See there.
        """
        made = self._normaliser.views(text)
        budget = Budget(len(text))
        findings: list[Finding] = []
        taken: dict[str, list[tuple[int, int]]] = {}
        for view in made:
            for match in (self._tight if view.tight else self._spaced).matches(view, budget):
                start, end = view.original(match.start, match.end)
                places = taken.setdefault(match.rule.kind, [])
                if match.rule.score < self._min_score or any(start < high and low < end for low, high in places):
                    continue
                places.append((start, end))
                findings.append(self._finding(match, start, end, view))
            if len(findings) >= _MOST_FINDINGS:
                break
        if not findings and (budget.spent or not made.whole):
            raise NotWhole
        findings.sort(key=lambda finding: (finding.start, finding.end))
        return findings

    def read_views(self, text: str) -> tuple[str, ...]:
        """Name the views of a text that it reads."""
        return tuple(dict.fromkeys(view.name for view in self._normaliser.views(text)))

    def find_joined(self, texts: Sequence[str]) -> list[tuple[int, Finding]]:
        """Return what shows only where texts that follow each other are read as one.

        Args:
            texts: Of one author, in order.

        Returns:
            Findings, each with the number of the text that its stretch lies in; a match has one for every text.

        Raises:
            NotWhole: See there.
        """
        joined = Joined(texts)
        view = View("joined", joined.text, View(RAW, joined.text))
        made: list[tuple[int, Finding]] = []
        budget = Budget(len(joined.text))
        for match in self._spaced.matches(view, budget):
            stretches = joined.split(match.start, match.end)
            if len({number for number, _, _ in stretches}) > 1 and match.rule.score >= self._min_score:
                made += [(number, self._finding(match, start, end, view)) for number, start, end in stretches]
        if not made and budget.spent:
            raise NotWhole
        return made

    def _finding(self, match: Match, start: int, end: int, view: View) -> Finding:
        rule = match.rule
        return Finding(
            kind=rule.kind,
            start=start,
            end=end,
            label="INJECTION",
            score=rule.score,
            view="" if view.name == RAW else view.name,
            advisory=rule.level > self._enforce,
        )


def build(spec: DetectorSpec) -> InjectionDetector:
    """Build the detector.

    Raises:
        Misconfigured: An option is wrong, or asks for what is not there yet.
    """
    options = spec.options
    if options.get("rules", spec.use) != spec.use:
        raise Misconfigured(f"Detector '{spec.name}': a rule file of one's own is not yet available.")
    if options.get("model") is not None:
        raise Misconfigured(f"Detector '{spec.name}': model is not yet available.")
    enforce, detect = _levels(spec)
    wanted = options.get("views", _ALL)
    views = VIEW_NAMES if wanted in (_ALL, [_ALL]) else wanted
    if unknown := sorted(set(views) - set(VIEW_NAMES)):
        raise Misconfigured(f"Detector '{spec.name}': there is no view '{unknown[0]}'.")
    return InjectionDetector(
        spec.name, shipped_rules(), enforce=enforce, detect=detect, views=views, min_score=spec.min_score
    )


def _levels(spec: DetectorSpec) -> tuple[int, int]:
    level: Any = spec.options.get("level", 1)
    enforce, detect = (level["enforce"], level["detect"]) if hasattr(level, "keys") else (level, level)
    if enforce not in LEVELS or detect not in LEVELS or enforce > detect:
        raise Misconfigured(f"Detector '{spec.name}': level should be 1 to 4, and detect at least enforce.")
    return enforce, detect
