"""A copy of a call: asked of another deployment by the same rules, compared with the real one, shown to nobody.

It goes the way of every call from where rules have admitted it: what is sent is what they let pass, its answer is
screened as any other, and what it cost is on a record of its own under the tag ``weighbridge=mirror``. Nobody's limits
are charged for it but those on the deployment that it is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.call import Call
from gateway.core.errors import Blocked, GatewayError
from gateway.core.exchange import Deployment, Incoming, Labels, Principal, Request
from gateway.core.ports import Dialect
from gateway.core.record import ExchangeRecord
from gateway.core.recorded import COPIES, COPY_TAGS
from gateway.core.verdict import Masked
from gateway.course import Course
from gateway.guards import gate
from gateway.moves import let_go
from gateway.pipeline import Pipeline
from gateway.recording.likeness import Given, compared, given_by
from gateway.recording.metrics import CELL_SIZE, Cell
from gateway.recording.overhead import Overhead
from gateway.recording.tries import MIRROR as KIND

_HOLDER = Principal(key_id=COPIES, team=COPIES, tenant=COPIES)
# An answer that is larger is read on a thread: the loop has other calls.
_AT_ONCE_BYTES = 65_536
# Of the client's own repeats; a copy is none.
_NOT_COPIED = frozenset({b"idempotency-key", b"x-stainless-retry-count"})


class Copy(msgspec.Struct, kw_only=True):
    """What is known of a call that is to be asked again elsewhere.

    Attributes:
        to: Where.
        course: Where the call itself was answered, and by which rules.
        document: What was sent there, after them.
        real: The call's record, when that is complete.
        given: What its client got.
        then: Is told what the other deployment answered, whole and in its dialect, where somebody wants to know.
    """

    to: Deployment
    incoming: Incoming
    request: Request
    dialect: Dialect
    labels: Labels | None
    course: Course
    document: Any
    masks: dict[str, Masked] | None
    real: ExchangeRecord
    given: Given | None = None
    then: Callable[[str, bytes], None] | None = None


class Held:
    """Takes the record of a copy, for it to be compared before it is filed. No exchange is counted."""

    def __init__(self) -> None:
        self._filed: asyncio.Future[ExchangeRecord] = asyncio.get_running_loop().create_future()

    def append(self, record: ExchangeRecord) -> None:
        """Take it."""
        for each in record.attempts:
            each.kind = KIND
        if not self._filed.done():
            self._filed.set_result(record)

    def append_line(self, line: bytes) -> None:
        """Take one that is a line already."""
        self.append(msgspec.json.decode(line, type=ExchangeRecord))

    def observe(self, record: ExchangeRecord) -> None:
        """It is no exchange of a client's."""

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Cell:
        """Nor one of the ordinary ones."""
        return Cell([0] * CELL_SIZE, Overhead())

    @property
    def there(self) -> bool:
        """Whether it has come."""
        return self._filed.done()

    async def record(self) -> ExchangeRecord:
        """Wait for it."""
        return await asyncio.shield(self._filed)

    def when_there(self, then: Callable[[ExchangeRecord], None]) -> None:
        """Pass it on when it is there, at once where it is."""
        if self._filed.done():
            then(self._filed.result())
        else:
            self._filed.add_done_callback(lambda filed: then(filed.result()))


class Unseen:
    """Where the answer of a copy goes; a :class:`gateway.core.ports.Reply`."""

    def __init__(self) -> None:
        self.gone = self.started = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Nobody sees it."""

    def start(self, status: int, headers: bytes) -> None:
        """It has begun."""
        self.started = True

    def write(self, data: bytes) -> None:
        """Nobody sees it."""

    def finish(self, tail: bytes) -> None:
        """Nobody sees it."""

    def abort(self) -> None:
        """Nobody sees it."""

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Nobody is slow here."""


def call_of(copy: Copy, now_ns: int) -> Call:
    """Make the call that a copy is."""
    asked = copy.incoming
    headers = {name: value for name, value in asked.headers.items() if name not in _NOT_COPIED}
    template = msgspec.structs.replace(
        copy.course.template,
        key_id="",
        team="",
        tenant="",
        split="",
        cache="off",
        arm="",
        tags=COPY_TAGS,
        provider=copy.to.provider,
        deployment=f"{copy.to.provider}/{copy.to.model or copy.request.model}",
    )
    return Call(
        msgspec.structs.replace(asked, headers=headers, received_ns=now_ns, memo={}),
        Unseen(),
        None,
        copy.dialect,
        request=msgspec.structs.replace(copy.request, seal=None, keeps=None),
        template=template,
        deployment=copy.to,
        masks=copy.masks,
    )


async def ask(rooms: Pipeline, copy: Copy, call: Call) -> None:
    """Ask the other deployment; whatever comes of it is on the copy's record.

    Args:
        rooms: The pipeline, with a journal that takes the record and sessions of its own.
        copy: What is asked.
        call: Made of it.
    """
    try:
        course, document = await _admitted(rooms, copy, call)
        request = call.request or copy.request
        limited = msgspec.structs.replace(request, model=f"{copy.to.provider}/{copy.to.model}")
        call.lease = rooms.ledger.reserve(call, _HOLDER, limited, copy.to)
        await rooms.ledger.hold(call, _HOLDER, limited, copy.to)
        rooms.courses.join(call, 1)
        attempt = rooms.send(call, request, course, document)
        await attempt
        await rooms.end(call, request, course, attempt)
    except GatewayError as error:
        await rooms.fail(call, error)
    except asyncio.CancelledError as cancelled:
        await rooms.cancelled(call, cancelled)
        raise
    finally:
        if not call.handed_on:
            let_go(call)
            rooms.ledger.release(call)


async def _admitted(rooms: Pipeline, copy: Copy, call: Call) -> tuple[Course, Any]:
    """Give the copy's course and what to send: as rules have left it, where the same ones hold at both deployments.

    Raises:
        GatewayError: It cannot go there, or a rule that holds there does not allow it.
    """
    request = call.request or copy.request
    course = rooms.courses.beside(copy.course, request, copy.labels, copy.to)
    course = msgspec.structs.replace(course, template=call.template or course.template, ordinary=None)
    if course.guard is copy.course.guard:
        return msgspec.structs.replace(course, guard=course.guard.of_answers()), copy.document
    call.masks, document = None, request.document
    if course.guard.request_active:
        record = rooms.journal.record(call)
        admitted = await gate.admit(record, course.guard, call.dialect, request, rooms.sessions)
        if admitted.route:
            # What may not go there is not sent somewhere else for comparison.
            raise Blocked(next(event.rule for event in record.guard_events if event.action == "route"))
        call.masks, document = admitted.masks or None, admitted.document
    return course, document


async def compare(copy: Copy, call: Call, record: ExchangeRecord, max_bytes: int) -> None:
    """Put on a copy's record how it compares with the call."""
    given = given_by(call, max_bytes)
    size = sum(each.size for each in (given, copy.given) if each is not None)
    if size <= _AT_ONCE_BYTES:
        made = compared(record, given, copy.real, copy.given)
    else:
        made = await asyncio.to_thread(compared, record, given, copy.real, copy.given)
    record.mirrors = [made]
    if copy.then is not None and given is not None and not record.error_code:
        copy.then(given.dialect.name, given.whole())
