"""One exchange in the order in which it happened: what the gateway did, each try, what rules found, what came out.

Made of what is recorded, and no more: when tries began and how long they took, when the first piece came, how long
each rule took. What lies before, between and after the tries is the gateway's own: reading, limits, rules and cache
before; waiting for the next try between; rules and the record after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Row = dict[str, Any]


def timeline_of(row: Mapping[str, Any]) -> list[Row]:
    """Put one exchange in order.

    Args:
        row: As ``queries.exchange`` gives it.

    Returns:
        Stages, each with ``stage``, ``name``, ``at_ms`` after the start and ``took_ms``, and what else is known of it.
        Rules stand at the beginning or the end of the gateway's own time, since nobody notes when they
        looked.
    """
    duration_ms = float(row["duration_ms"])
    events: Sequence[Mapping[str, Any]] = row["guard_events"]
    tries = sorted((_try(row, tried) for tried in row["attempts"]), key=lambda each: each["at_ms"])
    stages: list[Row] = []
    first_ms = tries[0]["at_ms"] if tries else duration_ms
    stages.append(_stage("gateway", "before", 0.0, first_ms))
    stages += _rules(events, "request", 0.0)
    if row["cache"] not in ("off", ""):
        stages.append(_cache(row))
    over_ms = first_ms
    for tried in tries:
        if tried["at_ms"] - over_ms > 0 and tried is not tries[0]:
            stages.append(_stage("gateway", "between", over_ms, tried["at_ms"] - over_ms))
        stages.append(tried)
        over_ms = max(over_ms, tried["at_ms"] + tried["took_ms"])
    if row["ttft_ms"] is not None:
        stages.append(_stage("first piece", "", _first_piece_ms(row, tries), 0.0))
    stages += _rules(events, "response", min(over_ms, duration_ms))
    if tries:
        stages.append(_stage("gateway", "after", min(over_ms, duration_ms), max(0.0, duration_ms - over_ms)))
    stages.sort(key=lambda each: each["at_ms"])
    stages.append(
        _stage("end", row["verdict"], duration_ms, 0.0)
        | {name: row[name] for name in ("status", "error_code", "input_tokens", "output_tokens", "cost_nanousd")}
    )
    return stages


def _stage(stage: str, name: str, at_ms: float, took_ms: float) -> Row:
    return {"stage": stage, "name": name, "at_ms": round(at_ms, 3), "took_ms": round(took_ms, 3)}


def _try(row: Mapping[str, Any], tried: Mapping[str, Any]) -> Row:
    at_ms = max(0.0, (_moment(tried["started_at"]) - _moment(row["started_at"])).total_seconds() * 1000)
    told = ("number", "kind", "status", "error_code", "ttft_ms", "input_tokens", "output_tokens", "cost_nanousd")
    stage = _stage("try", tried["deployment"], at_ms, float(tried["duration_ms"]))
    return stage | {name: tried[name] for name in told}


def _first_piece_ms(row: Mapping[str, Any], tries: Sequence[Row]) -> float:
    """When the client's first piece came: of a try, its own time counts from its own beginning."""
    served = next((tried for tried in reversed(tries) if tried["ttft_ms"] == row["ttft_ms"]), None)
    return float(row["ttft_ms"]) + (served["at_ms"] if served else 0.0)


def _rules(events: Sequence[Mapping[str, Any]], direction: str, at_ms: float) -> list[Row]:
    hits: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if event["direction"] == direction:
            hits.setdefault(event["rule"], []).append(event)
    stages: list[Row] = []
    for rule, found in hits.items():
        first = found[0]
        took_ms = max(event["latency_us"] for event in found) / 1000
        scores = [event["score"] for event in found if event["score"] is not None]
        stages.append(
            _stage("rule", rule, at_ms, took_ms)
            | {"direction": direction, "action": first["action"], "mode": first["mode"], "hits": len(found)}
            | {"detectors": sorted({event["detector"] for event in found}), "score": max(scores, default=None)}
        )
    return stages


def _cache(row: Mapping[str, Any]) -> Row:
    told = ("cache_origin", "cache_similarity", "cache_age_s", "cache_saved_nanousd", "cache_saved_ms")
    return _stage("cache", row["cache"], 0.0, 0.0) | {name: row[name] for name in told}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
