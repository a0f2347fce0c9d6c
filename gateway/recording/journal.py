"""Keeps the record of an exchange from its first byte to its last, and files it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from gateway.core.call import Call
from gateway.core.exchange import AnswerFacts, Deployment, Headers, Incoming, Principal, Request, RoutePlan
from gateway.core.ports import AttemptView
from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.wire.headers import parse_tags, parse_traceparent

MAX_SESSION_CHARS = 128
RESET_NS = 1_000_000_000
MAX_MODEL_CHARS = 256
MAX_ROUTE_CHARS = 256

Bodies = Literal["none", "redacted", "full"]


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Which bodies are kept, and how much of each."""

    bodies: Bodies = "none"
    max_body_bytes: int = 65_536


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


class Counting(Protocol):
    """Who counts finished records."""

    def observe(self, record: ExchangeRecord) -> None:
        """Count it."""
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
        self._bodies = capture.bodies
        self._max_body_bytes = capture.max_body_bytes
        self.now_ns = clock.monotonic_ns

    def open(self, incoming: Incoming) -> ExchangeRecord:
        """Start a record."""
        received_ns = incoming.received_ns
        if not 0 <= received_ns - self._set_ns < RESET_NS:
            # The wall clock, as an offset to the monotonic one: read again every second, since it may be set.
            self._set_ns = self.now_ns()
            self._offset_us = self._unix_us() - self._set_ns // 1000
        started_us = received_ns // 1000 + self._offset_us
        return ExchangeRecord(
            id=self._new_id(started_us // 1000),
            started_us=started_us,
            bytes_in=len(incoming.body),
            route=incoming.path[:MAX_ROUTE_CHARS],
            config_hash=self._config_hash,
        )

    def understood(self, record: ExchangeRecord, request: Request, headers: Headers) -> None:
        """Note what was asked."""
        record.dialect = request.dialect
        record.route = request.route
        record.model_requested = request.model[:MAX_MODEL_CHARS]
        record.stream = request.stream
        if b"traceparent" in headers or b"x-weighbridge-tags" in headers or b"x-weighbridge-session" in headers:
            self._labelled(record, headers)

    def _labelled(self, record: ExchangeRecord, headers: Headers) -> None:
        tags = headers.get(b"x-weighbridge-tags")
        if tags:
            record.tags = parse_tags(tags)
        trace = headers.get(b"traceparent")
        joined = parse_traceparent(trace) if trace else None
        if joined is not None:
            record.trace_id, record.span_id = joined
        session = headers.get(b"x-weighbridge-session")
        if session:
            record.session_id = session[:MAX_SESSION_CHARS].decode("utf-8", "replace")

    def planned(self, record: ExchangeRecord, principal: Principal, plan: RoutePlan, deployment: Deployment) -> None:
        """Note who asked, and who is to answer."""
        record.key_id = principal.key_id
        record.tenant = principal.tenant
        record.team = principal.team
        if principal.tags:
            record.tags = {**record.tags, **principal.tags}
        record.alias = plan.alias
        record.provider = deployment.provider
        record.deployment = f"{deployment.provider}/{deployment.model or record.model_requested}"

    def answered(self, record: ExchangeRecord, facts: AnswerFacts) -> None:
        """Note what the answer says about itself."""
        served, reason = facts.model_served, facts.finish_reason
        record.model_served = served if len(served) <= MAX_MODEL_CHARS else served[:MAX_MODEL_CHARS]
        record.finish_reason = reason if len(reason) <= MAX_MODEL_CHARS else reason[:MAX_MODEL_CHARS]
        if facts.chunks:
            record.chunks = facts.chunks

    def overhead_ms(self, call: Call) -> float:
        """The gateway's own share of the time so far: all of it but what the provider took."""
        now_ns = self.now_ns()
        took_ns = now_ns - call.incoming.received_ns
        attempt = call.attempt
        if attempt is not None:
            took_ns -= (attempt.ended_ns or now_ns) - attempt.sent_ns
        return max(0, took_ns) / 1e6

    def close(self, call: Call, status: int, code: str, last: bytes) -> None:
        """Finish a record and file it. Called exactly once an exchange, before its last byte leaves.

        Args:
            call: The exchange.
            status: What the client saw, or would have seen.
            code: Our code of what went wrong; empty when all went well.
            last: The last bytes of the answer, about to leave.
        """
        record = call.record
        attempt = call.attempt
        received_ns = call.incoming.received_ns
        now_ns = self.now_ns()
        took_ns = now_ns - received_ns
        record.status = status
        record.error_code = code
        record.bytes_out = len(last)
        record.duration_ms = took_ns / 1e6
        if attempt is not None:
            record.bytes_out += attempt.out_bytes
            ended_ns = attempt.ended_ns or now_ns
            took_ns -= ended_ns - attempt.sent_ns
            self._attempted(record, attempt, code, received_ns, ended_ns)
            if self._bodies != "none":
                self._captured(call)
        record.overhead_ms = took_ns / 1e6
        self._filing.append(record)
        self._counting.observe(record)

    def _attempted(
        self, record: ExchangeRecord, attempt: AttemptView, code: str, received_ns: int, ended_ns: int
    ) -> None:
        first_ns = attempt.first_ns or attempt.answered_ns
        ttft_ms = (first_ns - attempt.sent_ns) / 1e6 if first_ns else None
        if record.stream:
            record.ttft_ms = ttft_ms
        record.attempts = [
            AttemptRecord(
                started_us=record.started_us + (attempt.sent_ns - received_ns) // 1000,
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
        ]

    def _captured(self, call: Call) -> None:
        most = self._max_body_bytes
        reader = call.attempt.reader if call.attempt is not None else None
        answer = call.answer if reader is None else call.dialect.stream_transcript(reader.kept)
        call.record.request_body = call.body[:most].decode("utf-8", "replace")
        call.record.response_body = answer[:most].decode("utf-8", "replace")
