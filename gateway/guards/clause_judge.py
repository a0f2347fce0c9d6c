"""Asks about clauses of a stream, many in one go, and lets the rules judge each in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from gateway.guards.channel import StreamTally
from gateway.guards.clause_plan import ClauseKind, ClausePlan
from gateway.guards.clauses import Clause
from gateway.guards.cover import Hit
from gateway.guards.kit import Asker
from gateway.guards.outside import asked, wanted
from gateway.guards.runner import matched
from gateway.guards.screening import hits_of
from gateway.plugin.guard import About, Finding
from gateway.plugin.runner import DetectorFailed


class Spoken(msgspec.Struct, frozen=True):
    """A clause, what is asked about it, and where it stands."""

    kind: ClauseKind
    path: str
    clause: Clause


class Answers(msgspec.Struct):
    """What models said: by model, by text; and which of them could not judge."""

    found: dict[str, dict[tuple[str, About], Sequence[Finding]]] = {}
    failed: dict[str, str] = {}


class ClauseJudge:
    """Judges the clauses of one stream.

    Args:
        plan: The rules.
        tally: Of the stream.
    """

    __slots__ = ("_failed", "_plan", "_tally", "_weighed")

    def __init__(self, plan: ClausePlan, tally: StreamTally) -> None:
        self._plan = plan
        self._tally = tally
        # Rules whose points are counted; detectors and texts whose failure is counted.
        self._weighed: set[str] = set()
        self._failed: set[tuple[str, str]] = set()

    async def ask(self, batch: Sequence[Spoken]) -> Answers:
        """Ask every model about the clauses that it is to hear of, side by side."""
        answers = Answers()
        askers = {asker.holder.spec.name: asker for spoken in batch for asker in spoken.kind.askers}
        self._tally.begin()
        await asyncio.gather(*[self._ask(asker, batch, answers) for asker in askers.values()])
        return answers

    async def _ask(self, asker: Asker, batch: Sequence[Spoken], answers: Answers) -> None:
        name = asker.holder.spec.name
        texts = [
            (each.clause.text, each.kind.about)
            for each in batch
            if asker in each.kind.askers and wanted(asker, each.clause.text, each.kind.about)
        ]
        if not texts:
            return
        try:
            findings = await asked(self._plan.kit, asker, texts)
        except DetectorFailed as failed:
            answers.failed[name] = failed.reason
            return
        answers.found[name] = dict(zip(texts, findings, strict=True))

    def conclude(self, spoken: Spoken, answers: Answers) -> None:
        """Let the rules judge a clause.

        Raises:
            Blocked: One ends the stream.
        """
        kind, tally = spoken.kind, self._tally
        self._count_failures(spoken, answers)
        hits = self._hits(spoken, answers)
        found = {hit.detector for hit in hits if not hit.advisory}
        tally.advise(hits, spoken.path)
        for rule in kind.rules:
            if rule.fires(rule.heard(found, spoken.path)):
                speaking = rule.speaking(spoken.path)
                weigh = rule.spec.id not in self._weighed
                self._weighed.add(rule.spec.id)
                tally.add(rule, [hit for hit in hits if hit.detector in speaking], spoken.path, weigh=weigh)
        tally.check()

    def _count_failures(self, spoken: Spoken, answers: Answers) -> None:
        tally = self._tally
        for asker in spoken.kind.askers:
            spec = asker.holder.spec
            if spec.name in answers.failed and (spec.name, spoken.path) not in self._failed:
                self._failed.add((spec.name, spoken.path))
                tally.failures += 1
                acts = any(rule.acts and spec.name in rule.names for rule in spoken.kind.rules)
                tally.fail(spec.name, spec.on_error, spoken.path, acts=acts)
        tally.check()

    def _hits(self, spoken: Spoken, answers: Answers) -> list[Hit]:
        """Return what was found in the clause itself, with places in the whole text."""
        clause, kind = spoken.clause, spoken.kind
        hits: list[Hit] = []
        if kind.screening is not None:
            look = kind.screening.look(clause.text)
            hits += look.hits
            for spec, _ in look.failed:
                self._tally.failed_by_itself(spec, spoken.path, kind.rules)
        for asker in kind.askers:
            findings = answers.found.get(asker.holder.spec.name, {}).get((clause.text, kind.about), ())
            found = matched(asker.holder, findings, len(clause.text))
            hits += [*hits_of(found.covers), *found.points]
        return [
            msgspec.structs.replace(hit, start=hit.start + clause.base, end=hit.end + clause.base)
            for hit in hits
            if hit.end > clause.context or hit.start == hit.end
        ]
