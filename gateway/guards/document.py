"""Rules over a whole request or answer: every text by itself, then what is judged over all of them, then the edits."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

from gateway.core.segments import KEY, Direction, Path, Segment, replace_leaves, without_paths
from gateway.core.verdict import ANY, OnError, Screened
from gateway.guards.conversation import find_joined
from gateway.guards.cover import Hit
from gateway.guards.encoded import leaves, look_encoded
from gateway.guards.kit import Kit
from gateway.guards.redaction import Edit
from gateway.guards.rules import Rule, admits
from gateway.guards.runner import Found
from gateway.guards.screening import LOOKALIKE, Look, PlainLook, Screening, Tally, of_local
from gateway.guards.vault import PLACEHOLDER, Masks
from gateway.plugin.guard import CallFinding, Subject
from gateway.plugin.runner import DetectorFailed, judge


class Scope(Enum):
    """Which rules are judged."""

    ALL = "all"
    # Rules over the whole; texts are judged elsewhere.
    WHOLE = "whole"
    # Rules that only observe and had to ask someone else.
    LATE = "late"


class Opinions(msgspec.Struct):
    """What detectors outside said.

    Attributes:
        found: By detector, by the number of the text.
        failed: Detectors that could not judge, and why.
    """

    found: dict[str, dict[int, Found]] = {}
    failed: dict[str, str] = {}


class Sided(Protocol):
    """The rules of one direction; :class:`gateway.guards.plan.Side`."""

    kit: Kit
    direction: Direction
    texts: tuple[Rule, ...]
    prompt: tuple[Rule, ...]
    late: tuple[Rule, ...]

    def screening(self, role: str, kind: Any, tool: str) -> Screening:
        """Return the rules for one kind of text."""
        ...


class _Text(msgspec.Struct):
    """One text that rules look at."""

    number: int
    segment: Segment
    screening: Screening
    look: Look
    edits: dict[int, Edit] = {}
    # The rule that edits; the first of several.
    by: str = ""
    shown: str = ""


class _Heard(msgspec.Struct):
    """What speaks for a rule over the whole: where, in which texts, and what it may take out."""

    seen: set[str] = set()
    places: list[tuple[str, list[Hit]]] = []
    texts: list[tuple[_Text, frozenset[str]]] = []
    removed: list[Path] = []


_SEEN_NOTHING = PlainLook("", [], [], [])


class DocumentScreen:
    """One screening of one document.

    Args:
        side: The rules.
        subject: The document and its texts.
        masks: Take what is masked.
        opinions: What was said outside.
    """

    def __init__(self, side: Sided, subject: Subject, masks: Masks | None, opinions: Opinions | None) -> None:
        self._side = side
        self._kit = side.kit
        self._subject = subject
        self._masks = masks or Masks()
        self._opinions = opinions or Opinions()
        self._texts: list[_Text] = []
        self._removed: set[Path] = set()
        self._uncovered: set[int] = set()

    def screen(self, scope: Scope) -> tuple[Screened, set[Path]]:
        """Judge, and give the verdict with the paths of the texts that were edited."""
        rules = {Scope.ALL: self._side.prompt, Scope.WHOLE: self._side.prompt, Scope.LATE: self._side.late}[scope]
        document = self._subject.document
        if not self._gather(over_all=bool(rules)):
            return Screened(document=document), set()
        self._tally = Tally(self._side.direction, self._kit.now_ns, self._kit.thresholds(self._side.direction))
        for text in self._texts:
            self._look_at(text)
        if self._side.direction == "request":
            self._look_across()
        for text in self._texts:
            self._judge_text(text, by_rules=scope is Scope.ALL)
        if rules:
            self._judge_whole(rules)
        return self._concluded(document)

    def clean(self) -> bool:
        """Say whether no rule can hold; no when in doubt."""
        return not self._gather(over_all=bool(self._side.prompt or self._side.late))

    def _gather(self, *, over_all: bool) -> bool:
        """Find out which texts rules look at, and say whether there is anything to judge."""
        side = self._side
        texts: list[_Text] = []
        idle = over_all
        opined = {number for found in self._opinions.found.values() for number in found}
        for number, segment in enumerate(self._subject.segments):
            screening = side.screening(segment.role, segment.kind, segment.tool)
            if screening.names or number in opined:
                texts.append(_Text(number, segment, screening, _SEEN_NOTHING))
                idle = idle or screening.idle or bool(screening.runners) or _has_lookalike(screening, segment.text)
        self._texts = texts
        if not texts and not over_all:
            return False
        # No pattern knows the ends of a text, so whatever is found in one of them is found in all of them joined.
        self._patterns = bool(texts) and self._kit.matcher.quick("\n".join([_scanned(text.segment) for text in texts]))
        return idle or self._patterns

    def _look_at(self, text: _Text) -> None:
        segment, screening = text.segment, text.screening
        if self._patterns or screening.idle or screening.runners or screening.masking is not None:
            text.look = look_encoded(screening, segment.text) if segment.encoded else screening.look(segment.text)

    def _look_across(self) -> None:
        """Add what runs from one text of an author into the next."""
        for number, runner, found in find_joined(self._texts):
            look = self._texts[number].look
            look.add(found.covers, found.points)
            if found.error:
                look.failed = [*look.failed, (runner.spec, found.error)]

    def _judge_text(self, text: _Text, *, by_rules: bool) -> None:
        screening = text.screening
        self._add_opinions(text)
        look = text.look
        if look is _SEEN_NOTHING:
            return
        if look.failed:
            self._shown(text)
            self._uncovered.add(text.number)
            for spec in dict.fromkeys(spec.name for spec, _ in look.failed):
                acts = any(rule.acts and spec in rule.names for rule in (*screening.rules, *self._side.prompt))
                self._tally.fail(spec, of_local(self._on_error(spec)), text.shown, acts=acts)
        if not by_rules:
            return
        if any(hit.advisory for hit in look.hits):
            self._tally.advise(look.hits, self._shown(text))
        if screening.exempt:
            self._shown(text)
        fired = screening.fired(look.hits, text.shown)
        if fired:
            shown = self._shown(text)
            for rule in fired:
                speaking = rule.speaking(shown)
                self._tally.add(rule, [hit for hit in look.hits if hit.detector in speaking], shown)
        if fired or screening.masking is not None:
            text.edits = screening.edits(fired, text.shown)
            text.by = next((rule.spec.id for rule in fired if rule.edits), "")

    def _add_opinions(self, text: _Text) -> None:
        for found in self._opinions.found.values():
            opinion = found.get(text.number)
            if opinion is not None:
                if text.look is _SEEN_NOTHING:
                    text.look = PlainLook(text.segment.text, [], [], [])
                text.look.add(opinion.covers, [hit for hit in opinion.points if not hit.advisory])
                if any(hit.advisory for hit in opinion.points):
                    self._tally.advise(opinion.points, self._shown(text))

    def _judge_whole(self, rules: Sequence[Rule]) -> None:
        found, failed = self._findings(rules)
        failed |= {name: why for name, why in self._opinions.failed.items() if any(name in r.names for r in rules)}
        for name in failed:
            self._uncovered.update(range(len(self._subject.segments)))
            acts = any(rule.acts and name in rule.names for rule in rules)
            self._tally.fail(name, self._on_error(name), "", acts=acts)
        for rule in rules:
            self._judge_rule(rule, found)

    def _on_error(self, name: str) -> OnError:
        return self._kit.specs[self._kit.matcher.numbers[name]].on_error

    def _findings(self, rules: Sequence[Rule]) -> tuple[dict[str, Sequence[CallFinding]], dict[str, str]]:
        """Ask the detectors that judge the whole."""
        found: dict[str, Sequence[CallFinding]] = {}
        failed: dict[str, str] = {}
        for name, judging in self._kit.judges_of(self._side.direction).items():
            if any(name in rule.names for rule in rules):
                try:
                    findings = judge(judging.detector, self._subject)
                except DetectorFailed as broken:
                    failed[name] = broken.reason
                    continue
                least = judging.holder.spec.min_score
                found[name] = [item for item in findings if item.score is None or item.score >= least]
        return found, failed

    def _judge_rule(self, rule: Rule, found: dict[str, Sequence[CallFinding]]) -> None:
        heard = _Heard()
        for text in self._texts:
            self._hear_text(rule, text, heard)
        for name, findings in found.items():
            if name in rule.names:
                self._hear_whole(rule, name, findings, heard)
        if not rule.fires(heard.seen):
            return
        for number, (shown, hits) in enumerate(heard.places or [("", [])]):
            self._tally.add(rule, hits, shown, weigh=number == 0)
        if rule.edit is not None:
            self._edit(rule.edit, rule.spec.id, heard)

    def _hear_text(self, rule: Rule, text: _Text, heard: _Heard) -> None:
        segment = text.segment
        if not text.look.hits or not admits(rule.spec.match, segment.role, segment.kind, segment.tool):
            return
        shown = self._shown(text)
        hits = [
            hit
            for hit in text.look.hits
            if not hit.advisory and hit.detector in rule.names and rule.counts(hit.detector, shown)
        ]
        heard.seen.update([hit.detector for hit in hits])
        speaking = rule.speaking(shown)
        spoken = [hit for hit in hits if hit.detector in speaking]
        if spoken:
            heard.places.append((shown, spoken))
            heard.texts.append((text, speaking))

    def _hear_whole(self, rule: Rule, name: str, findings: Sequence[CallFinding], heard: _Heard) -> None:
        for item in findings:
            shown = self._kit.shown(item.path)
            if self._about(rule, item.path) and rule.counts(name, shown):
                heard.seen.add(name)
                if name in rule.detectors:
                    heard.places.append((shown, [Hit(name, item.kind, item.kind, 0, 0, item.score)]))
                    if item.removes and item.path:
                        heard.removed.append(item.path)

    def _edit(self, edit: Edit, rule: str, heard: _Heard) -> None:
        numbers = self._kit.matcher.numbers
        for text, speaking in heard.texts:
            text.by = text.by or rule
            for name in speaking:
                known = text.edits.get(numbers[name])
                if known is None or edit.strength > known.strength:
                    text.edits = {**text.edits, numbers[name]: edit}
        if edit.action == "rewrite":
            self._removed.update(heard.removed)

    def _about(self, rule: Rule, path: Path) -> bool:
        """Whether a finding at a path is about a text that the rule's match admits."""
        match = rule.spec.match
        if match.role == ANY and match.kind == ANY and match.tool == ANY:
            return True
        return any(
            _related(path, segment.path) and admits(match, segment.role, segment.kind, segment.tool)
            for segment in self._subject.segments
        )

    def _shown(self, text: _Text) -> str:
        if not text.shown:
            text.shown = self._kit.shown(text.segment.path)
        return text.shown

    def _concluded(self, document: Any) -> tuple[Screened, set[Path]]:
        tally = self._tally
        edits: dict[Path, Any] = {}
        if not tally.rule:
            for text in self._texts:
                edited = text.look.edit(text.edits, self._masks) if text.edits else None
                if edited is None or edited == text.segment.text:
                    continue
                if text.segment.sealed:
                    tally.block(self._editor(text))
                    break
                edits[text.segment.path] = text.segment.revised(edited)
                self._defused(text)
        present = len(self._subject.segments)
        screened = Screened(
            action=tally.action,
            document=document,
            rule=tally.rule,
            route=tally.route,
            taint=tally.taint,
            events=tally.events,
            score=tally.score,
            coverage=1.0 - len(self._uncovered) / present if present else 1.0,
            masks=self._masks.values,
        )
        if not tally.rule and (edits or self._removed):
            screened.document = without_paths(
                replace_leaves(document, _without_clashes(document, edits)), self._removed
            )
            screened.edited = True
        return screened, set(edits)

    def _editor(self, text: _Text) -> str:
        """The rule that would edit a text; only what looks like a placeholder is edited in no other's name."""
        masking = text.screening.masking
        return text.by or (masking.spec.id if masking is not None else "")

    def _defused(self, text: _Text) -> None:
        masking = text.screening.masking
        if masking is not None and LOOKALIKE in text.edits and PLACEHOLDER.search(text.segment.text):
            self._tally.defused(masking, self._shown(text))


def _has_lookalike(screening: Screening, text: str) -> bool:
    return screening.masking is not None and ":" in text and PLACEHOLDER.search(text) is not None


def _related(one: Path, other: Path) -> bool:
    """Whether one of two paths leads to the other, or past it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _scanned(segment: Segment) -> str:
    """The text in which to look for candidates: for JSON, also with its escapes resolved."""
    if not segment.encoded:
        return segment.text
    inner = leaves(segment.text)
    return segment.text if inner is None else f"{segment.text}\n{inner}"


def _without_clashes(document: Any, edits: dict[Path, Any]) -> dict[Path, Any]:
    """Number new member names that another member has already, so that none hides it."""
    taken: dict[Path, set[str]] = {}
    chosen: dict[Path, Any] = {}
    for path, text in edits.items():
        name = text
        if path and path[-1] == KEY:
            parent = path[:-2]
            if parent not in taken:
                holder = document
                for step in parent:
                    holder = holder[step]
                taken[parent] = set(holder)
            number = 2
            while name in taken[parent]:
                name = f"{text}_{number}"
                number += 1
            taken[parent].add(name)
        chosen[path] = name
    return chosen
