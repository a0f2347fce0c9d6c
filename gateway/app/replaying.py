"""Replays recorded calls under two bundles of policies, and finds what the new one changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import msgspec

from gateway.app.explaining import Asked, explain_call
from gateway.app.policies import InForce
from gateway.app.recorded_calls import Line, NotAgain, RecordedCall, began, call_of, facts_of, line_of
from gateway.app.rejudging import Outcome, Rejudge, acts, without_outside
from gateway.app.replay_tally import Tally
from gateway.core.record import GuardEvent
from gateway.core.segments import Direction
from gateway.core.verdict import Action
from gateway.guards.engine import GuardEngine
from gateway.guards.gate import verdict_of
from gateway.guards.rules import admits, named
from gateway.guards.vault import Masks, Vault

_DIRECTIONS: tuple[Direction, ...] = ("request", "response")
_KEY = bytes(32)
_STRENGTH = {"allow": 0, "annotate": 1, "edit": 2, "hold": 3, "block": 4}
# Every so many calls, all of the work is done, and timed.
_EXACT = 17
# Nobody waits for a replayed call: a machine that is busy with replaying must not make models late.
_PATIENCE_S = 30.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a replay is done.

    Attributes:
        samples: Calls that are named of each change of each rule.
        timed: Calls of each process whose detectors are timed one by one.
    """

    samples: int = 5
    timed: int = 25


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that cannot be replayed.

    Attributes:
        bundle: ``old`` or ``new``.
        rule: Its id.
        why: As said.
    """

    bundle: str
    rule: str
    why: str


class Replay:
    """Judges calls by two bundles, in the order in which they came.

    Args:
        old: Judges by the one.
        new: Judges by the other, of which one wants to know.
        left_out: Rules that cannot be replayed, and are in neither.
        terms: As said.

    Attributes:
        left_out: As said.
    """

    def __init__(self, old: Rejudge, new: Rejudge, left_out: Sequence[LeftOut], terms: Terms) -> None:
        self._old, self._new = old, new
        self._terms = terms
        self._whole_old = not any(each.bundle == "old" for each in left_out)
        self._modes = {spec.id: spec.mode for spec in old.engine.bundle.rules}
        self._count = 0
        self._to_time = terms.timed
        self._tally = Tally()
        self.left_out = tuple(left_out)

    def taken(self) -> Tally:
        """Give what was found since this was asked last."""
        tally, self._tally = self._tally, Tally()
        return tally

    async def take(self, data: bytes) -> None:
        """Replay a recorded call: one line of a spool, of an export or of the trace store."""
        line: Line | None = None
        try:
            line = line_of(data)
            await self._judge(call_of(line))
        except NotAgain as unable:
            self._tally.leave_out(unable.why)
            if line is not None:
                for judge in (self._old, self._new):
                    judge.remember(facts_of(line), line.guard_events or [], began(line))

    async def _judge(self, call: RecordedCall) -> None:
        if call.revision == self._old.engine.revision:
            call = self._strictly(call)
        places = self._edited(call)
        old, new, exact = await self._both(call)
        if places:
            for outcome in (old, new):
                _carry(call, outcome, places)
            self._tally.carried += 1
        elif call.told and self._whole_old and call.revision == self._old.engine.revision:
            self._tally.compare(call, old, self._terms.samples)
        self._tally.count(call, old, new, self._terms.samples)
        if exact:
            self._tally.spend(call, old, new)
            if self._to_time > 0:
                await self._time(call)

    async def _both(self, call: RecordedCall) -> tuple[Outcome, Outcome, bool]:
        """Judge a call by both bundles, and say whether all of the work was done."""
        exact = self._count % _EXACT == 0
        # One vault for both, so that what is masked alike reads alike.
        vault = Vault(_KEY)
        # Who goes first changes: the first one pays for what neither has seen.
        first, then = (self._old, self._new) if self._count // _EXACT % 2 else (self._new, self._old)
        self._count += 1
        if self._count == 1:
            # What is made when it is first asked for is made now, and counts for nothing; nor is a session tainted.
            facts = msgspec.structs.replace(call.facts, session="")
            for judge in (first, then):
                await judge.judge(msgspec.structs.replace(call, facts=facts))
        one = await first.judge(call, Masks(vault), glance=not exact)
        other = await then.judge(call, Masks(vault), glance=not exact)
        return (one, other, exact) if first is self._old else (other, one, exact)

    def _strictly(self, call: RecordedCall) -> RecordedCall:
        """Find out whether a client had asked for every rule to act: one did that would not have otherwise."""
        modes = self._modes
        if not any(event.mode == "enforce" and modes.get(event.rule, "enforce") != "enforce" for event in call.events):
            return call
        return msgspec.structs.replace(call, facts=msgspec.structs.replace(call.facts, strict=True))

    def _edited(self, call: RecordedCall) -> set[tuple[str, str]]:
        """Return the places where the bodies lack what was judged: by direction and path.

        Raises:
            NotAgain: Rules look there that are not those of then.
        """
        places = set[tuple[str, str]]() if call.whole else {(event.direction, event.path) for event in call.edits}
        if not places:
            return places
        both = (self._old, self._new)
        then = next((each for each in both if each.engine.revision == call.revision), None)
        if then is None:
            raise NotAgain("redacted")
        for direction in _DIRECTIONS:
            paths = {path for where, path in places if where == direction}
            if paths:
                looked = _looking(then, call, direction, paths)
                if any(each is not then and _looking(each, call, direction, paths) != looked for each in both):
                    raise NotAgain("redacted")
        return places

    async def _time(self, call: RecordedCall) -> None:
        """Time the detectors of the new bundle one by one, and note what each rule's take."""
        engine = self._new.engine
        asked = Asked(facts=call.facts, dialect=call.dialect, request=call.request, answer=call.answer)
        took: dict[str, float] = {}
        if self._to_time == self._terms.timed:
            await explain_call(engine, asked)
        self._to_time -= 1
        for explanation in await explain_call(engine, asked):
            for shown in (*explanation.detectors, *[each for part in explanation.segments for each in part.detectors]):
                took[shown.name] = took.get(shown.name, 0.0) + shown.microseconds
        self._tally.timed += 1
        for spec in engine.bundle.rules:
            spent = sum(took.get(name, 0.0) for name in named(spec.when))
            self._tally.rule(spec.id).microseconds += spent


@asynccontextmanager
async def opened(old: InForce, new: InForce, terms: Terms) -> AsyncGenerator[Replay, None]:
    """Make ready to replay; models are loaded, and let go of at the end.

    Args:
        old: The bundle to compare with.
        new: The changed one.
        terms: As said.
    """
    left_out: list[LeftOut] = []
    async with AsyncExitStack() as stack:
        judges: list[Rejudge] = []
        for name, policies in (("old", old), ("new", new)):
            engine, why = await _replayable(policies)
            stack.push_async_callback(policies.door.models.close)
            stack.push_async_callback(engine.close)
            left_out += [LeftOut(bundle=name, rule=rule, why=reason) for rule, reason in why.items()]
            judges.append(Rejudge(engine))
        yield Replay(judges[0], judges[1], left_out, terms)


async def _replayable(policies: InForce) -> tuple[GuardEngine, dict[str, str]]:
    """Make guards of what can be replayed of a bundle, and say why the other rules cannot."""
    bundle, why = without_outside(policies.bundle, policies.engine, {})
    engine = _engine(policies, bundle) if why else policies.engine
    unasked = await engine.warm()
    if unasked:
        bundle, more = without_outside(bundle, engine, unasked)
        why |= more
        engine = _engine(policies, bundle)
        await engine.warm()
    engine.kit.patience_s = _PATIENCE_S
    return engine, why


def _engine(policies: InForce, bundle: Any) -> GuardEngine:
    return GuardEngine(bundle, plugins=policies.engine.plugins, scorers=policies.door.scorer)


def _looking(judge: Rejudge, call: RecordedCall, direction: Direction, paths: set[str]) -> list[Any]:
    """Give the rules of a bundle that look at the texts in some places, with all that they depend on."""
    engine = judge.engine
    plan = judge.plan(call)
    side = plan.request if direction == "request" else plan.response
    texts = _texts(engine, call, direction, paths)
    rules = [
        rule.spec
        for rule in (*side.texts, *side.prompt, *side.late)
        if texts is None or any(admits(rule.spec.match, *each) for each in texts)
    ]
    specs = {spec.name: spec for spec in engine.bundle.detectors}
    asked = [[specs[name] for name in sorted(named(spec.when))] for spec in rules]
    return [rules, asked, engine.kit.thresholds(direction), engine.bundle.max_chars]


def _texts(
    engine: GuardEngine, call: RecordedCall, direction: Direction, paths: set[str]
) -> set[tuple[str, str, str]] | None:
    """Tell whose the texts in some places are, and of what kind; ``None`` where that cannot be told."""
    document = call.request if direction == "request" else call.answer
    if document is None or (direction == "response" and call.streamed):
        return None
    segments = call.dialect.segments(document) if direction == "request" else call.dialect.answer_segments(document)
    found = {engine.kit.shown(each.path): (each.role, str(each.kind), each.tool) for each in segments}
    return {found[path] for path in paths} if paths <= found.keys() else None


def _carry(call: RecordedCall, outcome: Outcome, places: set[tuple[str, str]]) -> None:
    """Take what was found in some places from the record: what the bodies have there is not what was judged."""
    kept = [event for event in call.events if (event.direction, event.path) in places]
    fresh = [event for event in outcome.events if (event.direction, event.path) not in places]
    outcome.events = kept + fresh
    outcome.rule = next((event.rule for event in fresh if acts(event) and event.action == "block"), "")
    outcome.verdict = max((_verdict(event) for event in outcome.events), key=lambda said: _STRENGTH[said])


def _verdict(event: GuardEvent) -> str:
    return verdict_of(cast("Action", event.action)) if acts(event) else "allow"
