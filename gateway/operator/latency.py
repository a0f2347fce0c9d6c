"""How long calls take, from roll-ups: counts and quantiles, however many calls there were.

Minutes are read up to the first whole hour and from the last one on, hours between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.plugin.traces import TraceDriver

Row = dict[str, Any]

DIMENSIONS = {
    "deployment": "deployment",
    "provider": "provider",
    "alias": "alias",
    "model": "model_served",
    "tenant": "tenant",
}
QUANTILES = ("p50", "p90", "p95", "p99")
MEASURES = {"duration": "duration_ms", "ttft": "ttft_ms", "overhead": "overhead_ms"}
MOST_ROWS = 1_000
_MINUTE_US = 60_000_000

_HOUR_S = 3600

# The marks in it are replaced by text of this module only.
_PART = """
SELECT @keys, calls, error_calls, @states FROM @table
WHERE @time >= toDateTime({@from:UInt32}, 'UTC') AND @time < toDateTime({@to:UInt32}, 'UTC')
"""
_READ = """
SELECT @keys, sum(s.calls) AS calls, sum(s.error_calls) AS error_calls, @measures FROM (@parts) AS s
GROUP BY @keys ORDER BY calls DESC, @keys LIMIT {limit:UInt32}
"""
_MERGED = "quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(s.@name) AS @name"


class Latency:
    """Reads them.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def read(self, by: Sequence[str], of: Sequence[str], since_us: int, until_us: int) -> list[Row]:
        """Read quantiles.

        Args:
            by: Of :data:`DIMENSIONS`.
            of: Of :data:`MEASURES`; each costs about as much as the others.
            since_us: From this minute on, microseconds since 1970; the minute counts whole.
            until_us: Before this one.

        Returns:
            The busiest first: the dimensions' columns, ``calls``, ``error_calls``, and of each measure one
            column a quantile (``duration_ms_p99``), ``None`` where nothing was measured. Hits of the cache and mirrors
            are in none of them.
        """
        keys = ", ".join(DIMENSIONS[name] for name in by)
        measures = ", ".join(_MERGED.replace("@name", MEASURES[name]) for name in of)
        since_s, until_s = since_us // _MINUTE_US * 60, min(-(-until_us // _MINUTE_US) * 60, 2**32 - 1)
        first_s = min(-(-since_s // _HOUR_S) * _HOUR_S, until_s)
        last_s = max(until_s // _HOUR_S * _HOUR_S, first_s)
        params = {"since": since_s, "first": first_s, "last": last_s, "until": until_s, "limit": MOST_ROWS}
        parts = [
            _part("latency_by_hour", "hour", "first", "last"),
            _part("latency_by_minute", "minute", "since", "first"),
            _part("latency_by_minute", "minute", "last", "until"),
        ]
        sql = _READ.replace("@parts", " UNION ALL ".join(parts)).replace("@keys", keys).replace("@measures", measures)
        sql = sql.replace("@states", ", ".join(MEASURES[name] for name in of))
        bound = {name: str(value) for name, value in params.items()}
        rows = orjson.loads(await self._driver.query(sql, params=bound))["data"]
        return [_shown(row, of) for row in rows]


def _part(table: str, time: str, begin: str, end: str) -> str:
    marks = {"@table": table, "@time": time, "@from": begin, "@to": end}
    part = _PART
    for mark, value in marks.items():
        part = part.replace(mark, value)
    return part


def _shown(row: Row, of: Sequence[str]) -> Row:
    merged = {MEASURES[name]: row.pop(MEASURES[name]) for name in of}
    for name, values in merged.items():
        row |= {f"{name}_{quantile}": value for quantile, value in zip(QUANTILES, values, strict=True)}
    return row
