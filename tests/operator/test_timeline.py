from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.operator.timeline import timeline_of

START = "2026-07-01T10:00:00.000000Z"


def tried(number: int, at_ms: int, took_ms: float, **more: Any) -> dict[str, Any]:
    return {
        "number": number, "kind": "retry", "started_at": f"2026-07-01T10:00:00.{at_ms:03}000Z",
        "deployment": f"p/m{number}", "duration_ms": took_ms, "status": 200, "error_code": "", "ttft_ms": None,
        "input_tokens": 1, "output_tokens": 2, "cost_nanousd": 3, **more,
    }  # fmt: skip


def event(rule: str, direction: str, latency_us: int, score: float | None = None) -> dict[str, Any]:
    return {"rule": rule, "detector": "d", "direction": direction, "action": "redact", "mode": "enforce",
            "latency_us": latency_us, "score": score}  # fmt: skip


def exchange(**more: Any) -> dict[str, Any]:
    return {
        "started_at": START, "duration_ms": 900.0, "ttft_ms": None, "verdict": "allow", "status": 200, "error_code": "",
        "input_tokens": 1, "output_tokens": 2, "cost_nanousd": 3, "cache": "off", "attempts": [], "guard_events": [],
        "cache_origin": "", "cache_similarity": None, "cache_age_s": None, "cache_saved_nanousd": None,
        "cache_saved_ms": None, **more,
    }  # fmt: skip


def told(row: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    return [(one["stage"], one["name"], one["at_ms"], one["took_ms"]) for one in timeline_of(row)]


def test_a_call_with_two_tries_and_rules_on_both_ways() -> None:
    row = exchange(
        attempts=[tried(2, 400, 450, ttft_ms=100.0), tried(1, 10, 190, status=503)],
        guard_events=[
            event("r", "request", 2_000, 0.5),
            event("r", "request", 3_000, 0.9),
            event("s", "response", 500),
        ],
        ttft_ms=100.0,
    )
    assert told(row) == [
        ("gateway", "before", 0, 10),
        ("rule", "r", 0, 3),
        ("try", "p/m1", 10, 190),
        ("gateway", "between", 200, 200),
        ("try", "p/m2", 400, 450),
        ("first piece", "", 500, 0),
        ("rule", "s", 850, 0.5),
        ("gateway", "after", 850, 50),
        ("end", "allow", 900, 0),
    ]
    rule = timeline_of(row)[1]
    assert (rule["hits"], rule["score"], rule["detectors"]) == (2, 0.9, ["d"])


def test_a_call_that_nobody_was_asked_for() -> None:
    blocked = exchange(verdict="block", status=400, guard_events=[event("r", "request", 100)], duration_ms=1.0)
    assert told(blocked) == [("gateway", "before", 0, 1), ("rule", "r", 0, 0.1), ("end", "block", 1, 0)]
    hit = exchange(cache="hit-exact", cache_origin="x", duration_ms=1.0)
    assert ("cache", "hit-exact", 0, 0) in told(hit)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 999), st.floats(0, 2_000)), max_size=4), st.floats(0, 1_000))
def test_stages_of_the_gateway_and_tries_cover_the_whole_time_once(
    tries: list[tuple[int, float]], duration_ms: float
) -> None:
    row = exchange(attempts=[tried(at + 1, *one) for at, one in enumerate(tries)], duration_ms=duration_ms)
    stages = timeline_of(row)
    assert [one["at_ms"] for one in stages[:-1]] == sorted(one["at_ms"] for one in stages[:-1])
    assert all(one["took_ms"] >= 0 for one in stages)
    covered = 0.0
    for one in stages:
        if one["stage"] in ("gateway", "try"):
            assert one["at_ms"] <= covered + 0.002
            covered = max(covered, one["at_ms"] + one["took_ms"])
    assert covered >= min(duration_ms, covered) - 0.01
