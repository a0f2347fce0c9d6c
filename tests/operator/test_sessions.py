from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.core.record import ExchangeRecord
from gateway.core.span_ids import span_of, try_span_of
from gateway.operator.filters import Filters
from gateway.operator.sessions import DEEPEST, Sessions
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN, OTHER = "00f067aa0ba902b7", "00f067aa0ba902b8"


def calling(name: str, call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def answered(*calls: dict[str, Any]) -> str:
    message = {"role": "assistant", "content": None if calls else "done", **({"tool_calls": calls} if calls else {})}
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).decode()


def asked(*results: tuple[str, str]) -> str:
    called = {"role": "assistant", "content": None, "tool_calls": [calling("t", call_id) for call_id, _ in results]}
    told = [{"role": "tool", "tool_call_id": call_id, "content": text} for call_id, text in results]
    messages = [{"role": "user", "content": "go"}, *([called, *told] if results else [])]
    return orjson.dumps({"model": "m", "messages": messages}).decode()


def run() -> dict[str, ExchangeRecord]:
    """An agent: a first call that asks for two tools, a second that brings one result; beside them a call by nobody's
    span, and one that a deployment made on the way, under the first one's try."""
    start = record().started_us - 10_000_000
    given: dict[str, Any] = {"session_id": "run-1", "trace_id": TRACE, "span_id": SPAN, "duration_ms": 500.0}
    first = record(
        started_us=start,
        request_body=asked(),
        response_body=answered(calling("look", "c1"), calling("add", "c2")),
        **given,
    )
    inner = record(started_us=start + 100_000, **{**given, "span_id": try_span_of(first.id, 1)})
    second = record(
        started_us=start + 2_500_000, request_body=asked(("c1", "found")), response_body=answered(), status=429,
        error_code="rate_limited", **given,
    )  # fmt: skip
    elsewhere = record(started_us=start + 3_000_000, **{**given, "span_id": OTHER}, cost_nanousd=None)
    alone = record(started_us=start + 4_000_000, **{**given, "span_id": "", "trace_id": ""})
    return {"first": first, "inner": inner, "second": second, "elsewhere": elsewhere, "alone": alone}


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_run_is_a_tree_by_trace_context_with_its_tools(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        calls = run()
        await store.insert(lines(*calls.values(), record(session_id="run-2"), record()), "a")
        sessions = Sessions(driver)
        tree = await sessions.tree("run-1", "session")
        assert tree is not None
        span, other, alone = tree["children"]
        assert [(one["kind"], one.get("span_id")) for one in (span, other)] == [("span", SPAN), ("span", OTHER)]
        assert (alone["kind"], alone["id"]) == ("call", calls["alone"].id)
        first, second = span["children"]
        assert (first["id"], second["id"]) == (calls["first"].id, calls["second"].id)
        inner, look, add = first["children"]
        assert (inner["kind"], inner["id"]) == ("call", calls["inner"].id)
        assert (look["kind"], look["name"], look["result_in"], look["is_error"]) == (
            "tool",
            "look",
            second["id"],
            False,
        )
        # From the first one's end, half a second after it began, to the second one's beginning.
        assert look["took_ms"] == 2_000
        assert (add["name"], add["result_in"], add["took_ms"]) == ("add", None, None)
        assert (tree["calls"], tree["failed_calls"], tree["cost_nanousd"], tree["took_ms"]) == (5, 1, 6_000, 4_500)
        assert (tree["truncated"], tree["calls_with_bodies"]) == (False, 2)
        by_trace = await sessions.tree(TRACE, "trace")
        assert by_trace is not None
        assert (by_trace["trace"], by_trace["calls"]) == (TRACE, 4)
        assert await sessions.tree("nobody", "session") is None
        listed = await sessions.newest(Filters(since_us=record().started_us - 60_000_000), 10)
        assert [(one["session_id"], one["calls"]) for one in listed] == [("run-2", 1), ("run-1", 5)]
        assert (listed[1]["failed_calls"], listed[1]["cost_nanousd"]) == (1, 6_000)
        assert await sessions.newest(Filters(failed=True), 1) != []

    with_driver(kind, scenario)


def test_a_chain_that_is_too_deep_goes_on_at_the_top() -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        start, chain, span = SystemClock().unix_us() - 10_000_000, [], ""
        for number in range(DEEPEST * 2):
            one = record(session_id="deep", trace_id=TRACE, span_id=span, started_us=start + number, guard_events=[])
            chain.append(one)
            span = span_of(one.id)
        await store.insert(lines(*chain), "a")
        tree = await Sessions(driver).tree("deep", "session")
        assert tree is not None
        assert orjson.dumps(tree)
        assert tree["calls"] == _count(tree["children"]) == DEEPEST * 2

    with_driver("chdb", scenario)


def _count(nodes: list[dict[str, Any]]) -> int:
    return sum((node["kind"] == "call") + _count(node["children"]) for node in nodes)
