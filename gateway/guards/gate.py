"""The two doors of an exchange: what goes out to the provider, and what comes back whole.

Turns a verdict into its consequences: events on the record, an edited document, a :class:`Blocked` raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from typing import Any, Protocol

import msgspec
import orjson

from gateway.core.call import Call
from gateway.core.errors import Blocked, GatewayError
from gateway.core.exchange import AnswerFacts, Headers, Request
from gateway.core.ports import ClauseHolder, Dialect, StreamReader, StreamVerdicts
from gateway.core.record import ExchangeRecord, GuardEvent
from gateway.core.verdict import Action, Masked, Screened
from gateway.guards.aside import DENSE_BYTES, HUGE_BYTES, LARGE_BYTES
from gateway.guards.beside import Judging
from gateway.guards.plan import GuardPlan
from gateway.guards.restore import RestoringScreen, restore_document
from gateway.guards.sessions import Sessions
from gateway.guards.vault import Masks
from gateway.wire import passthrough

MAX_EVENTS = 256
# The modes of events whose rule acted.
_ACTING = ("enforce", "canary")
# How much of a stream that was held is read before others have their turn.
_SLICE_BYTES = 65_536
_STRENGTH: dict[str, int] = {"allow": 0, "annotate": 1, "edit": 2, "redact": 2, "hold": 3, "block": 4}
# What the record and the answer's header call an action.
_VERDICTS: dict[Action, str] = {
    "allow": "allow",
    "annotate": "annotate",
    "capture": "annotate",
    "taint": "annotate",
    "score": "annotate",
    "route": "annotate",
    "rewrite": "edit",
    "mask": "edit",
    "redact": "edit",
    "hold": "hold",
    "block": "block",
}


# A document that could be read, and the dialect that reads it.
Seen = tuple[Dialect, Any] | None


class Given(Protocol):
    """A whole answer; an attempt that has ended is one."""

    headers: Headers

    @property
    def body(self) -> bytes:
        """All of it, content coding removed."""
        ...


class Admitted(msgspec.Struct):
    """A request that may go on.

    Attributes:
        document: To be sent: edited where a rule says so, else the request's own.
        route: The alias that a rule sends the call to, else empty.
        taint: A rule taints the session.
        masks: What was masked, for the way back.
        score: Sum of the points that rules gave.
    """

    document: Any
    route: str = ""
    taint: bool = False
    masks: dict[str, Masked] = {}
    score: float = 0.0


class Shown(msgspec.Struct):
    """A whole answer as the client gets it.

    Attributes:
        body: For the client.
        facts: What the answer says about itself: what was used has to be paid whatever rules say.
        rule: The rule that turns it back, else empty.
        taint: A rule taints the session.
        seen: The answer as it came.
    """

    body: bytes
    facts: AnswerFacts
    rule: str = ""
    taint: bool = False
    seen: Seen = None


def verdict_of(action: Action) -> str:
    """Give what the record and the answer's header call an action."""
    return _VERDICTS[action]


def note(record: ExchangeRecord, screened: Screened) -> None:
    """Put a verdict on the record; the strongest of an exchange stays."""
    _note(record, screened.action, screened.events, screened.coverage)


def note_stream(record: ExchangeRecord, screen: StreamVerdicts, clauses: ClauseHolder | None = None) -> None:
    """Put on the record what the guards of a stream have done."""
    _note(record, screen.action, screen.events, screen.coverage)
    if screen.action == "block":
        record.released_chars = screen.released if clauses is None else clauses.released


def _note(record: ExchangeRecord, action: Action, events: list[GuardEvent], coverage: float) -> None:
    verdict = _VERDICTS[action]
    if _STRENGTH[verdict] > _STRENGTH[record.verdict]:
        record.verdict = verdict
    if events:
        record.guard_events = (record.guard_events + events)[:MAX_EVENTS]
        if record.capture and any(event.action == "capture" and event.mode in _ACTING for event in events):
            record.capture = ""
    record.coverage = min(record.coverage, coverage)


async def admit(
    record: ExchangeRecord,
    plan: GuardPlan,
    dialect: Dialect,
    request: Request,
    sessions: Sessions,
) -> Admitted:
    """Screen a request, asking outside first where a rule wants that.

    Args:
        record: Gets the events.
        plan: The rules; they look at requests.
        dialect: Knows the request's document.
        request: As said.
        sessions: Know the vault of the caller's session, and the thread for what takes long.

    Raises:
        Blocked: A rule turns the request back.
    """
    document = request.document
    if document is None:
        if request.body:
            _admit(record, plan.screen_opaque("request"))
        return Admitted(None)
    opinions = await plan.ask("request", dialect, document) if plan.request_asks else None
    masks = Masks(sessions.vault(record))
    size = len(request.body)
    if size < DENSE_BYTES or (size < LARGE_BYTES and not plan.dense("request", dialect, document)):
        screened = plan.screen_request(dialect, document, masks=masks, opinions=opinions)
    elif opinions is None and size < HUGE_BYTES and plan.clean("request", dialect, document):
        return Admitted(document)
    else:
        screened = await sessions.aside.run(
            lambda: plan.twin().screen_request(dialect, document, masks=masks, opinions=opinions)
        )
    _admit(record, screened)
    return Admitted(screened.document, screened.route, screened.taint, screened.masks, screened.score)


def _admit(record: ExchangeRecord, screened: Screened) -> None:
    note(record, screened)
    if screened.rule:
        raise Blocked(screened.rule)


def rerouted(record: ExchangeRecord) -> list[GuardEvent]:
    """Prepare the record of a call that a rule sends elsewhere for being screened again, by the rules that hold there.

    Returns:
        The events that say so; they go back on the record with :func:`after_reroute`.
    """
    kept = [event for event in record.guard_events if event.action == "route" and event.mode in ("enforce", "canary")]
    record.guard_events = []
    return kept


def after_reroute(record: ExchangeRecord, kept: list[GuardEvent]) -> None:
    """Put back what sent the call elsewhere, once."""
    rules = {event.rule for event in kept}
    record.guard_events = kept + [event for event in record.guard_events if event.rule not in rules]


def watch(call: Call, plan: GuardPlan, *, restores: bool) -> None:
    """Give a call what a streamed answer goes through, who judges it by clause, and the judges beside it.

    Args:
        call: Gets them, where there are any.
        plan: The rules.
        restores: Text can come back in streams of the answer's dialect.
    """
    judging = call.judging = Judging(plan) if plan.judged else None
    screen = plan.stream_screen() if plan.response_active else None
    if screen is not None:
        if judging is not None and plan.response_judges:
            screen.tell(judging)
        call.clauses = plan.clause_gate(screen)
    call.screen = RestoringScreen(screen, call.masks) if call.masks and restores else screen


async def may_be_sent(
    record: ExchangeRecord, plan: GuardPlan, dialect: Dialect, request: Request, sessions: Sessions
) -> bool:
    """Say whether text of an answer may go to another provider as it is, as a part of what that one is asked.

    What rules on requests find in it stands on the record; that they would turn it back does not, since the call is no
    worse than it was.

    Args:
        record: Gets the events.
        plan: The rules.
        dialect: Knows the request's document.
        request: With the text, and nothing else.
        sessions: As for :func:`admit`.
    """
    if not plan.request_active:
        return True
    scratch = copy(record)
    scratch.guard_events = []
    try:
        admitted = await admit(scratch, plan, dialect, request, sessions)
        free = admitted.document is request.document and not admitted.route and not admitted.taint
    except Blocked:
        free = False
    record.guard_events = (record.guard_events + scratch.guard_events)[:MAX_EVENTS]
    record.capture = scratch.capture
    return free


def follow(call: Call, stop: Callable[[GatewayError], None]) -> None:
    """Let the judges beside a call end another try of it than the one with which they began."""
    if isinstance(call.judging, Judging):
        call.judging.follow(stop)


def _transcript(dialect: Dialect, data: bytes) -> Any:
    return orjson.loads(dialect.stream_transcript([data]))


async def judge_watched(
    record: ExchangeRecord, plan: GuardPlan, dialect: Dialect, data: bytes | None, request: Any
) -> Seen:
    """Judge a stream that has left already by rules over the whole that only observe.

    Args:
        record: Gets the events.
        plan: The rules.
        dialect: Reads the stream.
        data: The stream as it came; ``None`` when it was too long to be kept.
        request: The request's document.
    """
    if data is None:
        record.coverage = 0.0
        return None
    transcript = _transcript(dialect, data)
    opinions = await plan.ask_stream(dialect, transcript) if plan.response_asks else None
    note(record, plan.judge_stream(dialect, transcript, request=request, opinions=opinions))
    return dialect, transcript


async def judge_held(
    record: ExchangeRecord, plan: GuardPlan, dialect: Dialect, data: bytes | None, request: Any
) -> tuple[bytes, Seen, bool]:
    """Judge a stream that was held until it is whole by the rules over the whole.

    Returns:
        The stream that may go on to be screened, what was judged, and whether a rule taints the session.

    Raises:
        Blocked: A rule turns it back, or edits what cannot be written anew as a stream.
    """
    data = data or b""
    transcript = _transcript(dialect, data)
    opinions = await plan.ask_stream(dialect, transcript) if plan.response_asks else None
    screened = plan.judge_stream(dialect, transcript, request=request, opinions=opinions)
    note(record, screened)
    if screened.rule:
        raise Blocked(screened.rule)
    if screened.edited:
        data = dialect.restream(screened.document)
        if not data:
            raise Blocked(screened.events[-1].rule)
    return data, (dialect, transcript), screened.taint


async def read_slowly(reader: StreamReader, data: bytes) -> tuple[bytes, bytes]:
    """Read a whole stream and let others have their turn now and then.

    Returns:
        What the client may have, and the last of it.
    """
    out: list[bytes] = []
    for at in range(0, len(data), _SLICE_BYTES):
        if at:
            await asyncio.sleep(0)
        out.append(reader.feed(data[at : at + _SLICE_BYTES]))
    return b"".join(out), reader.finish()


async def observe(call: Call, record: ExchangeRecord, plan: GuardPlan, seen: Seen) -> None:
    """Put on the record what judges, and rules that only observe and ask someone else, say of a call that is over."""
    document = call.request.document if call.request is not None else None
    if call.judging is not None:
        for screened in await call.judging.conclude(None if record.stream else seen, document):
            note(record, screened)
    if not plan.observes:
        return
    if document is not None:
        note(record, await plan.observe("request", call.dialect, document))
    if seen is not None:
        note(record, await plan.observe("response", *seen, request=document, streamed=record.stream))


async def screen(record: ExchangeRecord, plan: GuardPlan, dialect: Dialect, given: Given, asked: Asked) -> Shown:
    """Read a whole answer, screen it when a rule wants that, and restore what was masked.

    Args:
        record: Gets the events.
        plan: The rules.
        dialect: Reads the document.
        given: The answer as it came.
        asked: What belongs to the request.
    """
    body = given.body
    if not body or not (plan.response_active or asked.masks):
        return Shown(body, dialect.skim(body))
    document, encode = _document(given.headers, body)
    seen: Any = document
    facts = dialect.read_answer(document) if isinstance(document, dict) else AnswerFacts()
    if encode is None:
        screened = plan.screen_opaque("response")
        note(record, screened)
        return Shown(body, facts, screened.rule)
    reads = dialect if isinstance(document, dict) else asked.opaque
    opinions = await plan.ask("response", reads, document) if plan.response_asks else None
    if _on_the_loop(plan, reads, document, len(body)):
        screened = plan.screen_answer(reads, document, request=asked.document, opinions=opinions)
    else:
        screened = await asked.sessions.aside.run(
            lambda: plan.twin().screen_answer(reads, document, request=asked.document, opinions=opinions)
        )
    note(record, screened)
    left = restore_document(reads, screened.document, asked.masks) if asked.masks else screened.document
    if left is not document:
        body = encode(left)
    return Shown(body, facts, screened.rule, screened.taint, (reads, seen))


def _on_the_loop(plan: GuardPlan, dialect: Dialect, document: Any, size: int) -> bool:
    """Whether an answer can be judged at once, and nobody waits for long."""
    if size < LARGE_BYTES:
        return size < DENSE_BYTES or not plan.dense("response", dialect, document)
    return size < HUGE_BYTES and plan.clean("response", dialect, document)


class Asked(msgspec.Struct):
    """What an answer's guards need of the request.

    Attributes:
        document: The request's.
        masks: What was masked in it.
        opaque: Reads text that is no document of the request's dialect.
        sessions: Know the thread for what takes long.
    """

    document: Any
    masks: dict[str, Masked]
    opaque: Dialect
    sessions: Sessions


def _document(headers: Headers, body: bytes) -> tuple[Any, Callable[[Any], bytes] | None]:
    """Read a body as JSON, else as text; with the way back, or ``None`` when it is neither."""
    framed = passthrough.open_answer(headers, body)
    if framed is not None:
        return framed
    if body[:1] == b"{":
        # Nearly every answer.
        try:
            return orjson.loads(body), orjson.dumps
        except orjson.JSONDecodeError:
            pass
    media = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media.endswith(b"json") or body[:1] in b"{[":
        try:
            return orjson.loads(body), orjson.dumps
        except orjson.JSONDecodeError:
            pass
    if media.startswith(b"text/") or media.endswith((b"json", b"xml")):
        return body.decode("utf-8", "replace"), str.encode
    return None, None
