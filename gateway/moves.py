"""What takes a call from one deployment to another: the rules that hold there, the limits, and what is let go of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from gateway.accounting.ledger import Ledger
from gateway.core.call import Call
from gateway.core.errors import Blocked, GatewayError, StreamBroken
from gateway.core.exchange import Request
from gateway.core.ports import AttemptView, StreamReader
from gateway.core.record import ExchangeRecord
from gateway.core.resumable import Resumable
from gateway.core.verdict import Screened
from gateway.course import Course, Courses
from gateway.recording.journal import Journal
from gateway.upstream.attempt import Attempt
from gateway.wire.answer_fault import answer_fault

_OK = 200
TOO_LONG = "The call took longer than it may, all its tries together."
BROKE_OFF = "The provider's stream ended before it was whole."
# Dialects whose streams end with their body: one that HTTP calls whole is whole.
_ENDLESS = frozenset(("triton",))


class Served(NamedTuple):
    """A call that got its answer without anybody being asked."""

    rooms: Rooms
    call: Call
    request: Request
    course: Course
    document: Any


class Copier(Protocol):
    """Asks somebody else too, once a call has been answered; :class:`gateway.app.mirrors.Mirrors` does."""

    def draw(self, rooms: Rooms, call: Call, request: Request, course: Course, document: Any) -> None:
        """Decide whether a call that has its answer is one to be copied; nothing is sent before its client has it."""
        ...

    def check(self, served: Served, then: Callable[[str, bytes], None], *, always: bool = False) -> None:
        """Decide whether a call that a kept answer was served to is to be asked as well, for comparison.

        Args:
            served: The call, which is over.
            then: Is told what was answered, whole, and in which dialect.
            always: It is to be, whatever share of such calls usually is.
        """
        ...


class Rooms(Protocol):
    """The pipeline, as far as a call on its way needs it."""

    @property
    def courses(self) -> Courses:
        """Find where calls go."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Holds what a call may need."""
        ...

    @property
    def journal(self) -> Journal:
        """Keeps its record."""
        ...

    @property
    def mirrors(self) -> Copier | None:
        """Who takes copies of calls, if anybody does."""
        ...

    def send(self, call: Call, request: Request, course: Course, document: Any) -> Attempt:
        """Start a try."""
        ...

    async def admit(self, call: Call, request: Request, course: Course) -> tuple[Course, Any]:
        """Let guards look at a request."""
        ...


async def move(
    rooms: Rooms, call: Call, request: Request, course: Course, document: Any, place: int
) -> tuple[Course, Any]:
    """Take a call to another candidate, under the rules that hold there; gives its course and what to send."""
    going = rooms.courses.next(call, request, course, place)
    if going.deployment is course.deployment:
        return course, document
    call.deployment, call.template = going.deployment, going.template
    rooms.ledger.move(call, going.principal, request, going.deployment)
    await rooms.ledger.hold(call, going.principal, request, going.deployment)
    rooms.journal.rerouted(rooms.journal.record(call), going.template)
    if going.guard is not course.guard and going.guard.request_active:
        return await rooms.admit(call, request, going)
    return going, document


def left_s(rooms: Rooms, call: Call, course: Course) -> float:
    """Seconds that are left of those which the whole call may take."""
    return course.deployment.timeouts.total_s - (rooms.journal.now_ns() - call.incoming.received_ns) / 1e9


def checked(call: Call, attempt: Attempt) -> Attempt:
    """Look at an answer that is over: it may say that all is well and be none, or be a stream that ended too early.

    A whole one that crosses was read on the way; of a stream, clients that have seen a part are told as it ends.

    Raises:
        GatewayError: Its provider's error, or that it is nothing that a client could read.
    """
    fault: GatewayError | None = None
    if attempt.reader is not None:
        if not call.reply.started and broke_off(call, attempt.reader):
            fault = StreamBroken(BROKE_OFF)
    elif attempt.status == _OK and call.crossing is None:
        fault = answer_fault(call.dialect.name, attempt.body)
    if fault is not None:
        raise fault
    return attempt


def broke_off(call: Call, reader: StreamReader) -> bool:
    """Whether a stream that its provider has ended was not at its end, as far as that can be told."""
    if reader.done or reader.facts.finish_reason or call.dialect.name in _ENDLESS:
        return False
    return isinstance(reader, Resumable)


def let_go(call: Call) -> list[Screened]:
    """Let go of who judges a call, and return what judges beside it have said."""
    if call.clauses is not None:
        call.clauses.drop()
    judging, call.judging = call.judging, None
    return judging.drop() if judging is not None else []


def note_failure(record: ExchangeRecord, attempt: AttemptView | None, error: GatewayError) -> None:
    """Put on the record what became of a call that failed."""
    if isinstance(error, Blocked):
        record.verdict = "block"
        if record.stream and record.released_chars is None and attempt is not None:
            record.released_chars = 0
    if attempt is not None and attempt.held and attempt.reader is not None:
        # Nobody has looked at what was held.
        attempt.reader.kept.clear()
