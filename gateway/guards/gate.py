"""The two doors of an exchange: what goes out to the provider, and what comes back whole.

Turns a verdict into its consequences: events on the record, an edited document, a :class:`Blocked` raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import orjson

from gateway.core.errors import Blocked
from gateway.core.exchange import AnswerFacts, Headers, Request
from gateway.core.ports import Dialect, StreamVerdicts
from gateway.core.record import ExchangeRecord
from gateway.core.segments import Direction
from gateway.core.verdict import Action, Screened

MAX_EVENTS = 256
_STRENGTH: dict[str, int] = {"allow": 0, "annotate": 1, "edit": 2, "redact": 2, "hold": 3, "block": 4}
# What the record and the answer's header call an action.
_VERDICTS: dict[Action, str] = {
    "allow": "allow",
    "annotate": "annotate",
    "taint": "annotate",
    "score": "annotate",
    "route": "annotate",
    "rewrite": "edit",
    "mask": "edit",
    "redact": "edit",
    "hold": "hold",
    "block": "block",
}


class Plan(Protocol):
    """The rules that hold for one exchange; :class:`~gateway.guards.engine.GuardPlan`."""

    request_active: bool
    response_active: bool

    def screen_request(self, dialect: Dialect, document: Any) -> Screened:
        """Screen a request's document."""
        ...

    def screen_answer(self, dialect: Dialect, document: Any) -> Screened:
        """Screen a whole answer's document."""
        ...

    def screen_opaque(self, direction: Direction) -> Screened:
        """Judge a body that cannot be read."""
        ...


class Given(Protocol):
    """A whole answer; an attempt that has ended is one."""

    headers: Headers

    @property
    def body(self) -> bytes:
        """All of it, content coding removed."""
        ...


def note(record: ExchangeRecord, screened: Screened) -> None:
    """Put a verdict on the record; the strongest of an exchange stays."""
    verdict = _VERDICTS[screened.action]
    if _STRENGTH[verdict] > _STRENGTH[record.verdict]:
        record.verdict = verdict
    if screened.events:
        record.guard_events = (record.guard_events + screened.events)[:MAX_EVENTS]
    record.coverage = min(record.coverage, screened.coverage)


def note_stream(record: ExchangeRecord, screen: StreamVerdicts) -> None:
    """Put on the record what the guards of a stream have done."""
    verdict = _VERDICTS[screen.action]
    if _STRENGTH[verdict] > _STRENGTH[record.verdict]:
        record.verdict = verdict
    if screen.events:
        record.guard_events = (record.guard_events + screen.events)[:MAX_EVENTS]


def admit(record: ExchangeRecord, plan: Plan, dialect: Dialect, request: Request) -> Any:
    """Screen a request.

    Returns:
        The document to send, edited where a rule says so; the request's own where none does.

    Raises:
        Blocked: A rule turns the request back.
    """
    if not plan.request_active:
        return request.document
    if request.document is None:
        if request.body:
            _admit(record, plan.screen_opaque("request"))
        return None
    screened = plan.screen_request(dialect, request.document)
    _admit(record, screened)
    return screened.document


def _admit(record: ExchangeRecord, screened: Screened) -> None:
    note(record, screened)
    if screened.rule:
        raise Blocked(screened.rule)


def screen(
    record: ExchangeRecord, plan: Plan, dialect: Dialect, given: Given, opaque: Dialect
) -> tuple[bytes, AnswerFacts, str]:
    """Read a whole answer, and screen it when a rule wants that.

    Args:
        record: Gets the events.
        plan: The rules.
        dialect: Reads the document.
        given: The answer as it came.
        opaque: Reads text that is no document of the dialect.

    Returns:
        The body for the client, what the answer says about itself, and the rule that turns it back, or nothing: what
        was used has to be paid either way.
    """
    body = given.body
    if not plan.response_active or not body:
        return body, dialect.skim(body), ""
    document, encode = _document(given.headers, body)
    facts = dialect.read_answer(document) if isinstance(document, dict) else AnswerFacts()
    if encode is None:
        screened = plan.screen_opaque("response")
        note(record, screened)
        return body, facts, screened.rule
    screened = plan.screen_answer(dialect if isinstance(document, dict) else opaque, document)
    note(record, screened)
    return (encode(screened.document) if screened.edited else body), facts, screened.rule


def _document(headers: Headers, body: bytes) -> tuple[Any, Callable[[Any], bytes] | None]:
    """Read a body as JSON, else as text; with the way back, or ``None`` when it is neither."""
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
