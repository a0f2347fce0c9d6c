"""Where replayed calls come from: the trace store, through the operator, or a file of lines; oldest first.

A page is asked for by where the one before it ended, so that a day of calls costs as much by the page as an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from errno import ENOENT
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from gateway.cli.operator_client import OperatorClient
from gateway.clients.clock import SystemClock
from gateway.config.units import parse_duration

LAST = "last:"
# Two bodies of the default size each fit twenty times into what the operator gives in one answer.
_PAGE = 250
_OF_BODIES = ("request_body", "response_body", "capture")
_FIRST_ID = "00000000-0000-0000-0000-000000000000"
# The marks in these are replaced by numbers and ids of this module only.
_BETWEEN = (
    "started_at >= fromUnixTimestamp64Micro(@first, 'UTC') AND started_at < fromUnixTimestamp64Micro(@end, 'UTC')"
)
_COUNT = "SELECT count() AS calls FROM exchanges WHERE @between"
_EDGE = (
    "SELECT toString(id) AS name, toUnixTimestamp64Micro(started_at) AS started_us FROM exchanges WHERE @between "
    "ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET @offset"
)
_PAGE_OF = (
    "SELECT *, toUnixTimestamp64Micro(started_at) AS started_us FROM exchanges "
    "WHERE @between AND (toUnixTimestamp64Micro(started_at), id) > (@first, toUUID('@after')) "
    "ORDER BY started_at, id LIMIT @rows"
)
_BODIES = "SELECT * FROM bodies WHERE exchange_id IN (@ids) AND @between"
_EVENTS = (
    "SELECT exchange_id, rule, detector, action, mode, direction, path, start, end, score, latency_us "
    "FROM guard_events WHERE exchange_id IN (@ids) AND @between"
)


class Source(NamedTuple):
    """Calls to replay.

    Attributes:
        lines: One call each.
        total: How many there are; 0 where nobody knows.
        recorded: How many were recorded in that time, those beyond the limit included; 0 where nobody knows.
    """

    lines: Iterator[bytes]
    total: int
    recorded: int


def add_options(parser: argparse.ArgumentParser, limit: int) -> None:
    """Add ``--replay`` and ``--limit``."""
    parser.add_argument(
        "--replay", metavar="last:AGE|FILE", type=asked, default=86_400.0,
        help="calls of that age, from the trace store, or those in a file of lines; default: last:24h",
    )  # fmt: skip
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=limit, help=f"the newest N calls; default: {limit}"
    )


def asked(value: str) -> float | Path:
    """Read what is to be replayed: an age in seconds, or a file."""
    if value.startswith(LAST):
        try:
            return parse_duration(value[len(LAST) :])
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return Path(value)


def _count(value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise argparse.ArgumentTypeError("should be a number of calls")
    return int(value)


def source_of(replay: float | Path, operator: OperatorClient, limit: int) -> Source:
    """Open a source.

    Args:
        replay: An age in seconds, or a file.
        operator: Has the trace store.
        limit: At most so many, the newest.

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(replay, Path):
        if not replay.is_file():
            raise FileNotFoundError(ENOENT, f"no such file; an age is written as {LAST}7d")
        return Source(_of_file(replay, limit), 0, 0)
    store = Store(operator, SystemClock().unix_us(), int(replay * 1e6))
    recorded = store.count()
    total = min(recorded, limit)
    return Source(store.lines(limit if recorded > limit else 0), total, recorded)


def _of_file(path: Path, limit: int) -> Iterator[bytes]:
    """Give the lines of a file; of one that has more than wanted, the last ones."""
    with path.open("rb") as file:
        surplus = sum(1 for line in file if line.strip()) - limit
        file.seek(0)
        for line in file:
            if not line.strip():
                continue
            if surplus > 0:
                surplus -= 1
                continue
            yield line


class Store:
    """Asks for pages.

    Args:
        operator: As said.
        now_us: What has begun since then is not asked for.
        age_us: Nor what is older than that.
    """

    def __init__(self, operator: OperatorClient, now_us: int, age_us: int) -> None:
        self._operator = operator
        self._first_us, self._last_us = now_us - age_us, now_us

    def count(self) -> int:
        """Say how many calls there are."""
        return int(self._rows(_COUNT)[0]["calls"])

    def lines(self, newest: int) -> Iterator[bytes]:
        """Give calls with what was found in them and their bodies.

        Args:
            newest: Only so many, the newest; 0 for all.
        """
        at, after = self._first_us, _FIRST_ID
        if newest:
            [edge] = self._rows(_EDGE, offset=newest - 1)
            # That one too.
            at, after = int(edge["started_us"]), _before(edge["name"])
        while True:
            rows = self._page(at, after)
            yield from map(orjson.dumps, rows)
            if len(rows) < _PAGE:
                return
            at, after = rows[-1]["started_us"], rows[-1]["id"]

    def _page(self, at_us: int, after: str) -> list[dict[str, Any]]:
        rows = self._rows(_PAGE_OF, first=at_us, after=UUID(after), rows=_PAGE)
        if not rows:
            return rows
        among = {
            "ids": ", ".join(f"'{UUID(row['id'])}'" for row in rows),
            "first": int(rows[0]["started_us"]),
            "end": int(rows[-1]["started_us"]) + 1,
        }
        bodies = {row["exchange_id"]: row for row in self._rows(_BODIES, **among)}
        events: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows(_EVENTS, **among):
            events.setdefault(row.pop("exchange_id"), []).append(row)
        for row in rows:
            kept = bodies.get(row["id"], {})
            row["started_us"] = int(row["started_us"])
            row["guard_events"] = events.get(row["id"], [])
            row |= {name: kept[name] for name in _OF_BODIES if kept.get(name)}
        return rows

    def _rows(self, template: str, **marks: object) -> list[dict[str, Any]]:
        said = {"first": self._first_us, "end": self._last_us} | marks
        query = template.replace("@between", _BETWEEN)
        for mark, value in said.items():
            query = query.replace(f"@{mark}", str(value))
        rows: list[dict[str, Any]] = self._operator.post("/api/sql", {"query": query})["rows"]
        return rows


def _before(exchange_id: str) -> str:
    """The id just before another."""
    number = UUID(exchange_id).int
    return str(UUID(int=max(0, number - 1)))
