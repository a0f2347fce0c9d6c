"""Keeps the record of an exchange from its first byte to its last, and files it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Protocol

import msgspec

from gateway.core.call import Call
from gateway.core.capture import BODIES, Bodies
from gateway.core.errors import ClientGone
from gateway.core.exchange import AnswerFacts, Deployment, Principal, Request, RoutePlan
from gateway.core.record import AttemptRecord, CacheRecord, ExchangeRecord
from gateway.recording.capture import Capture, Capturing
from gateway.recording.given import Given, GivenOutcome
from gateway.recording.metrics import Cell
from gateway.recording.ordinary import Noted, Ordinary, Outcome, Try

# The policies' revision, and how much of bodies is kept where they say that.
Under = tuple[str, Bodies | None]
# As records say it, the strictest first.
_HOW_MUCH = ("", *BODIES[1:])
RESET_NS = 1_000_000_000
MAX_MODEL_CHARS = 256
MAX_ROUTE_CHARS = 256


class Clocks(Protocol):
    """The two clocks a record needs."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from anywhere."""
        ...

    def unix_us(self) -> int:
        """Microseconds since 1970."""
        ...


class Filing(Protocol):
    """Where a finished record goes."""

    def append(self, record: ExchangeRecord) -> None:
        """Write it down."""
        ...

    def append_line(self, line: bytes) -> None:
        """Write down a record that is a line already."""
        ...


class Counting(Protocol):
    """Who counts finished records."""

    def observe(self, record: ExchangeRecord) -> None:
        """Count it."""
        ...

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Cell:
        """Where records with these labels are counted."""
        ...


class Journal:
    """Opens, fills and closes records.

    Args:
        filing: Takes finished records.
        counting: Counts them.
        clock: The present.
        new_id: Makes an exchange id for a millisecond since 1970.
        capture: Which bodies are kept.
        config_hash: Digest of the configuration in force.
    """

    def __init__(
        self,
        filing: Filing,
        counting: Counting,
        clock: Clocks,
        new_id: Callable[[int], str],
        capture: Capture,
        config_hash: str,
    ) -> None:
        self._filing = filing
        self._counting = counting
        self._unix_us = clock.unix_us
        self._new_id = new_id
        self._set_ns = -RESET_NS
        self._offset_us = 0
        self._config_hash = config_hash
        self._encode = msgspec.json.Encoder().encode
        self.capturing = Capturing(capture)
        self.now_ns = clock.monotonic_ns

    def template(
        self, request: Request, principal: Principal, plan: RoutePlan, deployment: Deployment, under: Under
    ) -> ExchangeRecord:
        """Make what the records of one caller's calls of one model have in common."""
        model = request.model[:MAX_MODEL_CHARS]
        return ExchangeRecord(
            dialect=request.dialect,
            route=request.route,
            model_requested=model,
            key_id=principal.key_id,
            tenant=principal.tenant,
            team=principal.team,
            tags=principal.tags,
            alias=plan.alias,
            provider=deployment.provider,
            deployment=f"{deployment.provider}/{deployment.model or model}",
            policy_revision=under[0],
            config_hash=self._config_hash,
            capture=self.capturing.captures(principal, under[1]),
        )

    def ordinary(self, template: ExchangeRecord) -> Ordinary | None:
        """What writes the lines of ordinary calls; ``None`` where bodies are kept."""
        if template.capture:
            return None
        cell = self._counting.cell(template.dialect, template.provider, template.model_requested, 200, "")
        made = Noted if template.cache == "miss" else Ordinary
        return made(template, self._encode, cell)

    def record(self, call: Call) -> ExchangeRecord:
        """Give the record of a call, started when somebody first asks for it."""
        record = call.record
        if record is None:
            record = call.record = self._open(call)
        return record

    def _open(self, call: Call) -> ExchangeRecord:
        incoming, request, template = call.incoming, call.request, call.template
        if template is not None:
            record = copy(template)
        else:
            record = ExchangeRecord(route=incoming.path[:MAX_ROUTE_CHARS], config_hash=self._config_hash)
        record.started_us = started_us = self.started_us(incoming.received_ns)
        record.id = self._new_id(started_us // 1000)
        record.bytes_in = len(incoming.body)
        if request is not None:
            record.stream = request.stream
            if template is None:
                record.dialect = request.dialect
                record.route = request.route
                record.model_requested = request.model[:MAX_MODEL_CHARS]
        labels = call.labels
        if labels is not None:
            record.tags = {**labels.tags, **record.tags}
            record.trace_id, record.span_id, record.session_id = labels.trace_id, labels.span_id, labels.session_id
            record.trace_flags, record.trace_state = labels.trace_flags, labels.trace_state
        return record

    def started_us(self, received_ns: int) -> int:
        """Microseconds since 1970 at a moment of the monotonic clock."""
        if not 0 <= received_ns - self._set_ns < RESET_NS:
            # The wall clock, as an offset to the monotonic one: read again every second, since it may be set.
            self._set_ns = self.now_ns()
            self._offset_us = self._unix_us() - self._set_ns // 1000
        return received_ns // 1000 + self._offset_us

    def answered(self, record: ExchangeRecord, facts: AnswerFacts) -> None:
        """Note what the answer says about itself."""
        served, reason = facts.model_served, facts.finish_reason
        record.model_served = served if len(served) <= MAX_MODEL_CHARS else served[:MAX_MODEL_CHARS]
        record.finish_reason = reason if len(reason) <= MAX_MODEL_CHARS else reason[:MAX_MODEL_CHARS]
        if facts.chunks:
            record.chunks = facts.chunks

    def file_ordinary(
        self, call: Call, ordinary: Ordinary, facts: AnswerFacts, started_us: int, cost_nanousd: int | None
    ) -> Outcome | None:
        """Finish an ordinary call and file it, before its last byte leaves.

        Returns:
            What was filed; ``None`` when the call is no ordinary one after all, and nothing was.
        """
        attempt, usage, incoming = call.attempt, facts.usage, call.incoming
        served, reason = facts.model_served, facts.finish_reason
        if attempt is None or usage is None or len(served) > MAX_MODEL_CHARS or len(reason) > MAX_MODEL_CHARS:
            return None
        now_ns, received_ns, sent_ns = self.now_ns(), incoming.received_ns, attempt.sent_ns
        took_ns, tried_ns = now_ns - received_ns, attempt.ended_ns - sent_ns
        cached, reasoning = usage.cache_read_tokens, usage.reasoning_tokens
        tokens_in, tokens_out = usage.input_fresh_tokens + cached, usage.output_text_tokens + reasoning
        outcome = Outcome(
            self._new_id(started_us // 1000), started_us, served, reason, tokens_in, tokens_out, cached, reasoning,
            cost_nanousd, took_ns / 1e6, (took_ns - tried_ns) / 1e6, len(incoming.body), len(call.answer),
        )  # fmt: skip
        tried = Try(
            started_us + (sent_ns - received_ns) // 1000, (attempt.answered_ns - sent_ns) / 1e6, tried_ns / 1e6,
            tokens_in, tokens_out, cost_nanousd,
        )  # fmt: skip
        try:
            line = ordinary.line(outcome, tried)
        except UnicodeEncodeError:
            return None
        call.filed = True
        self._filing.append_line(line)
        ordinary.count(outcome)
        return outcome

    def file_given(self, call: Call, given: Given, told: CacheRecord, facts: AnswerFacts, size: int) -> GivenOutcome:
        """Finish a call that is given a kept answer, and file it, before its last byte leaves.

        Args:
            call: The exchange; nothing else has happened to it.
            given: Writes such calls.
            told: Whose answer it is.
            facts: Of the answer.
            size: Of what the client gets.
        """
        incoming = call.incoming
        at_us, took_ms = self.started_us(incoming.received_ns), (self.now_ns() - incoming.received_ns) / 1e6
        outcome = GivenOutcome(
            self._new_id(at_us // 1000), at_us, facts.model_served, facts.finish_reason, took_ms, took_ms,
            len(incoming.body), size, [told],
        )  # fmt: skip
        line = given.line(outcome)
        call.filed = True
        self._filing.append_line(line)
        given.count(outcome)
        return outcome

    def overhead_ms(self, call: Call) -> float:
        """The gateway's own share of the time so far: all of it but what the provider took."""
        now_ns = self.now_ns()
        took_ns = now_ns - call.incoming.received_ns
        attempt = call.attempt
        if attempt is not None:
            took_ns -= (attempt.ended_ns or now_ns) - attempt.sent_ns
        if call.trip is not None:
            took_ns -= call.trip.spent_ns
        return max(0, took_ns) / 1e6

    def rerouted(self, record: ExchangeRecord, template: ExchangeRecord) -> None:
        """Note where a call goes that a rule sends elsewhere."""
        record.alias, record.provider, record.deployment = template.alias, template.provider, template.deployment
        record.split, record.arm = template.split, template.arm
        record.policy_revision = template.policy_revision
        record.capture = min(record.capture, template.capture, key=_HOW_MUCH.index)

    def close(self, call: Call, status: int, code: str, last: bytes, at_ns: int = 0) -> None:
        """Finish a record and file it. Called exactly once an exchange, before its last byte leaves.

        Args:
            call: The exchange.
            status: What the client saw, or would have seen.
            code: Our code of what went wrong; empty when all went well.
            last: The last bytes of the answer, about to leave.
            at_ns: When the call was over, where that is not now.
        """
        record = self.record(call)
        attempt = call.attempt
        received_ns = call.incoming.received_ns
        now_ns = at_ns or self.now_ns()
        took_ns = now_ns - received_ns
        record.status, record.error_code = _outcome(record, call, status, code)
        record.bytes_out = len(last)
        record.duration_ms = took_ns / 1e6
        if attempt is not None:
            record.bytes_out += attempt.out_bytes
            ended_ns = attempt.ended_ns or now_ns
            if not record.cache.startswith("hit"):
                took_ns -= ended_ns - attempt.sent_ns
                self._attempted(record, call, code if call.trip is None else call.trip.code or code, ended_ns)
            elif attempt.first_ns:
                record.ttft_ms = (attempt.first_ns - received_ns) / 1e6
            if call.spent is not None:
                call.spent.give(record)
        if record.capture and not record.captured:
            self.capturing.take(call, record)
        if len(record.attempts) > 1:
            _add_up(record, 0 if call.spent is None else call.spent.cost_nanousd or 0)
        if call.trip is not None:
            took_ns -= call.trip.spent_ns
            if call.trip.after is not None:
                call.trip.after(call)
        record.overhead_ms = took_ns / 1e6
        self._filing.append(record)
        self._counting.observe(record)

    def tried(self, record: ExchangeRecord, call: Call, code: str) -> AttemptRecord | None:
        """Note a try that came to nothing, since another follows it or goes on beside it."""
        attempt = call.attempt
        return None if attempt is None else self._attempted(record, call, code, attempt.ended_ns or self.now_ns())

    def _attempted(self, record: ExchangeRecord, call: Call, code: str, ended_ns: int) -> AttemptRecord | None:
        attempt, trip = call.attempt, call.trip
        if attempt is None:
            return None
        first_ns = attempt.first_ns or attempt.answered_ns
        ttft_ms = (first_ns - attempt.sent_ns) / 1e6 if first_ns else None
        if record.stream and (trip is None or trip.kind != "continue"):
            record.ttft_ms = ttft_ms
        tried = AttemptRecord(
            number=1 if trip is None else trip.number,
            kind="first" if trip is None else trip.kind,
            started_us=record.started_us + (attempt.sent_ns - call.incoming.received_ns) // 1000,
            provider=record.provider,
            deployment=record.deployment,
            status=attempt.status,
            error_code=code,
            ttft_ms=ttft_ms,
            duration_ms=(ended_ns - attempt.sent_ns) / 1e6,
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            cost_nanousd=record.cost_nanousd,
        )
        # Not added to it: records that are copies of one share their empty list.
        record.attempts = [*record.attempts, tried]
        return tried


def _add_up(record: ExchangeRecord, parts_nanousd: int) -> None:
    """A call costs what all its tries cost; so far its record has the cost of the last one, and of parts before it."""
    tries = record.attempts
    if record.cost_nanousd is not None:
        record.cost_nanousd += sum(each.cost_nanousd or 0 for each in tries[:-1]) - parts_nanousd
    record.attempts = sorted(tries, key=lambda each: each.number)


def _outcome(record: ExchangeRecord, call: Call, status: int, code: str) -> tuple[int, str]:
    """What came of a call: what went well for those who waited for it did not for a client that had gone.

    One that was refused before its answer was looked up is no miss.
    """
    if record.cache == "miss" and not call.sought:
        record.cache = "off"
    return (ClientGone.status, ClientGone.code) if call.left and not code else (status, code)
