"""From rules and exclusions as written to rules as guards apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.config.source import NodePath
from gateway.config.validation import suggestion
from gateway.core.verdict import DetectorSpec, Exclusion, RuleSpec, Step
from gateway.policy.compile_detectors import names_in
from gateway.policy.expression import detectors_of, finds_something, speaking
from gateway.policy.model import ExclusionSpec, RuleSpecification
from gateway.policy.report import Report
from gateway.policy.sources import PolicyFile
from gateway.policy.steps import EDITS

# Detectors that say what a finding becomes, and those whose findings a rewrite can take out.
_OFFERS_TEXT = frozenset({"url_egress", "unicode", "webhook"})
# A judge is asked beside the call: it can end it, or be remarked on.
_JUDGES, _BESIDE = frozenset({"judge", "image_text"}), ("block", "annotate")
_WHOLE_CALLS = frozenset({"limits", "json_schema", "tools"})


class RuleCompiler:
    """Compiles rules, then the exclusions from them.

    Attributes:
        rules: By id, in the order of the files.
    """

    def __init__(self, files: Sequence[PolicyFile], detectors: Mapping[str, DetectorSpec], report: Report) -> None:
        self._files = files
        self._detectors = detectors
        self._report = report
        self.rules: dict[str, RuleSpec] = {}

    def take(self, file: PolicyFile) -> None:
        """Compile a file's rules."""
        for index, spec in enumerate(file.spec.rules):
            path = ("rules", index)
            if self._report.first(file, "rule", spec.id, (*path, "id")):
                self._check_names(file, path, spec)
                self._check_judges(file, path, spec)
                for step in spec.do:
                    self._check_step(file, path, spec, step)
                self.rules[spec.id] = RuleSpec(
                    id=spec.id,
                    match=spec.match.compiled(),
                    when=spec.when,
                    steps=spec.do,
                    mode=spec.mode.mode,
                    canary=spec.mode.canary,
                )

    def take_exclusions(self, file: PolicyFile) -> None:
        """Compile a file's exclusions, which may name rules of every file."""
        for index, spec in enumerate(file.spec.exclusions):
            path = ("exclusions", index)
            self._report.first(file, "exclusion", spec.id, (*path, "id"))
            self._check_exclusion(file, path, spec)
            rule = self.rules.get(spec.rule)
            if rule is not None:
                exclusion = Exclusion(
                    id=spec.id,
                    match=spec.match.compiled(),
                    detector=spec.detector or "",
                    field=spec.field or "",
                    expires_unix_s=spec.expires,
                )
                self.rules[spec.rule] = msgspec.structs.replace(rule, exclusions=(*rule.exclusions, exclusion))

    def _check_names(self, file: PolicyFile, path: NodePath, spec: RuleSpecification) -> None:
        known = names_in(self._files, file, "detectors")
        for name in dict.fromkeys(detectors_of(spec.when)):
            if name not in known:
                message = f"no detector of this file is named '{name}'{suggestion(name, known)}"
                self._report.problem(file, (*path, "when"), message)

    def _check_judges(self, file: PolicyFile, path: NodePath, spec: RuleSpecification) -> None:
        """A judge answers when the call is on its way: nothing can wait for it, and nothing can be edited any more."""
        uses = {n: self._detectors[n].use for n in detectors_of(spec.when) if n in self._detectors}
        judges = [name for name, use in uses.items() if use in _JUDGES]
        if not judges:
            return
        others = [name for name, use in uses.items() if use not in _JUDGES]
        if others:
            message = f"'{judges[0]}' answers beside the call, '{others[0]}' before it goes on; give each a rule"
            self._report.problem(file, (*path, "when"), message)
        if not finds_something(spec.when):
            self._report.problem(file, (*path, "when"), "a judge speaks by what it finds; this also holds without")
        for step in spec.do:
            if step.action not in _BESIDE:
                message = f"{step.action} comes too late for a judge, which is asked beside the call: block or annotate"
                self._report.problem(file, (*path, "do"), message)

    def _check_step(self, file: PolicyFile, path: NodePath, spec: RuleSpecification, step: Step) -> None:
        action = step.action
        if action in EDITS and not finds_something(spec.when):
            message = f"{action} needs a hit to {action}; this also holds when nothing was found"
            self._report.problem(file, (*path, "when"), message)
            return
        uses = {name: self._detectors[name].use for name in speaking(spec.when) if name in self._detectors}
        if action in ("redact", "mask"):
            for name, use in uses.items():
                if use in _WHOLE_CALLS:
                    message = f"{action} needs a text to {action}; '{name}' judges the whole call"
                    self._report.problem(file, (*path, "do"), message)
        if step.rewrite == "text_only" and uses and not set(uses.values()) & _OFFERS_TEXT:
            message = "text_only needs a detector that says what is left: url_egress, unicode or webhook"
            self._report.problem(file, (*path, "do"), message)
        directions = spec.match.compiled().direction
        if action in ("mask", "route") and directions == ("response",):
            message = f"{action} is for requests; this rule is for responses"
            self._report.problem(file, (*path, "do"), message)

    def _check_exclusion(self, file: PolicyFile, path: NodePath, spec: ExclusionSpec) -> None:
        known = {name for each in self._files for name in each.rule_ids}
        if spec.rule not in known:
            self._report.problem(file, (*path, "rule"), f"no rule is named '{spec.rule}'{suggestion(spec.rule, known)}")
        rule = self.rules.get(spec.rule)
        if spec.detector is not None and rule is not None:
            named = set(detectors_of(rule.when))
            if spec.detector not in named:
                message = f"rule '{spec.rule}' has no detector '{spec.detector}'{suggestion(spec.detector, named)}"
                self._report.problem(file, (*path, "detector"), message)
