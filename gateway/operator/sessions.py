"""Agent runs: calls of one session, or of one trace of the caller's, as a tree.

Who called whom is told by trace context: a call whose parent span is a span of ours was made in answering that call (an
agent behind a deployment that passes the context on, and comes back through the gateway); calls under one span of the
caller stand beside each other under it. Tools stand under the call whose answer asked for them, and lead to the call
that brought what they gave back; that is read from captured bodies, and not there where none were captured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import orjson

from gateway.core.span_ids import span_of, try_span_of
from gateway.operator.filters import FOREVER_US, Filters, condition_of
from gateway.plugin.traces import TraceDriver
from gateway.wire.captured import Unreadable, calls_in, read_answer, read_request, results_in

Row = dict[str, Any]
By = Literal["session", "trace"]

MOST_CALLS = 1_000
# A chain of calls that is longer goes on at the top: readers of JSON have limits.
DEEPEST = 48
# Bodies of so many calls are read, from the first on.
MOST_READ = 200
_COLUMNS = {"session": "session_id", "trace": "trace_id"}

# The marks in these are replaced by text of this module and of the filters'.
_LIST = """
SELECT session_id, min(started_at) AS began_at, max(started_at) AS last_at, count() AS calls,
    countIf(error_code != '' OR status >= 400) AS failed_calls, countIf(verdict = 'block') AS blocked_calls,
    sum(ifNull(exchanges.input_tokens, 0)) AS input_tokens, sum(ifNull(exchanges.output_tokens, 0)) AS output_tokens,
    if(countIf(isNotNull(exchanges.cost_nanousd)) = 0, NULL, sum(exchanges.cost_nanousd)) AS cost_nanousd,
    groupUniqArray(8)(team) AS teams, groupUniqArray(8)(alias) AS aliases
FROM exchanges WHERE @where AND session_id != ''
GROUP BY session_id ORDER BY last_at DESC, session_id LIMIT {limit:UInt32}
"""
_CALLS = """
SELECT toString(id) AS id, started_at, toUnixTimestamp64Micro(started_at) AS started_us, session_id, trace_id, span_id,
    team, key_id, alias, model_requested, model_served, deployment, dialect, route, status, error_code, finish_reason,
    verdict, toString(cache) AS cache, attempts, input_tokens, output_tokens, cost_nanousd, ttft_ms, duration_ms
FROM exchanges WHERE @column = {wanted:String} ORDER BY exchanges.started_at, exchanges.id LIMIT {limit:UInt32}
"""
_BODIES = """
SELECT toString(exchange_id) AS id, request_body, response_body FROM bodies
WHERE started_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
    AND started_at <= fromUnixTimestamp64Micro({until:Int64}, 'UTC') AND exchange_id IN (
        SELECT toUUID(arrayJoin(splitByChar(',', {ids:String})))
    )
"""
_KEPT_APART = ("started_us", "dialect", "route", "trace_id", "span_id", "session_id")


class Sessions:
    """Reads agent runs.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def newest(self, filters: Filters, limit: int) -> list[Row]:
        """List sessions by their last call, newest first, with the sums of the calls that are meant."""
        where, params = condition_of(filters).within(filters.since_us, filters.until_us or FOREVER_US)
        return await self._rows(_LIST.replace("@where", where), {**params, "limit": str(limit)})

    async def tree(self, wanted: str, by: By) -> Row | None:
        """One run as a tree; ``None`` when there is none.

        Returns:
            Sums of the run, and ``children``: nodes of the kinds ``span`` (of the caller), ``call`` and ``tool``, each
            with ``children`` of its own.
        """
        sql = _CALLS.replace("@column", _COLUMNS[by])
        calls = await self._rows(sql, {"wanted": wanted, "limit": str(MOST_CALLS + 1)})
        if not calls:
            return None
        truncated = len(calls) > MOST_CALLS
        calls = calls[:MOST_CALLS]
        bodies = await self._bodies(calls[:MOST_READ])
        said = await asyncio.to_thread(_said, calls, bodies)
        return {
            by: wanted,
            **_sums(calls),
            "truncated": truncated,
            "calls_with_bodies": len(bodies),
            "children": _planted(calls, said),
        }

    async def _bodies(self, calls: Sequence[Row]) -> dict[str, Row]:
        params = {
            "since": str(min(call["started_us"] for call in calls)),
            "until": str(max(call["started_us"] for call in calls)),
            "ids": ",".join(call["id"] for call in calls),
        }
        return {row["id"]: row for row in await self._rows(_BODIES, params)}

    async def _rows(self, sql: str, params: Mapping[str, str]) -> list[Row]:
        return orjson.loads(await self._driver.query(sql, params=params))["data"]


class Said(msgspec.Struct, frozen=True):
    """What a call's bodies say of tools: what its answer calls, as (id, name), and whose results it brings."""

    called: tuple[tuple[str, str], ...] = ()
    results: tuple[tuple[str, str, bool], ...] = ()


def _said(calls: Sequence[Row], bodies: Mapping[str, Row]) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for call in calls:
        if row := bodies.get(call["id"]):
            found[call["id"]] = Said(_called(call, row), _results(call, row))
    return found


def _called(call: Row, row: Row) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((one.id, one.name) for one in calls_in(read_answer(call["dialect"], row["response_body"])))
    except Unreadable:
        return ()


def _results(call: Row, row: Row) -> tuple[tuple[str, str, bool], ...]:
    try:
        chat = read_request(call["dialect"], call["route"], row["request_body"])
    except Unreadable:
        return ()
    return tuple((one.call_id, one.name, one.is_error) for one in results_in(chat))


def _sums(calls: Sequence[Row]) -> Row:
    costs = [call["cost_nanousd"] for call in calls if call["cost_nanousd"] is not None]
    ends = [call["started_us"] + call["duration_ms"] * 1000 for call in calls]
    return {
        "began_at": calls[0]["started_at"],
        "took_ms": round((max(ends) - calls[0]["started_us"]) / 1000, 3),
        "calls": len(calls),
        "failed_calls": sum(bool(call["error_code"]) or call["status"] >= 400 for call in calls),
        "input_tokens": sum(call["input_tokens"] or 0 for call in calls),
        "output_tokens": sum(call["output_tokens"] or 0 for call in calls),
        "cost_nanousd": sum(costs) if costs else None,
    }


def _planted(calls: Sequence[Row], said: Mapping[str, Said]) -> list[Row]:
    """Put every call under what made it; all that is left stands at the top, in the order of time."""
    nodes = {call["id"]: _call_node(call) for call in calls}
    ours = {span: call["id"] for call in calls for span in _spans_of(call)}
    depths: dict[str, int] = {}
    spans: dict[tuple[str, str], Row] = {}
    top: list[Row] = []
    for call in calls:
        node, trace, span = nodes[call["id"]], call["trace_id"], call["span_id"]
        parent = ours.get(span, "")
        # Whoever called began before.
        depth = depths.get(parent, DEEPEST) + 1
        depths[call["id"]] = depth if depth <= DEEPEST else 0
        if depth <= DEEPEST:
            nodes[parent]["children"].append(node)
        elif not span or parent:
            top.append(node)
        else:
            if (trace, span) not in spans:
                spans[trace, span] = {"kind": "span", "trace_id": trace, "span_id": span, "children": []}
                top.append(spans[trace, span])
            spans[trace, span]["children"].append(node)
    _hang_tools(calls, nodes, said)
    return top


def _spans_of(call: Row) -> Iterable[str]:
    """The spans under which an upstream may come back: of the call itself and of each of its tries."""
    return (span_of(call["id"]), *(try_span_of(call["id"], number + 1) for number in range(call["attempts"])))


def _call_node(call: Row) -> Row:
    shown = {name: value for name, value in call.items() if name not in _KEPT_APART}
    return {"kind": "call", **shown, "children": []}


def _hang_tools(calls: Sequence[Row], nodes: Mapping[str, Row], said: Mapping[str, Said]) -> None:
    waiting: list[tuple[str, str, Row, float]] = []
    for call in calls:
        words = said.get(call["id"], Said())
        for call_id, name, is_error in words.results:
            at = next((at for at, open_ in enumerate(waiting) if _belongs(open_, call_id, name)), None)
            if at is not None:
                _, _, tool, asked_us = waiting.pop(at)
                took_ms = max(0.0, (call["started_us"] - asked_us) / 1000)
                tool |= {"result_in": call["id"], "is_error": is_error, "took_ms": round(took_ms, 3)}
        ended_us = call["started_us"] + call["duration_ms"] * 1000
        for call_id, name in words.called:
            tool: Row = {"kind": "tool", "name": name, "call_id": call_id, "result_in": None, "is_error": None}
            tool |= {"took_ms": None, "children": []}
            nodes[call["id"]]["children"].append(tool)
            waiting.append((call_id, name, tool, ended_us))


def _belongs(open_: tuple[str, str, Row, float], call_id: str, name: str) -> bool:
    return open_[0] == call_id if call_id or open_[0] else open_[1] == name
