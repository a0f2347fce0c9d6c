"""Makes the spans of a call out of its record: one for the call, children for its tries, its rules, its cache.

A record says when tries began and how long everything took, but not when rules looked: those of requests are drawn from
the call's beginning, those of answers up to its end. Tokens stand on the call alone, by the names that tools add up;
tries have their own, so that nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.otlp import ServedBy
from gateway.core.record import AttemptRecord, ExchangeRecord, GuardEvent
from gateway.core.span_ids import span_of, trace_of, try_span_of
from gateway.recording import semconv as name
from gateway.wire.otlp import CLIENT, INTERNAL, SERVER, Span, Value

MAX_RULES = 32
_SAMPLED = 1
_NANO = 10**9
# Tries that ended like this did not fail: another one was sooner.
_OUTRUN = "outrun"
_TRACE_CHARS, _SPAN_CHARS = 32, 16
_FROM_REQUEST = "request"


def operation_of(record: ExchangeRecord) -> str:
    """What the call asked for, by the conventions' name; empty for what is no generation."""
    return name.OPERATIONS.get(record.dialect, "")


class SpanMaker:
    """Makes spans.

    Args:
        providers: By the names that records have for them.
    """

    def __init__(self, providers: Mapping[str, ServedBy]) -> None:
        self._providers = providers

    def provider_name(self, provider: str) -> str:
        """A provider's name by the conventions, or its own where they have none."""
        known = self._providers.get(provider)
        return provider if known is None else name.PROVIDERS.get(known.kind, provider)

    def spans(self, record: ExchangeRecord) -> list[Span]:
        """The call's span first; none for a record without an id."""
        if not record.id:
            return []
        call = self._call(record)
        children = [self._try(record, call, each) for each in record.attempts]
        children += _rules(record, call)
        if record.cache not in ("", "off"):
            children.append(_cache(record, call))
        return [call, *children]

    def _call(self, record: ExchangeRecord) -> Span:
        joined = len(record.trace_id) == _TRACE_CHARS and len(record.span_id) == _SPAN_CHARS
        operation = operation_of(record)
        attributes: dict[str, Value] = {
            **_generation(operation, self.provider_name(record.provider), record.model_requested),
            **_request(record),
            **_answer(record),
            **_ours(record),
        }
        return Span(
            trace_id=record.trace_id if joined else trace_of(record.id),
            span_id=span_of(record.id),
            parent_id=record.span_id if joined else "",
            remote_parent=joined,
            trace_state=record.trace_state if joined else "",
            # What is told of is kept, whatever the caller does with its own.
            trace_flags=record.trace_flags | _SAMPLED,
            name=f"{operation} {record.model_requested}" if operation else record.route or "unknown",
            kind=SERVER,
            start_us=record.started_us,
            end_us=_end_us(record.started_us, record.duration_ms),
            # The client's own mistakes are no errors of ours.
            failed=record.status >= 500 or (record.status < 400 and bool(record.error_code)),
            attributes=attributes,
        )

    def _try(self, record: ExchangeRecord, call: Span, tried: AttemptRecord) -> Span:
        operation = operation_of(record)
        model = tried.deployment.partition("/")[2] or record.model_requested
        known = self._providers.get(tried.provider, ServedBy(""))
        attributes = _generation(operation, self.provider_name(tried.provider), model)
        bad = tried.status >= 400 or bool(tried.error_code)
        given: dict[str, Value | None] = {
            name.SERVER_ADDRESS: known.host or None,
            name.SERVER_PORT: known.port or None,
            name.HTTP_STATUS: tried.status or None,
            name.ERROR_TYPE: (tried.error_code or str(tried.status)) if bad else None,
            name.TIME_TO_FIRST_CHUNK: None if tried.ttft_ms is None else tried.ttft_ms / 1000,
            name.DEPLOYMENT: tried.deployment or None,
            name.TRY_NUMBER: tried.number,
            name.TRY_KIND: tried.kind,
            name.TRY_INPUT_TOKENS: tried.input_tokens,
            name.TRY_OUTPUT_TOKENS: tried.output_tokens,
            name.COST: None if tried.cost_nanousd is None else tried.cost_nanousd / _NANO,
        }
        attributes |= _known(given)
        return _child(
            call,
            try_span_of(record.id, tried.number),
            f"{operation} {model}" if operation else record.route or "unknown",
            (tried.started_us, _end_us(tried.started_us, tried.duration_ms)),
            attributes,
            kind=CLIENT,
            failed=bad and tried.error_code != _OUTRUN,
        )


def _child(
    call: Span,
    span_id: str,
    title: str,
    times_us: tuple[int, int],
    attributes: dict[str, Value],
    *,
    kind: int = INTERNAL,
    failed: bool = False,
) -> Span:
    return Span(
        trace_id=call.trace_id,
        span_id=span_id,
        parent_id=call.span_id,
        trace_state=call.trace_state,
        trace_flags=call.trace_flags,
        name=title,
        kind=kind,
        start_us=times_us[0],
        end_us=times_us[1],
        failed=failed,
        attributes=attributes,
    )


def _generation(operation: str, provider: str, model: str) -> dict[str, Value]:
    if not operation:
        return {}
    given = {name.OPERATION_NAME: operation, name.PROVIDER_NAME: provider or None, name.REQUEST_MODEL: model or None}
    return _known(given)


def _request(record: ExchangeRecord) -> dict[str, Value]:
    return _known(
        {
            name.REQUEST_STREAM: record.stream or None,
            name.CONVERSATION_ID: record.session_id or None,
            name.PROMPT_NAME: record.prompt_id or None,
            name.PROMPT_VERSION: record.prompt_version or None,
            name.HTTP_ROUTE: record.route or None,
        }
    )


def _answer(record: ExchangeRecord) -> dict[str, Value]:
    """What came of it. What nobody knows is not told, as the conventions ask."""
    bad = record.status >= 400 or bool(record.error_code)
    return _known(
        {
            name.HTTP_STATUS: record.status or None,
            name.ERROR_TYPE: (record.error_code or str(record.status)) if bad else None,
            name.RESPONSE_MODEL: record.model_served or None,
            name.FINISH_REASONS: (record.finish_reason,) if record.finish_reason else None,
            name.TIME_TO_FIRST_CHUNK: None if record.ttft_ms is None else record.ttft_ms / 1000,
            name.INPUT_TOKENS: record.input_tokens,
            name.OUTPUT_TOKENS: record.output_tokens,
            name.CACHE_READ_TOKENS: record.cached_input_tokens,
            name.CACHE_WRITE_TOKENS: record.cache_write_tokens,
            name.REASONING_TOKENS: record.reasoning_tokens,
            name.USAGE_SOURCE: record.usage_source,
            name.COST: None if record.cost_nanousd is None else record.cost_nanousd / _NANO,
        }
    )


def _ours(record: ExchangeRecord) -> dict[str, Value]:
    told = {
        name.EXCHANGE: record.id,
        name.TENANT: record.tenant or None,
        name.TEAM: record.team or None,
        name.KEY: record.key_id or None,
        name.DIALECT: record.dialect or None,
        name.ALIAS: record.alias or None,
        name.DEPLOYMENT: record.deployment or None,
        name.SPLIT: record.split or None,
        name.ARM: record.arm or None,
        name.VERDICT: record.verdict,
        name.POLICY_REVISION: record.policy_revision or None,
        name.COVERAGE: record.coverage,
        name.CONFIG_HASH: record.config_hash or None,
        name.CACHE: record.cache,
        name.OVERHEAD: record.overhead_ms / 1000,
        name.TRIES: len(record.attempts),
        name.MIRROR_OF: record.mirrors[0].mirror_of if record.mirrors else None,
        **{f"{name.TAG}{tag}": value for tag, value in record.tags.items()},
    }
    return _known(told)


def _rules(record: ExchangeRecord, call: Span) -> list[Span]:
    hits: dict[tuple[str, str], list[GuardEvent]] = {}
    for event in record.guard_events:
        hits.setdefault((event.rule, event.direction), []).append(event)
    if len(hits) > MAX_RULES:
        call.attributes[name.RULES_LEFT_OUT] = len(hits) - MAX_RULES
    return [_rule(record, call, events) for events in list(hits.values())[:MAX_RULES]]


def _rule(record: ExchangeRecord, call: Span, events: list[GuardEvent]) -> Span:
    first = events[0]
    took_us = max(event.latency_us for event in events)
    scores = [event.score for event in events if event.score is not None]
    attributes = _known(
        {
            name.RULE: first.rule,
            name.DETECTORS: tuple(dict.fromkeys(event.detector for event in events)),
            name.ACTION: first.action,
            name.MODE: first.mode,
            name.DIRECTION: first.direction,
            name.HITS: len(events),
            name.SCORE: max(scores) if scores else None,
        }
    )
    start_us = call.start_us if first.direction == _FROM_REQUEST else max(call.start_us, call.end_us - took_us)
    times_us = (start_us, min(start_us + took_us, max(call.start_us, call.end_us)))
    return _child(
        call, span_of(record.id, f"guard/{first.rule}/{first.direction}"), f"guard {first.rule}", times_us, attributes
    )


def _cache(record: ExchangeRecord, call: Span) -> Span:
    """What the cache said. A hit took as long as the call; how long a miss took is not recorded."""
    end_us = call.end_us if record.cache.startswith("hit") else call.start_us
    told: dict[str, Value | None] = {name.CACHE: record.cache}
    if record.cached:
        made = record.cached[0]
        saved = made.saved_nanousd
        told |= {
            name.CACHE_ORIGIN: made.origin or None,
            name.CACHE_SIMILARITY: made.similarity,
            name.CACHE_AGE: made.age_s,
            name.CACHE_SAVED: None if saved is None else saved / _NANO,
        }
    return _child(call, span_of(record.id, "cache"), "cache", (call.start_us, end_us), _known(told))


def _known(given: Mapping[str, Value | None]) -> dict[str, Value]:
    return {key: value for key, value in given.items() if value is not None}


def _end_us(started_us: int, duration_ms: float) -> int:
    return started_us + round(duration_ms * 1000)
