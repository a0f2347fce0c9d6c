"""Explains a verdict: every detector is run by itself and timed, every rule is judged and says why it does not hold.

What is shown is what :mod:`gateway.guards.document` does; this goes the same way with the same parts, slowly. Nothing
it returns holds a word of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

from gateway.core.explanation import DetectorShown, Explanation, FindingShown, RuleShown, SegmentShown
from gateway.core.ports import Dialect
from gateway.core.segments import Direction, Segment
from gateway.core.verdict import CallFacts, RuleSpec, Screened, Step
from gateway.guards.cover import Hit
from gateway.guards.document import Opinions
from gateway.guards.encoded import look_encoded
from gateway.guards.engine import GuardEngine
from gateway.guards.explain_asked import explain_askers
from gateway.guards.explain_joined import LookedAt, explain_joined
from gateway.guards.plan import GuardPlan, Side
from gateway.guards.rules import Rule, admits, mismatch
from gateway.guards.screening import Screening
from gateway.plugin.guard import CallFinding, Subject
from gateway.plugin.runner import DetectorFailed, judge


async def explain(
    engine: GuardEngine,
    facts: CallFacts,
    direction: Direction,
    dialect: Dialect,
    document: Any,
    *,
    request: Any = None,
) -> Explanation:
    """Explain what becomes of a request or a whole answer.

    Args:
        engine: The guards.
        facts: What the exchange is.
        direction: Request or response.
        dialect: Knows the document.
        document: As said; not changed.
        request: The request's document, when this is an answer.
    """
    return await _Explaining(engine, facts, direction, dialect, document, request).explain()


class _Explaining:
    def __init__(
        self,
        engine: GuardEngine,
        facts: CallFacts,
        direction: Direction,
        dialect: Dialect,
        document: Any,
        request: Any,
    ) -> None:
        self._engine = engine
        self._kit = engine.kit
        self._facts = facts
        self._direction: Direction = direction
        self._dialect = dialect
        self._document = document
        self._request = request
        self._plan: GuardPlan = engine.plan(facts)
        self._side: Side = self._plan.request if direction == "request" else self._plan.response
        segments = dialect.segments(document) if direction == "request" else dialect.answer_segments(document)
        self._segments: Sequence[Segment] = list(segments)
        self._late = Screened()

    async def explain(self) -> Explanation:
        began = perf_counter_ns()
        opinions = await self._plan.ask(self._direction, self._dialect, self._document)
        outside_us = _since(began)
        asked = await explain_askers(self._side, self._segments, opinions, outside_us)
        # Before anything is remembered of these texts, so that the times are those of a first look.
        parts = [self._part(segment) for segment in self._segments]
        across = explain_joined(parts) if self._direction == "request" else ()
        screened = self._screen(opinions)
        self._late = await self._observed()
        shown = tuple(self._segment(part) for part in parts)
        rules, texts = (*self._side.prompt, *self._side.late), {rule.spec.id for rule in self._side.texts}
        thresholds = self._kit.thresholds(self._direction)
        judged = self._plan.beside(self._direction)
        beside = {rule.spec.id for rule in judged}
        return Explanation(
            direction=self._direction,
            revision=self._engine.revision,
            segments=shown,
            detectors=(*self._judges(rules), *asked, *across),
            rules=(
                *(self._whole(rule, screened) for rule in rules),
                *(_rule(rule, why_not="judged beside the call") for rule in judged),
            ),
            unmatched=tuple(
                self._unmatched(spec)
                for spec in self._engine.bundle.rules
                if spec.id not in texts | beside and all(rule.spec.id != spec.id for rule in rules)
            ),
            action=screened.action,
            rule=screened.rule,
            route=screened.route,
            taint=screened.taint,
            score=screened.score,
            annotate_at=thresholds.annotate,
            block_at=thresholds.block,
            coverage=screened.coverage,
            microseconds=_since(began),
        )

    async def _observed(self) -> Screened:
        """What rules that only observe, and ask beside the call, would put on the record."""
        if not self._side.late:
            return Screened()
        return await self._plan.observe(self._direction, self._dialect, self._document, request=self._request)

    def _screen(self, opinions: Opinions) -> Screened:
        if self._direction == "request":
            return self._plan.screen_request(self._dialect, self._document, opinions=opinions)
        return self._plan.screen_answer(self._dialect, self._document, request=self._request, opinions=opinions)

    # --- texts

    def _part(self, segment: Segment) -> LookedAt:
        screening = self._side.screening(segment.role, segment.kind, segment.tool)
        look = look_encoded(screening, segment.text) if segment.encoded else screening.look(segment.text)
        return LookedAt(segment, screening, look, self._kit.shown(segment.path))

    def _segment(self, part: LookedAt) -> SegmentShown:
        segment, screening, look, shown = part.segment, part.screening, part.look, part.shown
        began = perf_counter_ns()
        self._kit.matcher.scan(segment.text)
        scan_us = _since(began)
        return SegmentShown(
            path=shown,
            role=segment.role,
            kind=segment.kind,
            tool=segment.tool,
            chars=len(segment.text),
            scan_microseconds=scan_us,
            detectors=tuple(self._patterns(screening, segment, look.hits)) + tuple(self._runners(screening, segment)),
            rules=tuple(self._text_rule(rule, segment, shown, look.hits) for rule in self._side.texts),
        )

    def _patterns(self, screening: Screening, segment: Segment, hits: Sequence[Hit]) -> Sequence[DetectorShown]:
        """The detectors in the common database; each one's time is that of its checks on its own candidates."""
        matcher, text = self._kit.matcher, segment.text
        candidates = list(matcher.scan(text))
        shown: list[DetectorShown] = []
        for spec in self._kit.specs:
            if spec.name not in screening.names or not self._kit.forms[spec.name].startswith("pattern"):
                continue
            number = matcher.numbers[spec.name]
            mine = [each for each in candidates if matcher.detector(each[0]) == number]
            began = perf_counter_ns()
            matcher.stand(text, mine, 0, (0, len(text)), final=True)
            shown.append(
                DetectorShown(
                    name=spec.name,
                    use=spec.use,
                    form="pattern",
                    microseconds=_since(began),
                    findings=tuple(_shown(hit) for hit in hits if hit.detector == spec.name),
                    on_error=spec.on_error,
                )
            )
        return shown

    def _runners(self, screening: Screening, segment: Segment) -> Sequence[DetectorShown]:
        shown: list[DetectorShown] = []
        for runner in screening.runners:
            began = perf_counter_ns()
            found = runner.explain(segment.text, screening.about)
            took_us = _since(began)
            least = runner.spec.min_score
            findings = tuple(
                FindingShown(
                    kind=each.kind,
                    start=each.start,
                    end=each.end,
                    score=each.score,
                    view=each.view,
                    counted=each.score is None or each.score >= least,
                    advisory=each.advisory,
                )
                for each in found.findings
            )
            shown.append(
                DetectorShown(
                    name=runner.name,
                    use=runner.spec.use,
                    form="piece" if runner.piece else "text",
                    microseconds=took_us,
                    findings=findings,
                    views=runner.views(segment.text)
                    or tuple(dict.fromkeys([f.view for f in found.findings if f.view])),
                    error=found.error,
                    on_error=runner.spec.on_error,
                )
            )
        return shown

    def _text_rule(self, rule: Rule, segment: Segment, shown: str, hits: Sequence[Hit]) -> RuleShown:
        match = rule.spec.match
        for name, part in (("role", segment.role), ("kind", segment.kind), ("tool", segment.tool)):
            if not _admits(match, name, part):
                return _rule(rule, why_not=name)
        mine = [
            exempt
            for exempt in rule.exempts
            if admits(exempt.spec.match, segment.role, segment.kind, segment.tool)
        ]  # fmt: skip
        found = {hit.detector for hit in hits if hit.detector in rule.names and not hit.advisory}
        excluded = {name: [each.spec.id for each in mine if each.covers(name, shown)] for name in found}
        heard = {name for name in found if not excluded[name]}
        by = tuple(dict.fromkeys(identity for ids in excluded.values() for identity in ids))
        if rule.fires(heard):
            return _rule(rule, fired=True, excluded_by=by, speaking=heard)
        return _rule(rule, why_not="excluded" if by and rule.fires(found) else "when", excluded_by=by)

    # --- the whole

    def _judges(self, rules: Sequence[Rule]) -> Sequence[DetectorShown]:
        subject = Subject(
            direction=self._direction,
            dialect=self._dialect.name,
            document=self._document,
            segments=self._segments,
            request=self._request,
        )
        shown: list[DetectorShown] = []
        for name, judging in self._kit.judges.items():
            if self._direction not in judging.directions or not any(name in rule.names for rule in rules):
                continue
            spec, error = judging.holder.spec, ""
            found: Sequence[CallFinding] = ()
            began = perf_counter_ns()
            try:
                found = judge(judging.detector, subject)
            except DetectorFailed as failed:
                error = failed.reason
            took_us = _since(began)
            findings = tuple(
                FindingShown(
                    kind=each.kind,
                    score=each.score,
                    path=self._kit.shown(each.path),
                    counted=each.score is None or each.score >= spec.min_score,
                )
                for each in found
            )
            shown.append(
                DetectorShown(
                    name=name,
                    use=spec.use,
                    form="call",
                    microseconds=took_us,
                    findings=findings,
                    error=error,
                    on_error=spec.on_error,
                )
            )
        return shown

    def _whole(self, rule: Rule, screened: Screened) -> RuleShown:
        judged = self._late if rule in self._side.late else screened
        spoken = [event for event in judged.events if event.rule == rule.spec.id]
        if spoken:
            names = {event.detector.partition("/")[0] for event in spoken} - {""}
            return _rule(rule, fired=True, speaking=names)
        return _rule(rule, why_not="when")

    def _unmatched(self, spec: RuleSpec) -> RuleShown:
        rule = self._engine.ready(spec, self._direction, self._facts)
        return _rule(rule, why_not=mismatch(spec.match, self._direction, self._facts) or "role")


def _admits(match: Any, name: str, value: str) -> bool:
    parts = {"role": "", "kind": "", "tool": "", name: value}
    narrowed = type(match)(**{name: getattr(match, name)})
    return admits(narrowed, parts["role"], parts["kind"], parts["tool"])


def _rule(
    rule: Rule, *, fired: bool = False, why_not: str = "", excluded_by: tuple[str, ...] = (), speaking: Any = ()
) -> RuleShown:
    return RuleShown(
        id=rule.spec.id,
        mode=rule.spec.mode,
        acts=rule.acts,
        fired=fired,
        why_not=why_not,
        excluded_by=excluded_by,
        detectors=tuple(name for name in rule.detectors if name in speaking),
        steps=tuple(_step(step) for step in rule.spec.steps),
    )


def _step(step: Step) -> str:
    details = {
        "score": f" {step.score:g}",
        "route": f" {step.route}",
        "rewrite": f" {step.rewrite}",
        "taint": f" {step.taint}",
        "capture": f" {step.capture}",
        "mask": f" restore in {', '.join(step.restore_in)}" if step.restore_in else "",
    }
    return step.action + details.get(step.action, "")


def _shown(hit: Hit) -> FindingShown:
    return FindingShown(kind=hit.pattern, start=hit.start, end=hit.end, score=hit.score, view=hit.view)


def _since(began_ns: int) -> float:
    return (perf_counter_ns() - began_ns) / 1000
