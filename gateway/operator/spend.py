"""What calls used and what they cost, added up from the trace store, exact to the nano-dollar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson

from gateway.operator.spend_query import ANY_TAG, MEASURES, TIMES, SpendQuery, build, column, told
from gateway.plugin.traces import TraceDriver

Row = dict[str, Any]

MOST_ROWS = 10_000
_SAVINGS = ("exact_hits", "semantic_hits", "unknown_saving_hits", "saved_ms")
_TOLD_APART = frozenset(("cost_nanousd", "priced_calls", "unknown_cost_calls", "saved_nanousd", *_SAVINGS))
# How long the thin table keeps calls; a migration says so.
THIN_DAYS = 90
_THIN_NOTE = f"Read from single calls, which are kept for {THIN_DAYS} days: what was before is missing."


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of a span of time.

    Attributes:
        rows: Dearest first, or by time where that is among the dimensions. See :func:`shaped`.
        total: The same of all that was asked for, each call once, however many rows it is in.
        source: ``roll-ups``, or ``exchanges`` where only these carry what was asked for.
        truncated: There were more rows.
        notes: What a reader of the sums should know.
    """

    rows: list[Row]
    total: Row
    source: str
    truncated: bool
    notes: list[str]


class SpendBook:
    """Reads spend.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def spent(self, query: SpendQuery, now_s: int) -> Spent:
        """Add up what is asked for; ``now_s`` tells how far back single calls are kept."""
        statement = build(query, MOST_ROWS + 1)
        found = await self._rows(statement.sql, statement.params)
        everything = await self._whole(query, found, thin=statement.thin)
        total = shaped(everything, (), ZoneInfo("UTC"), everything["known_nanousd"])
        zone = ZoneInfo(query.zone)
        kept = found[:MOST_ROWS]
        times = [f"d{number}" for number, name in enumerate(query.by) if name in TIMES]
        # Within one hour those that are dear stay before those that are cheap.
        kept.sort(key=lambda row: tuple(row[name] for name in times))
        rows = [shaped(row, query.by, zone, everything["known_nanousd"]) for row in kept]
        notes = [_THIN_NOTE] if statement.thin and query.since_s < now_s - THIN_DAYS * 86_400 else []
        return Spent(
            rows=rows if query.by or total["calls"] else [],
            total=total,
            source="exchanges" if statement.thin else "roll-ups",
            truncated=len(found) > MOST_ROWS,
            notes=notes,
        )

    async def _whole(self, query: SpendQuery, found: list[Row], *, thin: bool) -> Row:
        """The sums of everything: of the lines, where they are all of it and hold each call once."""
        if found and len(found) <= MOST_ROWS and ANY_TAG not in query.by:
            return {name: sum(row[name] for row in found) for name in found[0] if not name.startswith("d")}
        whole = build(msgspec.structs.replace(query, by=()), 1, thin=thin)
        (everything,) = await self._rows(whole.sql, whole.params)
        return everything

    async def raw(self, query: SpendQuery, most: int, *, thin: bool = False) -> list[Row]:
        """Sums as the store gives them: the dimensions as ``d0`` …, for whoever reckons with them."""
        statement = build(query, most, thin=thin)
        return await self._rows(statement.sql, statement.params)

    async def _rows(self, sql: str, params: Mapping[str, str]) -> list[Row]:
        return orjson.loads(await self._driver.query(sql, params=params))["data"]


def shaped(row: Row, by: Sequence[str], zone: ZoneInfo, whole_nanousd: int) -> Row:
    """One line as it is told.

    Args:
        row: As the store gives it.
        by: The dimensions, in order.
        zone: Whose hours they are.
        whole_nanousd: What is known of the cost of everything that was asked for.

    Returns:
        The dimensions under their columns' names, the counts, and the money in integers of nano-dollars:
        ``cost_nanousd`` is what is known, ``None`` where nothing is and something is missing; of it
        ``reported_nanousd`` rests on usage that a provider reported, ``estimated_nanousd`` on estimates, and
        ``untold_nanousd`` on what nobody kept. ``unknown_cost_calls`` are in none of them. ``share`` is this line's
        part of the whole, ``estimated_share`` the estimated part of this line; ``None`` where there is nothing to take
        a part of. ``saved_nanousd`` is what the answers that a cache gave had cost, as far as that is known, and
        ``None`` where there are such answers and nothing is; ``unknown_saving_hits`` are not in it.
    """
    known, estimated = row["known_nanousd"], row["estimated_nanousd"]
    unknown = row["unknown_cost_calls"]
    cost = None if not row["priced_calls"] and unknown else known
    counts = {name: row[name] for name in MEASURES if name not in _TOLD_APART}
    return {
        **{column(name): told(name, row[f"d{number}"], zone) for number, name in enumerate(by)},
        **counts,
        "cost_nanousd": cost,
        "cost_usd": None if cost is None else cost / 1e9,
        "reported_nanousd": row["reported_nanousd"],
        "estimated_nanousd": estimated,
        "untold_nanousd": known - row["reported_nanousd"] - estimated,
        "priced_calls": row["priced_calls"],
        "estimated_calls": row["estimated_calls"],
        "unknown_cost_calls": unknown,
        **_savings(row),
        "share": None if cost is None else _part(cost, whole_nanousd),
        "estimated_share": None if cost is None else _part(estimated, cost),
    }


def _savings(row: Row) -> Row:
    hits = row["exact_hits"] + row["semantic_hits"]
    saved = None if hits and row["unknown_saving_hits"] == hits else row["saved_nanousd"]
    counts = {name: row[name] for name in _SAVINGS}
    return {**counts, "saved_nanousd": saved, "saved_usd": None if saved is None else saved / 1e9}


def _part(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
