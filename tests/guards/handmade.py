"""Detectors of every form, small enough to be read, and bundles that use them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gateway.core.errors import StoreUnavailable
from gateway.core.verdict import Bundle, DetectorSpec, Match, PatternSpec, RuleSpec, Step, When
from gateway.guards.engine import GuardEngine
from gateway.plugin.guard import About, CallFinding, Finding, Subject

OSPREY = PatternSpec(name="OSPREY", expression="osprey", label="BIRD", max_chars=6)
MAIL = PatternSpec(name="EMAIL", expression=r"[a-z]{1,12}@[a-z]{1,12}\.example", label="EMAIL", max_chars=33)
BIRDS = DetectorSpec(name="birds", use="pattern", patterns=(OSPREY,))
MAILS = DetectorSpec(name="mails", use="pii", patterns=(MAIL,))


class Brackets:
    """A piece detector: ``<…>`` of at most twelve characters without another bracket; offers what is inside."""

    reach = 0
    _FOUND = re.compile(r"<([^<>]{0,10})>")
    _BEGUN = re.compile(r"<[^<>]{0,10}\Z")

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0

    def find(self, text: str) -> list[Finding]:
        self.asked += 1
        return [
            Finding(kind="bracket", start=found.start(), end=found.end(), replacement=found[1])
            for found in self._FOUND.finditer(text)
        ]

    def pending(self, text: str, at: int) -> int:
        found = self._BEGUN.search(text, at)
        return found.start() if found else len(text)


class Shouting:
    """A text detector: a text of capitals is one finding about the whole; each exclamation mark is one of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[tuple[str, About]] = []

    def find(self, text: str, about: About) -> list[Finding]:
        self.seen.append((text, about))
        marks = [Finding(kind="mark", start=m.start(), end=m.end(), score=0.4) for m in re.finditer("!", text)]
        return marks + ([Finding(kind="capitals", score=0.9)] if text.isupper() else [])


class Many:
    """A call detector: more than ``most`` texts; and every tool called ``rm``, to be taken out."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self.subjects: list[Subject] = []

    def judge(self, subject: Subject) -> list[CallFinding]:
        self.subjects.append(subject)
        found = [CallFinding(kind="many")] if len(subject.segments) > self.most else []
        return found + [
            CallFinding(kind="tool", path=segment.path[:-2], removes=True)
            for segment in subject.segments
            if segment.kind == "tool_name" and segment.text == "rm"
        ]


class Oracle:
    """An outside detector: the word ``poison``; what it does before it answers is the test's."""

    def __init__(self, name: str, answer: Any) -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self.closed = False
        self._answer = answer

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        self.asked.append([text for text, _ in texts])
        if self._answer is not None:
            await self._answer()
        return [
            [Finding(kind="poison", start=m.start(), end=m.end()) for m in re.finditer("poison", text)]
            for text, _ in texts
        ]

    async def close(self) -> None:
        self.closed = True


class Broken:
    """A text detector that fails over every text, and quotes it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find(self, text: str, about: About) -> list[Finding]:
        raise ValueError(text)


async def unavailable() -> None:
    raise StoreUnavailable("away")


PLUGINS: dict[str, Any] = {
    "brackets": lambda spec: Brackets(spec.name),
    "shouting": lambda spec: Shouting(spec.name),
    "many": lambda spec: Many(spec.name, spec.options.get("most", 3)),
    "oracle": lambda spec: Oracle(spec.name, spec.options.get("answer")),
    "broken": lambda spec: Broken(spec.name),
}


def named(name: str, use: str = "", **more: Any) -> DetectorSpec:
    """A detector of one of the kinds here."""
    return DetectorSpec(name=name, use=use or name, **more)


KINDS = (BIRDS, MAILS, named("brackets"), named("shouting"), named("many"), named("oracle"))


def when(text: str) -> When:
    """``a``, ``a|b``, ``a&b`` or ``!a``."""
    operations: dict[str, Any] = {"|": "any", "&": "all"}
    for sign, op in operations.items():
        if sign in text:
            return When(op=op, parts=tuple(when(part) for part in text.split(sign)))
    if text.startswith("!"):
        return When(op="not", parts=(when(text[1:]),))
    return When(op="detector", name=text)


def _step(step: Any) -> Step:
    return step if isinstance(step, Step) else Step(action=step)


def does(id_: str, expression: str, *steps: Step | str, **more: Any) -> RuleSpec:
    """A rule; a step may be an action's name."""
    made = tuple(_step(step) for step in steps)
    mode = more.pop("mode", "enforce")
    return RuleSpec(id=id_, match=more.pop("match", Match()), when=when(expression), steps=made, mode=mode, **more)


def engine(*rules: RuleSpec, kinds: Sequence[DetectorSpec] = KINDS, unix_ms: Any = None, **bundle: Any) -> GuardEngine:
    """Guards over the kinds here."""
    scorers = bundle.pop("scorers", None)
    made = Bundle(revision="0123456789ab", detectors=tuple(kinds), rules=rules, **bundle)
    clocks = {} if unix_ms is None else {"unix_ms": unix_ms}
    return GuardEngine(made, lambda: 0, plugins=PLUGINS, scorers=scorers, **clocks)
