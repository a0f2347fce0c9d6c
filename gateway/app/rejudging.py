"""Judges a recorded call once more, by the doors that a live one goes through: request, then answer, whole or streamed.

A recorded stream is its whole answer: it is written anew as a stream, and every text of it is cut at other places than
its provider chose. Where a glance at the whole shows that no rule can hold, whatever the cuts, that is spared. Somebody
outside is not asked: what such a rule would say is not known, and it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from time import perf_counter_ns
from typing import Any
from zlib import crc32

import msgspec
import orjson

from gateway.app.recorded_calls import ACTING, NotAgain, RecordedCall
from gateway.core.errors import Blocked, GatewayError
from gateway.core.exchange import Request
from gateway.core.ports import Channel, TextScreen
from gateway.core.record import ExchangeRecord, GuardEvent
from gateway.core.verdict import ANY, Bundle, CallFacts, RuleSpec, Screened
from gateway.guards import gate
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.guards.rules import named
from gateway.guards.taint import Taints
from gateway.guards.vault import Masks, Vault
from gateway.wire import passthrough
from gateway.wire.shapes import is_object

# Pieces that a text of a stream is cut into, at most, and the shortest text that is cut.
_PIECES, _CUT_CHARS = 6, 12
_KEY = bytes(32)


class Outcome(msgspec.Struct):
    """What becomes of a call.

    Attributes:
        verdict: As the record says it.
        events: What was found.
        rule: The rule that turns it back.
        left: Digest of what edits leave of request and answer; empty where nothing is edited.
        coverage: Of the texts.
        request_ns: How long the request took to judge.
        answer_ns: How long the answer took.
    """

    verdict: str = "allow"
    events: list[GuardEvent] = []
    rule: str = ""
    left: bytes = b""
    coverage: float = 1.0
    request_ns: int = 0
    answer_ns: int = 0


class Cuts:
    """Cuts what goes to a screen into pieces; a :class:`gateway.core.ports.TextScreen`.

    Args:
        screen: Gets the pieces.
        seed: Says where.
    """

    __slots__ = ("_screen", "_state")

    def __init__(self, screen: TextScreen, seed: str) -> None:
        self._screen = screen
        self._state = crc32(seed.encode())

    def feed(self, channel: Channel, text: str) -> str:
        """Give a text on in pieces, and return all that was released."""
        if len(text) < _CUT_CHARS:
            return self._screen.feed(channel, text)
        return "".join([self._screen.feed(channel, piece) for piece in self._pieces(text)])

    def finish(self, channel: Channel) -> str:
        """End a channel."""
        return self._screen.finish(channel)

    def seal(self, channel: Channel) -> None:
        """Seal a channel."""
        self._screen.seal(channel)

    def _pieces(self, text: str) -> Iterator[str]:
        most = max(1, 2 * len(text) // _PIECES)
        at = 0
        while at < len(text):
            self._state = (self._state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            end = at + 1 + (self._state >> 8) % most
            yield text[at:end]
            at = end


class Rejudge:
    """Judges recorded calls by one bundle, in the order in which they came.

    Args:
        engine: The guards; models that rules ask are at hand.
    """

    def __init__(self, engine: GuardEngine) -> None:
        self.engine = engine
        self._now_s = 0.0
        self._taints = Taints(lambda: self._now_s)
        self._asks_provider = any(
            match.provider != ANY
            for spec in engine.bundle.rules
            for match in (spec.match, *[each.match for each in spec.exclusions])
        )

    def plan(self, call: RecordedCall) -> GuardPlan:
        """Find the rules for a call.

        Raises:
            NotAgain: They ask what the record does not say.
        """
        if self._asks_provider and (call.tries > 1 or call.rerouted):
            raise NotAgain("elsewhere")
        self._now_s = call.at_s
        facts = call.facts
        if self.engine.asks_taint and self._taints.tainted(facts.tenant, facts.session):
            facts = msgspec.structs.replace(facts, tainted=True)
        return self.engine.plan(facts)

    async def judge(self, call: RecordedCall, masks: Masks | None = None, *, glance: bool = False) -> Outcome:
        """Judge a call.

        Args:
            call: As said.
            masks: Take what is masked, so that two bundles give one value one placeholder.
            glance: Streams that are clean at a glance are not written anew.

        Raises:
            NotAgain: It cannot be judged.
        """
        plan = self.plan(call)
        facts = call.facts
        record = ExchangeRecord(tenant=facts.tenant, key_id=facts.key, session_id=facts.session, stream=facts.stream)
        outcome = Outcome()
        began = perf_counter_ns()
        left = await self._request(plan, call, record, masks or Masks(Vault(_KEY)), outcome)
        then = perf_counter_ns()
        outcome.request_ns = then - began
        if not outcome.rule and call.answer is not None:
            clean = glance and call.streamed and _clean(plan, call)
            left += b"" if clean else await self._answer(plan, call, record, outcome)
            outcome.answer_ns = perf_counter_ns() - then
        if not outcome.rule and plan.observes:
            await self._observe(plan, call, record)
        if outcome.rule:
            record.verdict = "block"
        outcome.verdict, outcome.events, outcome.coverage = record.verdict, record.guard_events, record.coverage
        outcome.left = blake2b(left, digest_size=16).digest() if left else b""
        return outcome

    async def _request(
        self, plan: GuardPlan, call: RecordedCall, record: ExchangeRecord, masks: Masks, outcome: Outcome
    ) -> bytes:
        if not plan.request_active or call.request is None:
            return b""
        opinions = await plan.ask("request", call.dialect, call.request) if plan.request_asks else None
        screened = plan.screen_request(call.dialect, call.request, masks=masks, opinions=opinions)
        self._note(screened, record, outcome)
        if screened.route and not screened.rule:
            # It is looked at once more, by the rules that hold there.
            kept = gate.rerouted(record)
            gate.note(record, screened)
            gate.after_reroute(record, kept)
        return orjson.dumps(screened.document) if screened.edited else b""

    async def _answer(self, plan: GuardPlan, call: RecordedCall, record: ExchangeRecord, outcome: Outcome) -> bytes:
        if not plan.response_active:
            return b""
        if call.streamed:
            return await self._stream(plan, call, record, outcome)
        answer: Any = call.answer
        dialect = call.dialect if is_object(answer) else passthrough.DIALECT
        opinions = await plan.ask("response", dialect, answer) if plan.response_asks else None
        screened = plan.screen_answer(dialect, answer, request=call.request, opinions=opinions)
        self._note(screened, record, outcome)
        if screened.taint:
            # One that is turned back has been seen all the same.
            self._taint(record)
        return orjson.dumps(screened.document) if screened.edited else b""

    async def _stream(self, plan: GuardPlan, call: RecordedCall, record: ExchangeRecord, outcome: Outcome) -> bytes:
        transcript: Any = call.answer
        if plan.gathers:
            opinions = await plan.ask_stream(call.dialect, transcript) if plan.response_asks else None
            screened = plan.judge_stream(call.dialect, transcript, request=call.request, opinions=opinions)
            self._note(screened, record, outcome)
            transcript = screened.document if screened.edited and plan.gathers == "hold" else transcript
        if outcome.rule:
            return b""
        data = call.dialect.restream(transcript)
        if not data:
            raise NotAgain("unstreamed")
        screen = plan.stream_screen()
        clauses = plan.clause_gate(screen)
        reader = call.dialect.stream_reader(_request(call), Cuts(screen, call.id))
        out = b""
        try:
            out = reader.feed(data) if clauses is None else clauses.take(reader, data)
            out += reader.finish() if clauses is None else await clauses.finish(reader)
        except Blocked as blocked:
            outcome.rule = blocked.rule
        except GatewayError:
            # A stream that was cut is judged as far as it went, as it was then.
            pass
        finally:
            if clauses is not None:
                clauses.drop()
        gate.note_stream(record, screen, clauses)
        if screen.taint:
            self._taint(record)
        return out if record.verdict == "edit" else b""

    async def _observe(self, plan: GuardPlan, call: RecordedCall, record: ExchangeRecord) -> None:
        """Hear the rules that only observe, and ask models beside the call."""
        if call.request is not None:
            gate.note(record, await plan.observe("request", call.dialect, call.request))
        if call.answer is not None and plan.response_active:
            observed = plan.observe(
                "response", call.dialect, call.answer, request=call.request, streamed=call.facts.stream
            )
            gate.note(record, await observed)

    def _note(self, screened: Screened, record: ExchangeRecord, outcome: Outcome) -> None:
        gate.note(record, screened)
        outcome.rule = outcome.rule or screened.rule
        if screened.taint and not screened.rule:
            self._taint(record)

    def remember(self, facts: CallFacts, events: list[GuardEvent], at_s: float) -> None:
        """Take from the record what a call that cannot be judged has made of its session."""
        fired = {(event.direction, event.rule) for event in events if acts(event)}
        if any(event.direction == "request" and event.action == "block" and acts(event) for event in events):
            return
        for spec in self.engine.bundle.rules:
            taints = any(step.action == "taint" for step in spec.steps)
            if taints and (("request", spec.id) in fired or ("response", spec.id) in fired):
                self._now_s = at_s
                self._taints.taint(facts.tenant, facts.session)

    def _taint(self, record: ExchangeRecord) -> None:
        self._taints.taint(record.tenant, record.session_id)


def _clean(plan: GuardPlan, call: RecordedCall) -> bool:
    """Whether no rule can hold for a stream, however it is cut."""
    return not plan.gathers and plan.clauses is None and plan.clean("response", call.dialect, call.answer)


def _request(call: RecordedCall) -> Request:
    """As much of a request as a reader of its stream asks for."""
    facts = call.facts
    return Request(
        dialect=call.dialect.name, operation="", route=facts.route, upstream_path="", document=call.request,
        model=facts.model, stream=True, wants_usage=True, choices=call.number,
    )  # fmt: skip


def without_outside(bundle: Bundle, engine: GuardEngine, unasked: dict[str, str]) -> tuple[Bundle, dict[str, str]]:
    """Leave out the rules that cannot be replayed.

    Args:
        bundle: The policies.
        engine: Made of them.
        unasked: Why a model cannot be asked, by detector.

    Returns:
        The bundle without them, and why each is left out.
    """
    why: dict[str, str] = {}
    for spec in bundle.rules:
        for name in sorted(named(spec.when)):
            reason = _outside(engine, name) or unasked.get(name, "")
            if reason:
                why[spec.id] = f"{name}: {reason}"
                break
    rules: tuple[RuleSpec, ...] = tuple(spec for spec in bundle.rules if spec.id not in why)
    return (msgspec.structs.replace(bundle, rules=rules) if why else bundle), why


def _outside(engine: GuardEngine, name: str) -> str:
    asker = engine.kit.askers.get(name)
    if asker is None or asker.modelled:
        return ""
    if asker.images:
        return "it reads images, which are not kept"
    return "it asks a model beside the call" if asker.beside else "it asks somebody outside"


def acts(event: GuardEvent) -> bool:
    """Whether what an event tells was done, and not only noted."""
    return event.mode in ACTING
