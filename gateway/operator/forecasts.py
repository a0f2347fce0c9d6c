"""Forecasts from the roll-ups, beside the budgets that alerts look at; the method is :mod:`gateway.core.forecast`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from gateway.accounting.calendars import bounds_ns
from gateway.core.alerts import AlertRule, Burn
from gateway.core.forecast import HOUR_S, MOST_WEEKS, WEEK_S, forecast, outlook
from gateway.core.limits import LimitRule, Period
from gateway.operator.spend import Row, SpendBook
from gateway.operator.spend_query import SpendQuery, column

FORECAST_BY = ("team", "key", "tenant", "model", "alias", "provider", "deployment")
PERIODS: dict[str, Literal["day", "week", "month"]] = {"month": "month", "week": "week", "day": "day"}
# Whose limits are counted by the same name as their spend: a limit of a model is by the name that was asked for.
_LIMITED = ("key", "team", "tenant")
# Hours of eight weeks for some hundred teams.
_MOST_ROWS = 200_000
_NS = 1_000_000_000


class Forecasts:
    """Looks ahead.

    Args:
        book: Has the past.
        rules: Of alerts: those about a budget of one team, key, … alone say what its budget is.
        limits: Those of teams, keys or tenants that hold whatever they call say so, too.
    """

    def __init__(self, book: SpendBook, rules: Sequence[AlertRule] = (), limits: Sequence[LimitRule] = ()) -> None:
        self._book = book
        self._rules = rules
        self._limits = limits

    async def look(self, query: SpendQuery, by: str, per: Period, now_s: int) -> dict[str, Any]:
        """Forecast the period that is under way.

        Args:
            query: Whose calls, and the zone; its range and dimensions are not read.
            by: One of :data:`FORECAST_BY`.
            per: A calendar's period.
            now_s: Seconds since 1970.
        """
        begins_s, ends_s = (each // _NS for each in bounds_ns(per, now_s * _NS))
        zone = ZoneInfo(per.zone)
        since_s = (now_s - MOST_WEEKS * WEEK_S) // HOUR_S * HOUR_S
        until_s = (now_s // 60 + 1) * 60
        past = msgspec.structs.replace(query, by=(by, "hour"), since_s=since_s, until_s=until_s)
        hours: dict[str, dict[int, int]] = {}
        for row in await self._book.raw(past, _MOST_ROWS):
            hours.setdefault(row["d0"], {})[row["d1"]] = row["known_nanousd"]
        so_far = msgspec.structs.replace(query, by=(by,), since_s=begins_s, until_s=until_s)
        spent = {row["d0"]: row for row in await self._book.raw(so_far, _MOST_ROWS)}

        # A budget is not one of a part.
        whole = not query.tags and query.only.keys() <= {by}

        def slot(at: int) -> int:
            moment = datetime.fromtimestamp(at, zone)
            return moment.weekday() * 24 + moment.hour

        rows: list[Row] = []
        for name in sorted(hours.keys() | spent.keys()):
            row = spent.get(name)
            so_far_nanousd = row["known_nanousd"] if row is not None else 0
            found = forecast(hours.get(name, {}), so_far_nanousd, now_s, ends_s, slot)
            budget = self._budget(by, name, per) if whole else None
            rows.append(
                {
                    column(by): name,
                    "spent_nanousd": so_far_nanousd,
                    "forecast_nanousd": found.expected_nanousd,
                    "low_nanousd": found.low_nanousd,
                    "high_nanousd": found.high_nanousd,
                    "budget_nanousd": budget,
                    "outlook": outlook(found, budget),
                    "history_days": found.history_days,
                    "unknown_cost_calls": row["unknown_cost_calls"] if row is not None else 0,
                }
            )
        rows.sort(key=lambda row: -row["spent_nanousd"])
        told = {"begins": datetime.fromtimestamp(begins_s, zone), "ends": datetime.fromtimestamp(ends_s, zone)}
        return {"per": per.calendar, "zone": per.zone, **{k: v.isoformat() for k, v in told.items()}, "rows": rows}

    def _budget(self, by: str, name: str, per: Period) -> int | None:
        """The smallest of those that are this one's."""
        found = [
            rule.what.nanousd
            for rule in self._rules
            if isinstance(rule.what, Burn) and rule.what.per == per and not rule.tags and rule.match == {by: (name,)}
        ]
        if by in _LIMITED and name:
            found += [
                rule.budget.nanousd
                for rule in self._limits
                if rule.budget is not None and rule.budget.per == per and rule.scope == by and _is_for(rule, by, name)
            ]
        return min(found, default=None)


def _is_for(rule: LimitRule, by: str, name: str) -> bool:
    return rule.match.keys() <= {by} and any(fnmatchcase(name, glob) for glob in rule.match.get(by, ("*",)))
