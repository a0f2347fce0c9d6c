from __future__ import annotations

from datetime import UTC, datetime

from gateway.core.alerts import AlertRule, Burn
from gateway.core.limits import Budget, LimitRule, Period, Scope
from gateway.operator.forecasts import Forecasts
from gateway.operator.spend import SpendBook
from gateway.operator.spend_query import SpendQuery
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import with_driver
from tests.support.records import lines, record

NOW = int(datetime(2026, 11, 21, 0, 0, tzinfo=UTC).timestamp())
MONTH = Period(calendar="month")
BUDGET = Burn(nanousd=2_500, per=MONTH, gone_in_s=60, windows_s=(60,))


def test_a_month_goes_on_as_its_weeks_did() -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        # One call a day at noon, 100 nano-dollars each; the new team came a week ago.
        days = [(day, "old") for day in range(1, 50)] + [(day, "new") for day in range(1, 8)]
        at = [(NOW - day * 86_400 + 43_200, team) for day, team in days]
        given = [record(started_us=when * 1_000_000, team=team, cost_nanousd=100) for when, team in at]
        await store.insert(lines(*given, record(started_us=(NOW - 60) * 10**6, team="old", cost_nanousd=None)), "a")
        rules = [AlertRule(id="b", match={"team": ("old",)}, what=BUDGET)]
        answer = await Forecasts(SpendBook(driver), rules).look(SpendQuery(since_s=0, until_s=0), "team", MONTH, NOW)
        old, new = answer["rows"]
        assert (answer["begins"], answer["ends"]) == ("2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00")
        assert (old["team"], old["spent_nanousd"], old["unknown_cost_calls"]) == ("old", 2_000, 1)
        # Twenty days are over, ten are to come.
        assert (old["forecast_nanousd"], old["low_nanousd"], old["high_nanousd"]) == (3_000, 3_000, 3_000)
        assert (old["budget_nanousd"], old["outlook"]) == (2_500, "over")
        assert (new["spent_nanousd"], new["forecast_nanousd"], new["outlook"]) == (700, None, "no budget")
        assert new["history_days"] == 6
        assert not any("FINAL" in str(value) for value in answer.values())

    with_driver("chdb", scenario)


def limit(usd_nano: int, per: Period = MONTH, scope: Scope = "team", **match: tuple[str, ...]) -> LimitRule:
    return LimitRule(scope=scope, match=match, budget=Budget(nanousd=usd_nano, per=per))


def test_budgets_are_those_of_limits_too_where_they_hold_for_all_that_one_calls() -> None:
    limits = [
        limit(900),
        limit(800, team=("re*", "x")),
        limit(10, Period(calendar="month", zone="Asia/Tokyo")),
        limit(11, Period(calendar="day")),
        limit(12, team=("red",), model=("gpt-*",)),
        limit(13, scope="key"),
        limit(14, scope="provider"),
        LimitRule(scope="team", requests=(1, MONTH)),
    ]
    rules = [AlertRule(id="b", match={"team": ("blue",)}, what=BUDGET), AlertRule(id="c", match={}, what=BUDGET)]

    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        given = [record(started_us=(NOW - 60) * 10**6, team=team, cost_nanousd=100) for team in ("red", "blue", "")]
        await store.insert(lines(*given), "a")
        forecasts = Forecasts(SpendBook(driver), rules, limits)

        async def budgets(by: str, **only: tuple[str, ...]) -> dict[str, int | None]:
            query = SpendQuery(since_s=0, until_s=0, only=only)
            rows = (await forecasts.look(query, by, MONTH, NOW))["rows"]
            return {next(iter(row.values())): row["budget_nanousd"] for row in rows}

        assert await budgets("team") == {"red": 800, "blue": 900, "": None}
        assert await budgets("team", team=("red",)) == {"red": 800}
        assert await budgets("team", team=("red",), provider=("openai",)) in ({"red": None}, {})
        assert set((await budgets("provider")).values()) == {None}

    with_driver("chdb", scenario)
