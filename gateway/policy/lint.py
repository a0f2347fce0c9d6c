"""What is allowed and still not what anybody wants: rules that do nothing, contradictions, forgotten exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from gateway.config.source import NodePath, Problem
from gateway.core.verdict import Match, RuleSpec
from gateway.policy.expression import detectors_of, speaking
from gateway.policy.load import LoadedBundle
from gateway.policy.model import ExclusionSpec
from gateway.policy.refused import refused_patterns
from gateway.policy.relations import can_hold, covers, implies, impossible, meet
from gateway.policy.scored import Scored, asks_model
from gateway.policy.sources import PolicyFile
from gateway.policy.steps import EDITS, STRENGTH

SOON_S = 30 * 86_400
_ACTING = ("enforce", "canary")
_WHOLE = {
    "text": "judges whole texts",
    "call": "judges whole answers",
    "outside": "asks somebody about whole answers",
}
_MODEL, _EDITED = "model", "asks a model, and what it edits must be whole"


_NOTES = frozenset({"holds-stream", "late"})


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing that was found.

    Attributes:
        file: Where.
        line: The same.
        code: Which kind of thing it is; stable.
        level: ``error`` for what should be changed, ``note`` for what is good to know.
        message: In words.
    """

    file: str
    line: int
    code: str
    level: Literal["error", "note"]
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: message [code]``, the form that editors jump to."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {'note: ' if self.level == 'note' else ''}{self.message} [{self.code}]"


def lint(loaded: LoadedBundle, now_s: float, forms: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """Look a bundle over.

    Args:
        loaded: The bundle, sound or not.
        now_s: Seconds since 1970, for what expires.
        forms: How each detector runs, by name, as far as is known.

    Returns:
        What was found, by file and line. What is wrong with the bundle comes first: the rest may mislead then.
    """
    found = [Finding(p.file, p.line, "invalid", "error", p.message) for p in loaded.problems]
    found += [Finding(p.file, p.line, "pattern", "error", p.message) for p in refused_patterns(loaded.files)]
    order = {file.document.name: number for number, file in enumerate(loaded.files)}
    linter = _Linter(loaded, forms or {})
    rest = [*linter.rules(), *linter.exclusions(now_s), *linter.names(), *linter.options()]
    return (*found, *sorted(rest, key=lambda f: (order.get(f.file, len(order)), f.line, f.code)))


class _Linter:
    """Looks at the files that were asked for, in the light of all."""

    def __init__(self, loaded: LoadedBundle, forms: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._forms = forms
        self._rules = {rule.id: rule for rule in loaded.compiled.bundle.rules}
        self._named = {loaded.files[number].document.name for number in loaded.named}

    def _place(self, rule: RuleSpec) -> Problem:
        return self._loaded.compiled.places["rule", rule.id]

    def rules(self) -> Iterator[Finding]:
        """Look at each rule, and at each pair."""
        tested = {test.rule for test in self._loaded.tests}
        before: list[RuleSpec] = []
        for rule in self._rules.values():
            place = self._place(rule)
            if place.file in self._named:
                said = [*self._alone(rule), *_beside(rule, before)]
                if rule.id not in tested and not self._judged(rule):
                    said.append(("untested", "is named by no test"))
                for code, message in said:
                    level = "note" if code in _NOTES else "error"
                    yield Finding(place.file, place.line, code, level, f"rule '{rule.id}' {message}")
            before.append(rule)

    def _judges_late(self, rule: RuleSpec) -> Iterator[tuple[str, str]]:
        if rule.action == "block" and rule.match.direction != ("request",) and self._judged(rule):
            yield "late", "ends only streams that still run: a whole answer has left when its judge speaks"

    def _judged(self, rule: RuleSpec) -> bool:
        """Whether it is a judge who speaks for it: tests ask none."""
        return any(self._forms.get(name) == "judge" for name in detectors_of(rule.when))

    def _alone(self, rule: RuleSpec) -> Iterator[tuple[str, str]]:
        if why := impossible(rule.match):
            yield "unreachable", f"can never apply: {why}"
        elif not can_hold(rule.when):
            yield "unreachable", "can never hold: its when contradicts itself"
        elif rule.mode in _ACTING and rule.match.direction != ("request",):
            yield from self._judges_late(rule)
            if rule.match.stream is not False:
                yield from self._holds_streams(rule)

    def _holds_streams(self, rule: RuleSpec) -> Iterator[tuple[str, str]]:
        if STRENGTH[rule.action] < STRENGTH["rewrite"]:
            return
        edits = any(step.action in EDITS for step in rule.steps)
        for name in dict.fromkeys(detectors_of(rule.when)):
            form = self._forms.get(name, "")
            if form.endswith(_MODEL) and not edits:
                continue
            why = _EDITED if form.endswith(_MODEL) else _WHOLE.get(form)
            if why:
                yield "holds-stream", f"holds streams to their end: '{name}' {why}"
                return
        if rule.when.op in ("all", "not"):
            yield "holds-stream", "holds streams to their end: its when can be judged only then"

    def exclusions(self, now_s: float) -> Iterator[Finding]:
        """Look at each exclusion."""
        for file in self._files():
            for index, spec in enumerate(file.spec.exclusions):
                line = file.document.line(("exclusions", index))
                for code, level, message in _exclusion(spec, now_s):
                    yield Finding(file.document.name, line, code, level, f"exclusion '{spec.id}' {message}")

    def options(self) -> Iterator[Finding]:
        """Look for what is said of detectors and can have no effect."""
        for file in self._files():
            for name, spec in file.spec.detectors.items():
                if isinstance(spec, Scored) and spec.stream is not None and not self._ends_streams(name):
                    line = file.document.line(("detectors", name, "stream"))
                    message = f"detector '{name}': stream has no effect: no rule on it can end a stream"
                    yield Finding(file.document.name, line, "idle-option", "error", message)
                if file.spec.on_error.get(name) == "rules_only" and not asks_model(spec):
                    line = file.document.line(("on_error", name))
                    message = f"on_error of '{name}': rules_only has no effect: it asks no model"
                    yield Finding(file.document.name, line, "idle-option", "error", message)

    def _ends_streams(self, name: str) -> bool:
        """Whether a rule on a detector may end a stream, now or when it is meant in earnest."""
        return any(
            name in detectors_of(rule.when)
            and rule.match.direction != ("request",)
            and rule.match.stream is not False
            and any(step.action in ("block", "score") for step in rule.steps)
            for rule in self._rules.values()
        )

    def names(self) -> Iterator[Finding]:
        """Look for detectors and lists that nothing uses."""
        used = {name for rule in self._rules.values() for name in detectors_of(rule.when)}
        for spec in self._loaded.compiled.bundle.detectors:
            used.update(spec.options.get("detectors", ()) if spec.use == "image_text" else ())
        for file in self._files():
            for section, what, needed in (
                ("detectors", "detector", used),
                ("lists", "list", self._loaded.compiled.used_lists),
            ):
                for name in sorted(file.names[section] - needed):
                    path: NodePath = (section, name)
                    by = "no rule" if what == "detector" else "no detector"
                    message = f"{what} '{name}' is used by {by}"
                    yield Finding(file.document.name, file.document.line(path), f"unused-{what}", "error", message)

    def _files(self) -> Sequence[PolicyFile]:
        return [self._loaded.files[number] for number in sorted(self._loaded.named)]


def _beside(rule: RuleSpec, before: Sequence[RuleSpec]) -> Iterator[tuple[str, str]]:
    """What the rules before make of this one."""
    for other in before:
        if other.mode == "enforce" and not other.exclusions and _takes_over(other, rule):
            yield "shadowed", f"adds nothing: '{other.id}' applies wherever it does, and {_does(other)}"
            return
    for other in before:
        contradiction = _contradiction(other, rule)
        if contradiction:
            yield "conflict", f"contradicts '{other.id}': {contradiction}"


def _takes_over(other: RuleSpec, rule: RuleSpec) -> bool:
    if not covers(other.match, rule.match) or not implies(rule.when, other.when):
        return False
    weaker = {step.action for step in rule.steps} - {step.action for step in other.steps}
    if weaker & {"taint", "score", "route", "capture"} or (weaker == {"annotate"} and rule.action == "annotate"):
        return False
    if other.action == "block":
        return True
    same = set(speaking(rule.when)) <= set(speaking(other.when))
    return same and rule.steps == other.steps


def _does(rule: RuleSpec) -> str:
    return "blocks the call" if rule.action == "block" else "does the same"


def _contradiction(one: RuleSpec, other: RuleSpec) -> str:
    if one.mode not in _ACTING or other.mode not in _ACTING or not meet(one.match, other.match):
        return ""
    shared = set(speaking(one.when)) & set(speaking(other.when))
    if not shared:
        return ""
    ours, theirs = _effects(one), _effects(other)
    for kind in ours.keys() & theirs.keys():
        if ours[kind] != theirs[kind]:
            names = "' and '".join(sorted(shared))
            return f"for what '{names}' finds, {ours[kind]} there and {theirs[kind]} here"
    return ""


def _effects(rule: RuleSpec) -> dict[str, str]:
    effects: dict[str, str] = {}
    for step in rule.steps:
        if step.action in EDITS:
            effects["edit"] = f"rewrite: {step.rewrite}" if step.rewrite else step.action
        elif step.action == "route":
            effects["route"] = f"route: {step.route}"
    return effects


def _exclusion(spec: ExclusionSpec, now_s: float) -> Iterator[tuple[str, Literal["error", "note"], str]]:
    left_s = spec.expires - now_s
    if left_s <= 0:
        yield "expired", "error", "has expired: its rule applies everywhere again; remove it, or decide anew"
    elif left_s <= SOON_S:
        yield "expiring", "note", f"expires in {max(1, round(left_s / 86_400))} days"
    if spec.field is None and _everywhere(spec.match.compiled()):
        yield (
            "broad",
            "error",
            "switches its rule off everywhere; say where it should not apply, or change its mode",
        )


def _everywhere(match: Match) -> bool:
    return covers(match, Match())
