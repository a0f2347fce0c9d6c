"""What the store, Redis and the gateway's metrics say of the soak, held against what the clients saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
from redis import Redis

from loadtests.soak_calls import TIGHT_CALLS, kinds
from tests.support.gateway_run import Gateway, until
from tests.support.redis_server import RedisServer

_BY_KIND = """
SELECT tags['kind'] AS kind, status, count() AS calls, sum(input_tokens) AS went_in, sum(output_tokens) AS came_out
FROM exchanges GROUP BY kind, status
"""
# Of ids the last 16 digits, as clients add them up.
_ALL = """
SELECT
    count() AS calls, uniqExact(id) AS ids, sum(attempts) AS tries, (SELECT count() FROM attempts) AS told,
    groupBitXor(reinterpretAsUInt64(reverse(unhex(substring(replaceAll(toString(id), '-', ''), 17))))) AS digits,
    sumIf(cost_nanousd, team = 'load') AS paid, sum(dropped_before) AS dropped
FROM exchanges
"""
# Each call counts once in each of these.
_SUMS = """
SELECT 'spend_by_minute' AS name, sum(calls) AS calls FROM spend_by_minute
UNION ALL SELECT 'spend_by_hour', sum(calls) FROM spend_by_hour
UNION ALL SELECT 'spend_by_tag_minute', sum(calls) FROM spend_by_tag_minute
"""
SETTLED_S = 60.0


def compare(gateway: Gateway, redis: RedisServer, book: dict[str, Any]) -> list[str]:
    """Print what was compared, and give where they differ."""
    until(lambda: int(gateway.sql("SELECT count() AS n FROM exchanges")[0]["n"]) >= book["calls"], SETTLED_S)
    return [*_calls(gateway, book), *_all(gateway, redis, book), *_tables(gateway, book["calls"])]


def _calls(gateway: Gateway, book: dict[str, Any]) -> Iterator[str]:
    """Each kind of call, by what its clients saw."""
    rows = gateway.sql(_BY_KIND)
    # Nobody's calls have no tags, nor have those that cannot be read; who leaves sees less than is noted.
    unnamed = {"stranger": "", "malformed": ""}
    left = {each.name for each in kinds() if each.does == "leave"}
    seen = {(unnamed.get(each["kind"], each["kind"]), each["status"]): each["calls"] for each in book["came"]}
    told = {(row["kind"], int(row["status"])): int(row["calls"]) for row in rows}
    for kind in left:
        clients, records = (sum(n for (name, _), n in each.items() if name == kind) for each in (seen, told))
        if clients != records:
            yield f"{kind}: clients made {clients}, the store has {records}"
    for kind, status in sorted(seen.keys() | told.keys()):
        clients, records = seen.get((kind, status), 0), told.get((kind, status), 0)
        if kind not in left and clients != records:
            yield f"{kind} {status}: clients saw {clients}, the store has {records}"
    sums = {
        row["kind"]: [int(row["went_in"] or 0), int(row["came_out"] or 0)] for row in rows if int(row["status"]) == 200
    }
    for kind, used in book["used"].items():
        if sums.get(kind) != used:
            yield f"{kind}: clients were told of {used} tokens, the store has {sums.get(kind)}"
    print(f"\nby kind and status: {len(told)} lines; sums of tokens: {len(book['used'])} kinds")


def _all(gateway: Gateway, redis: RedisServer, book: dict[str, Any]) -> Iterator[str]:
    """All calls together, and what they cost."""
    (row,) = gateway.sql(_ALL)
    calls, paid = int(row["calls"]), int(row["paid"])
    said = sum(cell[1][0] for index in range(2) for cell in gateway.counts(index)["cells"])
    spent, requests = counted(redis, "load", "nanousdb"), counted(redis, "load", "requests")
    print(f"calls: clients {book['calls']}, store {calls}, metrics {said}; ids: {row['ids']}, digits {row['digits']}")
    print(f"nanodollars: store {paid}, Redis {spent}; requests of the key in Redis: {requests}")
    if not (calls == int(row["ids"]) == book["calls"] == said):
        yield f"clients made {book['calls']} calls, the store has {calls} of {row['ids']} ids, the metrics say {said}"
    if int(row["digits"]) != int(book["ids"], 16):
        yield f"the store's ids are not those that clients were told: {int(row['digits']):016x}, {book['ids']}"
    if paid != spent:
        yield f"the store says that {paid} nanodollars were paid, Redis {spent}"
    if row["tries"] != row["told"]:
        yield f"the calls had {row['tries']} tries, {row['told']} are in the store"
    if int(row["dropped"]):
        yield f"{row['dropped']} records were dropped"
    admitted = sum(each["calls"] for each in book["came"] if (each["kind"], each["status"]) == ("tight", 200))
    asked = sum(each["calls"] for each in book["came"] if each["kind"] == "tight")
    print(f"under a limit of {TIGHT_CALLS}: {admitted} of {asked} admitted")
    if admitted != min(TIGHT_CALLS, asked):
        yield f"{admitted} of {asked} calls were admitted under a limit of {TIGHT_CALLS}"


def _tables(gateway: Gateway, calls: int) -> Iterator[str]:
    """Every table tells of the same calls."""
    for row in gateway.sql(_SUMS):
        if int(row["calls"]) != calls:
            yield f"{row['name']} tells of {row['calls']} calls, there were {calls}"


def counted(redis: RedisServer, whose: str, what: str) -> int:
    """What Redis has counted: of a window the sum of its slots, of a calendar's period one number."""
    total = 0
    with Redis(port=redis.port) as client:
        for key in client.scan_iter("{wb}:c:*"):
            name = cast("bytes", key).decode()
            if f"/{what}/" in name and name.partition(":c:")[2].split(":")[1] == whose:
                data = cast("bytes", client.get(name))
                total += int(data) if data.isdigit() else sum(msgspec.msgpack.decode(data)[1::3])
    return total
