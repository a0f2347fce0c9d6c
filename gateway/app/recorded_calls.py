"""Recorded calls, ready to be judged once more: what the trace store, an export or the spool says of one.

A call that cannot be judged again says why: nobody is to take what was not looked at for what was found harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec
import orjson

from gateway.app.explaining import dialect_of
from gateway.core.ports import Dialect
from gateway.core.record import GuardEvent
from gateway.core.verdict import CallFacts

# Why a call is not judged again, and how a person is told.
Why = Literal[
    "no_body", "blocked", "cut", "unreadable", "unstreamed", "redacted", "elsewhere", "continued", "copy",
]  # fmt: skip
TOLD: dict[Why, str] = {
    "no_body": "have no body: none was captured, or its time is over",
    "blocked": "were turned back, and what was turned back is kept by capture.bodies: full alone",
    "cut": "have a body that was cut (capture.max_body_bytes)",
    "unreadable": "are no recorded calls, or have a body that is no JSON",
    "unstreamed": "have a stream that cannot be written anew",
    "redacted": "had something taken out where rules look that have changed since",
    "elsewhere": "were tried at several providers, and rules ask for the provider",
    "continued": "were gone on with by another provider",
    "copy": "are copies of other calls",
}
_COPY = ("weighbridge", "mirror")
EDITS = frozenset(("redact", "mask", "rewrite"))
ACTING = frozenset(("enforce", "canary"))
_SERVED = 400


class Try(msgspec.Struct):
    """As much of an upstream try as matters here."""

    kind: str = "first"


class Line(msgspec.Struct):
    """One recorded call, as the spool, an export and the store write it; what is missing has its default."""

    id: str = ""
    started_us: int = 0
    started_at: str = ""
    tenant: str = ""
    team: str = ""
    key_id: str = ""
    session_id: str = ""
    tags: dict[str, str] = {}
    route: str = ""
    provider: str = ""
    model_requested: str = ""
    stream: bool = False
    status: int = 0
    verdict: str = "allow"
    policy_revision: str = ""
    coverage: float = 1.0
    attempts: int | list[Try] = 0
    # What somebody wrote who left it out is not known.
    guard_events: list[GuardEvent] | None = None
    request_body: str | None = None
    response_body: str | None = None
    capture: str = ""
    bodies: Bodies | None = None


class Bodies(msgspec.Struct):
    """Bodies that stand apart."""

    request_body: str | None = None
    response_body: str | None = None
    capture: str = ""


class NotAgain(Exception):
    """A recorded call cannot be judged again.

    Args:
        why: As said.
    """

    def __init__(self, why: Why) -> None:
        super().__init__(TOLD[why])
        self.why: Why = why


class RecordedCall(msgspec.Struct, kw_only=True):
    """One recorded call.

    Attributes:
        id: The exchange.
        at_s: When it began, seconds since 1970.
        facts: Who called, and how.
        dialect: Knows the documents.
        request: The request's document; ``None`` where there is none.
        answer: The answer's, whole, as of a stream; ``None`` where there is none.
        streamed: The answer is a stream.
        verdict: What became of it.
        events: What was found then.
        told: The record says what was found; without, nothing is known of it.
        coverage: Of the texts that there were.
        revision: Of the policies that judged it.
        whole: The bodies are those that were judged, before anything was taken out.
        tries: Upstream tries.
        number: Choices that were asked for.
    """

    id: str
    at_s: float
    facts: CallFacts
    dialect: Dialect
    request: Any
    answer: Any
    streamed: bool
    verdict: str
    events: list[GuardEvent]
    told: bool
    coverage: float
    revision: str
    whole: bool
    tries: int
    number: int = 1

    @property
    def edits(self) -> list[GuardEvent]:
        """What rules took out, so that the bodies may lack it."""
        return [event for event in self.events if event.action in EDITS and event.mode in ACTING]

    @property
    def rerouted(self) -> bool:
        """Whether a rule sent it elsewhere."""
        return any(event.action == "route" and event.mode in ACTING for event in self.events)


_decode = msgspec.json.Decoder(Line, strict=False).decode


def line_of(data: bytes) -> Line:
    """Read a line.

    Raises:
        NotAgain: It is no recorded call.
    """
    try:
        line = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAgain("unreadable") from None
    if not line.id:
        raise NotAgain("unreadable")
    if line.bodies is not None:
        line.request_body, line.response_body = line.bodies.request_body, line.bodies.response_body
        line.capture = line.bodies.capture or line.capture
    return line


def call_of(line: Line) -> RecordedCall:
    """Make a call of a line.

    Raises:
        NotAgain: It cannot be judged again, whatever the rules.
    """
    if line.tags.get(_COPY[0]) == _COPY[1]:
        raise NotAgain("copy")
    if isinstance(line.attempts, list) and any(each.kind == "continue" for each in line.attempts):
        raise NotAgain("continued")
    whole = line.capture == "full"
    _check_bodies(line, whole=whole)
    request = _document(line.request_body)
    answer = _document(line.response_body)
    return RecordedCall(
        id=line.id,
        at_s=began(line),
        facts=facts_of(line),
        dialect=dialect_of(line.route, cast("dict[str, Any] | None", request if isinstance(request, dict) else None)),
        request=request,
        answer=answer,
        streamed=line.stream and line.status < _SERVED,
        verdict=line.verdict,
        events=line.guard_events or [],
        told=line.guard_events is not None,
        coverage=line.coverage,
        revision=line.policy_revision,
        whole=whole,
        tries=line.attempts if isinstance(line.attempts, int) else len(line.attempts),
        number=_choices(request),
    )


def _check_bodies(line: Line, *, whole: bool) -> None:
    if not line.request_body and not line.response_body:
        raise NotAgain("blocked" if line.verdict == "block" else "no_body")
    if not line.request_body:
        # Without it nobody can say what rules on requests would do.
        raise NotAgain("no_body")
    if line.verdict == "block" and not whole:
        # It was the answer that a rule turned back, and that is not here.
        raise NotAgain("blocked")
    if line.verdict == "edit" and not whole and line.guard_events is None:
        raise NotAgain("redacted")


def facts_of(line: Line) -> CallFacts:
    """Tell who called, and how."""
    return CallFacts(
        route=line.route,
        model=line.model_requested,
        provider=line.provider,
        key=line.key_id,
        team=line.team,
        tenant=line.tenant,
        session=line.session_id,
        tags=line.tags,
        stream=line.stream,
    )


def _document(body: str | None) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # What began as JSON was whole JSON once.
        raise NotAgain("cut" if body.lstrip()[:1] in ("{", "[") else "unreadable") from None


def _choices(request: Any) -> int:
    count: object = cast("Mapping[str, object]", request).get("n") if isinstance(request, dict) else None
    return count if isinstance(count, int) and count > 0 else 1


def began(line: Line) -> float:
    """Tell when a call began, in seconds since 1970; 0 where the line does not say."""
    if line.started_us:
        return line.started_us / 1e6
    try:
        at = datetime.fromisoformat(line.started_at)
    except ValueError:
        return 0.0
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
