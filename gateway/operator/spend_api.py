"""The operator plane's answers about money: ``/api/spend`` and what hangs below it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from multidict import MultiMapping

from gateway.clients.energy import Ecologits, EnergySource
from gateway.core.errors import MalformedRequest
from gateway.core.limits import Period
from gateway.operator import parameters
from gateway.operator.alert_view import alerts_now
from gateway.operator.edge import json_answer
from gateway.operator.estimates import estimates_now
from gateway.operator.forecasts import FORECAST_BY, PERIODS, Forecasts
from gateway.operator.plane import Plane
from gateway.operator.spend import SpendBook
from gateway.operator.spend_energy import with_energy
from gateway.operator.spend_query import COLUMNS, MOST_VALUES, SpendQuery, check_dimensions

Query = MultiMapping[str]

_MINUTE_S = 60


class SpendApi:
    """The handlers.

    Args:
        plane: What they answer from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def spend(self, request: web.Request) -> web.StreamResponse:
        """What was used and what it cost."""
        now_us = self._plane.clock.unix_us()
        query = read_query(request.query, now_us)
        store = self._plane.store
        # A roll-up and the one by tags are filled one after the other.
        await store.traces.landed()
        book = SpendBook(store.traces.driver)
        energy = await self._energy(request.query)
        spent = await book.spent(query, now_us // 1_000_000)
        if energy is not None:
            spent = await with_energy(book, query, spent, energy)
        asked = {"since": _iso(query.since_s), "until": _iso(query.until_s), "zone": query.zone}
        return json_answer(asked | msgspec.structs.asdict(spent))

    async def _energy(self, query: Query) -> EnergySource | None:
        (wanted,) = parameters.choices(query, "energy", "false", ("true", "false"), most=1)
        zone = parameters.text(query, "energy_zone")
        if wanted == "false":
            if zone:
                raise MalformedRequest("'energy_zone' is for energy=true.", param="energy_zone")
            return None
        # The first import takes a second.
        return await asyncio.to_thread(Ecologits, zone)

    async def forecast(self, request: web.Request) -> web.StreamResponse:
        """What the period will have cost at its end."""
        asked = request.query
        now_us = self._plane.clock.unix_us()
        query = read_query(asked, now_us)
        (chosen,) = parameters.choices(asked, "per", "month", tuple(PERIODS), most=1)
        (by,) = parameters.choices(asked, "by", "team", FORECAST_BY, most=1)
        rules = self._plane.alerts.rules if self._plane.alerts is not None else ()
        limits = await asyncio.to_thread(self._plane.limits)
        forecasts = Forecasts(SpendBook(self._plane.store.traces.driver), rules, limits)
        return json_answer(
            await forecasts.look(query, by, Period(calendar=PERIODS[chosen], zone=query.zone), now_us // 1_000_000)
        )

    async def alerts(self, request: web.Request) -> web.StreamResponse:
        """Where the rules of alerts stand."""
        return json_answer({"alerts": alerts_now(self._plane.alerts)})

    async def estimates(self, _request: web.Request) -> web.StreamResponse:
        """How far estimates of tokens were from what providers reported."""
        return json_answer({"estimates": await asyncio.to_thread(estimates_now, self._plane.run_dir)})


def read_query(query: Query, now_us: int) -> SpendQuery:
    """Read what a caller asks for.

    Raises:
        MalformedRequest: It cannot be answered.
    """
    zone = read_zone(query)
    by = check_dimensions((query.get("by") or "team").split(","))
    since_us = _moment_us(query, "since", now_us, zone) or now_us - 86_400_000_000
    until_us = _moment_us(query, "until", now_us, zone) or now_us + _MINUTE_S * 1_000_000
    if until_us <= since_us:
        raise MalformedRequest("'until' must be after 'since'.", param="until")
    only: dict[str, tuple[str, ...]] = {}
    for name in COLUMNS:
        if values := _values(query, name):
            only[name] = values
    return SpendQuery(
        by=by,
        # Roll-ups are by the minute: the first one counts whole, and so does the last.
        since_s=max(0, since_us // 1_000_000 // _MINUTE_S * _MINUTE_S),
        until_s=min(-(-until_us // 1_000_000 // _MINUTE_S) * _MINUTE_S, 2**32 - 1),
        zone=zone.key,
        only=only,
        tags=_tags(query),
    )


def read_zone(query: Query) -> ZoneInfo:
    """The time zone that days and hours are those of, UTC when absent."""
    name = parameters.text(query, "zone") or "UTC"
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise MalformedRequest("'zone' must be the name of a time zone such as Europe/Berlin.", param="zone") from None


def _moment_us(query: Query, name: str, now_us: int, zone: tzinfo) -> int:
    value = query.get(name, "")
    try:
        written = datetime.fromisoformat(value)
    except ValueError:
        # An age.
        return parameters.moment_us(query, name, now_us)
    written = written if written.tzinfo else written.replace(tzinfo=zone)
    return max(1, round(written.timestamp() * 1_000_000))


def _values(query: Query, name: str) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(query.getall(name, [])))
    if len(values) > MOST_VALUES or any(len(value) > parameters.MOST_TEXT for value in values):
        raise MalformedRequest(f"'{name}' is too long, or given too often.", param=name)
    return values


def _tags(query: Query) -> dict[str, tuple[str, ...]]:
    tags: dict[str, tuple[str, ...]] = {}
    for each in _values(query, "tag"):
        key, equals, value = each.partition("=")
        if not key or not equals:
            raise MalformedRequest("'tag' must be key=value.", param="tag")
        tags[key] = (*tags.get(key, ()), value)
    return tags


def _iso(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
