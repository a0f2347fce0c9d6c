"""Which answers are kept: whole ones that went well, that no rule has changed, and that those gave who usually do.

And whose they are: who shares them with whom.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from gateway.cache.partition import partition
from gateway.cache.renewal import kept_form
from gateway.core.cache_rules import ExactRule, Scope
from gateway.core.cached import CachedAnswer
from gateway.core.call import Call
from gateway.core.exchange import Request
from gateway.core.record import ExchangeRecord
from gateway.course import Course
from gateway.recording.ordinary import Noted
from gateway.trip import Trip
from gateway.upstream.attempt import Attempt

# How an answer ends that is whole, in the words of all dialects.
_ENDS = frozenset(
    (
        "stop", "length", "tool_calls", "function_call", "end_turn", "max_tokens", "stop_sequence", "tool_use",
        "completed", "max_output_tokens",
    )
)  # fmt: skip
_CHANGES = frozenset(("block", "hold", "redact", "mask", "rewrite", "route"))
_OK = 200
_MOST_PARTITIONS = 8192

Why = Literal["", "error", "cut", "size", "end", "elsewhere", "changed"]


class Terms(NamedTuple):
    """Under which an answer is kept: its key and partition, the rule, the present."""

    key: bytes
    partition: str
    rule: ExactRule
    now_s: int


def kept(
    call: Call, request: Request, courses: tuple[Course, Course], attempt: Attempt, terms: Terms
) -> CachedAnswer | Why:
    """Make of an answer one that is kept.

    Args:
        call: The exchange; it is over.
        request: What was asked.
        courses: By which rules it was admitted, and where it was answered.
        attempt: The answer.
        terms: As said.

    Returns:
        The answer, or why it is not kept.
    """
    asked, course = courses
    body = attempt.gathered if attempt.reader is not None else attempt.body
    noted, record = course.ordinary, call.record
    told = record or (noted.last if isinstance(noted, Noted) else None)
    if attempt.status != _OK or (attempt.reader is not None) != request.stream or told is None:
        return "error"
    if call.spent is not None or call.part is not None or (record is not None and record.error_code and not call.left):
        return "cut"
    if body is None or len(body) > terms.rule.max_bytes:
        return "size"
    if not _ended_well(told.finish_reason, request):
        return "end"
    if course.guard is not asked.guard or not _of_the_family(call, course):
        return "elsewhere"
    if record is not None and _changed(record):
        return "changed"
    return CachedAnswer(
        key=terms.key,
        partition=terms.partition,
        tenant=asked.principal.tenant,
        alias=course.template.alias,
        model=told.model_served,
        policy_revision=asked.guard.revision,
        tags={**(call.labels.tags if call.labels is not None else {}), **course.template.tags},
        dialect=request.dialect,
        stream=request.stream,
        body=kept_form(request.dialect, body, stream=request.stream),
        stored_s=terms.now_s,
        expires_s=terms.now_s + int(terms.rule.ttl_s),
        cost_nanousd=told.cost_nanousd,
        duration_ms=(attempt.ended_ns - attempt.sent_ns) // 1_000_000,
        exchange_id=told.id,
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
    )


def _ended_well(finish_reason: str, request: Request) -> bool:
    """Whether all the choices of an answer came to an end of their own."""
    ends = {each.strip().lower() for each in finish_reason.split(",")}
    return ends <= _ENDS or request.operation == "embeddings"


def _of_the_family(call: Call, course: Course) -> bool:
    """Whether who answered is one of those that the answer is kept for: what steps in for them is no such."""
    trip, fork = call.trip, course.fork
    if not isinstance(trip, Trip) or fork is None:
        return trip is None
    return trip.place < fork.plan.main and trip.place not in trip.fit.spared


def _changed(record: ExchangeRecord) -> bool:
    """Whether a rule has changed the answer, or turned it back."""
    if record.dropped_fields or record.verdict in {"block", "hold"}:
        return True
    return any(event.direction == "response" and event.action in _CHANGES for event in record.guard_events)


class Partitions:
    """Knows who shares answers with whom; worked out once for all calls of one caller for one model."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[Any, str]] = {}

    def find(self, call: Call, course: Course, scope: Scope) -> str:
        """Give the partition of a call."""
        fork, trip, who = course.fork, call.trip, course.principal
        plan = None if fork is None else fork.plan
        barred = trip.fit.barred if isinstance(trip, Trip) else frozenset[int]()
        asked = course.template.model_requested
        known = (who.tenant, who.team, who.key_id, scope, course.template.alias, course.template.arm, barred, asked)
        # Held beside what was worked out of it, so that its number is nobody else's.
        owner = plan or course.deployment
        key = (*known, id(owner))
        found = self._known.get(key)
        if found is None:
            family = [course.deployment]
            if plan is not None:
                family = [each for at, each in enumerate(plan.candidates[: plan.main]) if at not in barred]
            arm = (course.template.split, course.template.arm)
            found = owner, partition(who, scope, course.template.alias, arm, family, asked)
            if len(self._known) >= _MOST_PARTITIONS:
                self._known.clear()
            self._known[key] = found
        return found[1]
