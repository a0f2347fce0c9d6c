"""Asks detectors outside, and models, about all texts of a request or answer at once, each within its time limit.

A model says the same of the same text each time, so what it said is remembered: a long conversation costs its newest
turn. Somebody outside is asked anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from gateway.core.segments import Direction, Segment
from gateway.guards.clauses import clauses
from gateway.guards.document import Opinions
from gateway.guards.kit import Asker, Kit
from gateway.guards.memo import Key
from gateway.guards.rules import Rule, admits
from gateway.guards.runner import matched
from gateway.guards.scored import DEFAULT_TIMEOUT_S as MODEL_TIMEOUT_S
from gateway.guards.scored import ScoredDetector
from gateway.plugin.guard import About, Finding, scope_of
from gateway.plugin.runner import DetectorFailed
from gateway.plugin.runner import ask as ask_one

# For a detector that the policy gives no time limit.
DEFAULT_TIMEOUT_S = 5.0
Texts = Sequence[tuple[str, About]]


class Asking(Protocol):
    """The rules of one direction; :class:`gateway.guards.plan.Side`."""

    kit: Kit
    direction: Direction
    prompt: tuple[Rule, ...]
    late: tuple[Rule, ...]


async def ask(side: Asking, names: Sequence[str], segments: Sequence[Segment], *, by_clause: bool = False) -> Opinions:
    """Ask detectors about the texts that rules want to hear of, side by side.

    Args:
        side: The rules.
        names: Whom to ask.
        segments: Every text.
        by_clause: Models judge each text as they would have judged it on a stream.
    """
    opinions = Opinions()
    rules = (*side.prompt, *side.late)
    asked = [_ask(side, side.kit.askers[name], rules, _Question(segments, by_clause), opinions) for name in names]
    # Each in a task of its own, which time limits need: the pipeline's coroutine may run without one.
    await asyncio.gather(*asked)
    return opinions


class _Question(msgspec.Struct, frozen=True):
    segments: Sequence[Segment]
    by_clause: bool


async def _ask(side: Asking, asker: Asker, rules: Sequence[Rule], question: _Question, opinions: Opinions) -> None:
    spec = asker.holder.spec
    meant = meant_for(side, asker, rules, question.segments)
    most = side.kit.bundle.max_chars
    if most and not asker.images and any(len(text) > most for _, text, _ in meant):
        opinions.failed[spec.name] = "too long"
        return
    if not meant:
        return
    try:
        texts = [(text, about) for _, text, about in meant]
        by_clause = question.by_clause and asker.modelled
        findings = await (_asked_by_clause if by_clause else asked)(side.kit, asker, texts)
    except DetectorFailed as failed:
        opinions.failed[spec.name] = failed.reason
        return
    opinions.found[spec.name] = {
        number: matched(asker.holder, found, len(text))
        for (number, text, _), found in zip(meant, findings, strict=True)
        if found
    }


def meant_for(
    side: Asking, asker: Asker, rules: Sequence[Rule], segments: Sequence[Segment]
) -> list[tuple[int, str, About]]:
    """Return the texts that a detector is to be asked about, each with its number and where it stands."""
    name = asker.holder.spec.name
    mine = [rule.spec.match for rule in rules if name in rule.names]
    meant: list[tuple[int, str, About]] = []
    for number, segment in enumerate(segments):
        if any(admits(match, segment.role, segment.kind, segment.tool) for match in mine):
            about = About(side.direction, segment.role, segment.kind, segment.tool)
            if wanted(asker, segment.text, about):
                meant.append((number, segment.text, about))
    return meant


def time_limit(asker: Asker) -> float:
    """Return how long a detector may take, in seconds."""
    return asker.holder.spec.timeout_s or (MODEL_TIMEOUT_S if asker.modelled else DEFAULT_TIMEOUT_S)


def wanted(asker: Asker, text: str, about: About) -> bool:
    """Whether a detector looks at such a text at all."""
    scope = scope_of(asker.detector)
    if about.direction not in scope.directions or (scope.kinds and about.kind not in scope.kinds):
        return False
    if about.kind == "image" and not asker.images:
        return False
    return not isinstance(asker.detector, ScoredDetector) or asker.detector.takes(text, about)


async def _asked_by_clause(kit: Kit, asker: Asker, texts: Texts) -> Sequence[Sequence[Finding]]:
    """As :func:`asked`, clause by clause."""
    cut = [(number, clause) for number, (text, _) in enumerate(texts) for clause in clauses(text)]
    answers = await asked(kit, asker, [(clause.text, texts[number][1]) for number, clause in cut])
    found: list[list[Finding]] = [[] for _ in texts]
    for (number, clause), answer in zip(cut, answers, strict=True):
        found[number] += [
            msgspec.structs.replace(each, start=each.start + clause.base, end=each.end + clause.base)
            for each in answer
            if each.end > clause.context
        ]
    return found


async def asked(kit: Kit, asker: Asker, texts: Texts) -> Sequence[Sequence[Finding]]:
    """Ask one detector about texts, those of a model that are known already left out.

    Raises:
        DetectorFailed: There was no answer in time, or none that can be understood.
    """
    spec = asker.holder.spec
    if not asker.modelled:
        return await ask_one(asker.detector, texts, time_limit(asker))
    memo = kit.memo
    keys = [memo.key(spec.name, about, text) for text, about in texts]
    known: dict[Key, Sequence[Finding]] = {}
    fresh: dict[Key, tuple[str, About]] = {}
    for key, text in zip(keys, texts, strict=True):
        if key in known or key in fresh:
            continue
        found = memo.get(key)
        if found is None:
            fresh[key] = text
        else:
            known[key] = found
    if fresh:
        answers = await ask_one(asker.detector, list(fresh.values()), max(time_limit(asker), kit.patience_s))
        for key, answer in zip(fresh, answers, strict=True):
            known[key] = answer
            memo.put(key, tuple(answer))
    return [known[key] for key in keys]
