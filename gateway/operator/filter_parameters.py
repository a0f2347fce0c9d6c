"""How callers of the operator plane say which exchanges they mean."""

from __future__ import annotations

from multidict import MultiMapping

from gateway.core.errors import MalformedRequest
from gateway.operator import parameters
from gateway.operator.filters import LOOKED_UP, Filters
from gateway.operator.openapi import Parameter

# What a caller writes, and the field that it restricts; the rest has its column's name.
NAMES = {
    "key": "key_id",
    "session": "session_id",
    "trace": "trace_id",
    "model": "model_served",
    "requested": "model_requested",
    "error": "error_code",
    "finish": "finish_reason",
    "prompt": "prompt_id",
    **{
        name: name
        for name in (
            *("tenant", "team", "alias", "provider", "deployment", "dialect", "route", "verdict", "cache"),
            *("split", "arm", "policy_revision", "prompt_version", "rule", "detector", "feedback", "text"),
        )
    },
}
_TOLD = {
    "model": "Only this model, as its provider calls it.",
    "requested": "Only this model, as clients ask for it.",
    "error": "Only this error_code.",
    "rule": "Only what this rule of a policy hit.",
    "detector": "Only what this detector hit.",
    "feedback": "Only what was judged: the judgement's name, or name=value.",
    "text": 'Only what captured bodies hold: words and "phrases", all of them; upper and lower case are the same.',
}
_MOST_MS = 999_999_999
_TRUTH = {"true": True, "false": False}

TIMES = (
    Parameter(name="since", summary="Started at or after: an age (24h), or an ISO 8601 time."),
    Parameter(name="until", summary="Started before: likewise."),
)
ROW_FILTERS = (
    *(
        Parameter(name=name, summary=_TOLD.get(name, f"Only this {name.replace('_', ' ')}."))
        for name in NAMES
        if name not in LOOKED_UP
    ),
    Parameter(
        name="tag",
        summary="Only calls with this tag, key=value; may be given several times.",
        schema={"type": "array", "items": {"type": "string"}},
    ),
    Parameter(name="status", summary="Only this HTTP status.", schema={"type": "integer"}),
    Parameter(name="min_status", summary="At least this HTTP status.", schema={"type": "integer"}),
    Parameter(name="failed", summary="Only what went wrong.", schema={"enum": ["true", "false"], "default": "false"}),
    Parameter(name="stream", summary="Only streams, or only what is none.", schema={"enum": ["true", "false"]}),
    Parameter(name="min_ms", summary="At least so long, in milliseconds.", schema={"type": "integer"}),
    Parameter(name="min_usd", summary="At least so dear, in US dollars.", schema={"type": "number"}),
)
FILTERS = (
    *ROW_FILTERS,
    *(Parameter(name=name, summary=_TOLD[name]) for name in LOOKED_UP),
)


def read_filters(query: MultiMapping[str], now_us: int) -> Filters:
    """Read what a caller means.

    Raises:
        MalformedRequest: A value is none that its name takes.
    """
    # What is not asked for stays as it is by default.
    given = {field: parameters.text(query, name) for name, field in NAMES.items()}
    tags = tuple(query.getall("tag", ()))
    if any(len(tag) > parameters.MOST_TEXT for tag in tags):
        raise MalformedRequest("'tag' is too long.", param="tag")
    return Filters(
        **given,
        tags=tags,
        status=parameters.whole_number(query, "status", 0, 999),
        min_status=parameters.whole_number(query, "min_status", 0, 999),
        failed=bool(_truth(query, "failed")),
        stream=_truth(query, "stream"),
        min_duration_ms=parameters.whole_number(query, "min_ms", 0, _MOST_MS),
        min_cost_nanousd=_nanousd(query, "min_usd"),
        since_us=parameters.moment_us(query, "since", now_us),
        until_us=parameters.moment_us(query, "until", now_us),
    )


def _truth(query: MultiMapping[str], name: str) -> bool | None:
    value = query.get(name)
    if not value:
        return None
    if value not in _TRUTH:
        raise MalformedRequest(f"'{name}' must be true or false.", param=name)
    return _TRUTH[value]


def _nanousd(query: MultiMapping[str], name: str) -> int:
    value = query.get(name)
    if not value:
        return 0
    try:
        amount = float(value)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < 1_000_000:
        raise MalformedRequest(f"'{name}' must be an amount of US dollars.", param=name)
    return round(amount * 1_000_000_000)
