"""Whether the trace store tells of exactly what clients saw."""

from __future__ import annotations

from collections import Counter

import orjson

from tests.support.gateway_run import Gateway, until
from tests.support.load import Load


def number(gateway: Gateway, what: str, table: str = "exchanges") -> int:
    return int(gateway.sql(f"SELECT {what} AS n FROM {table}")[0]["n"])


def recorded(gateway: Gateway) -> Counter[str]:
    """How often each exchange is in the store."""
    lines = gateway.ask_operator("/api/export?since=1h").body.splitlines()
    return Counter(orjson.loads(line)["id"] for line in lines)


def all_are_recorded_once(gateway: Gateway, load: Load, timeout_s: float = 40.0) -> None:
    """Every exchange that a client saw to its end is there, none is there twice, and every table says the same."""
    seen = set(load.seen)
    assert len(seen) == len(load.seen)
    newest = load.seen[-1]
    until(lambda: gateway.ask_operator(f"/api/exchanges/{newest}").status == 200, timeout_s)
    until(lambda: gateway.ask_operator("/api/status").json()["shipper"]["lag_bytes"] == 0, timeout_s)
    ids = recorded(gateway)
    assert seen - set(ids) == set()
    assert [each for each, times in ids.items() if times > 1] == []
    total = ids.total()
    assert number(gateway, "sum(attempts)") == number(gateway, "count()", "attempts")
    assert number(gateway, "uniqExact(exchange_id)", "attempts") == number(gateway, "countIf(attempts > 0)")
    spend = ("spend_by_minute", "spend_by_hour", "spend_by_key_day", "spend_by_tag_minute")
    for rollup in (*spend, "latency_by_minute", "latency_by_hour"):
        assert number(gateway, "sum(calls)", rollup) == total
    for tokens in ("input_tokens", "output_tokens"):
        assert number(gateway, f"sum({tokens})", "spend_by_minute") == number(gateway, f"sum({tokens})")
