"""The state of one exchange while it lasts: made by the pipeline, filled as the call passes the rooms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.exchange import Deployment, Incoming, Labels, Request
from gateway.core.limit_state import Lease
from gateway.core.ports import (
    AttemptView,
    ClauseHolder,
    CrossingView,
    Dialect,
    Judges,
    Reply,
    StreamVerdicts,
)
from gateway.core.record import ExchangeRecord
from gateway.core.spent import Spent
from gateway.core.verdict import Masked


class TripView(Protocol):
    """What others may see of a call's way from deployment to deployment."""

    # Of the try that goes on now: first, retry, fallback, hedge, continue; its number, from 1; how long others took.
    kind: str
    number: int
    spent_ns: int
    # How many tries there were.
    made: int
    # Our code of what came of it, where the call as a whole ends with another one.
    code: str
    # How often a stream that is cut may be gone on with yet; it is kept as it came until then.
    continues: int
    # Told when the exchange is recorded, just before its last byte leaves, where somebody wants to know.
    after: Callable[[Call], None] | None

    @property
    def split(self) -> str:
        """The split that its caller is in, else empty."""
        ...

    @property
    def arm(self) -> str:
        """The arm there, else empty."""
        ...

    def judge(self, score: float, verdict: str, *, tainted: bool) -> None:
        """Take in what rules made of the request."""
        ...


class PartView(Protocol):
    """One of the parts that an answer is put together from, where its stream was cut and gone on with."""

    # What was asked for this part.
    document: Any

    @property
    def model(self) -> str:
        """Who says it."""
        ...

    @property
    def text(self) -> str:
        """All that it said, as it came."""
        ...


@dataclass(slots=True)
class Call:
    """Everything that belongs to one exchange.

    Attributes:
        incoming: The request as the listener read it.
        reply: The client.
        record: What will be filed, once somebody has something to put on it; the journal makes it.
        dialect: Whose shape answers and errors have.
        request: The request understood, once it is.
        labels: What its headers say of it, where they say anything.
        template: What the record has in common with others, once that is planned.
        deployment: Who answers, once that is planned.
        trip: Where it has been, and where it can go yet; ``None`` where there is one deployment and one try.
        lease: What is reserved for the call.
        attempt: The try at the provider, once it has begun.
        crossing: The way to a provider that speaks another dialect, where it does.
        part: The part of the answer that is under way, where its stream was cut before.
        spent: What the parts before it used.
        screen: Response guards over a stream, where a rule wants them.
        clauses: Who judges a stream by clause, and holds it for that.
        judging: The judges that are asked beside the call.
        masks: By placeholder, what was masked in the request, if anything was.
        body: The admitted request body.
        answer: A whole answer's body as the client gets it.
        filed: The record is filed: nothing more may be written to it.
        handed_on: The client has gone, and a task of its own ends the call.
        sought: Its answer was looked up in the cache.
        left: The client has gone, and the call goes on for others who wait for what it brings.
    """

    incoming: Incoming
    reply: Reply
    record: ExchangeRecord | None
    dialect: Dialect
    request: Request | None = None
    labels: Labels | None = None
    template: ExchangeRecord | None = None
    deployment: Deployment | None = None
    trip: TripView | None = None
    lease: Lease | None = None
    attempt: AttemptView | None = None
    crossing: CrossingView | None = None
    part: PartView | None = None
    spent: Spent | None = None
    screen: StreamVerdicts | None = None
    clauses: ClauseHolder | None = None
    judging: Judges | None = None
    masks: dict[str, Masked] | None = None
    body: bytes = b""
    answer: bytes = b""
    filed: bool = False
    handed_on: bool = False
    sought: bool = False
    left: bool = False
