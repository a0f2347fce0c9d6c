from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.clients.clock import SystemClock
from gateway.core.errors import MalformedRequest
from gateway.operator.filters import LOOKED_UP, MOST_TAGS, PLAIN, Filters, condition_of, judge_of
from gateway.operator.queries import TraceQueries
from gateway.operator.store import Feedback, TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record


@pytest.mark.parametrize("kind", DRIVERS)
def test_each_filter_finds_its_own_and_says_the_same_of_a_row(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        # What is of a plain filter has this value in every column, all others have another one.
        odd = record(
            **{name: "odd" for name in PLAIN if name not in {"cache", "key_id"}}, key_id="it's", cache="hit-exact",
            status=429, stream=True, tags={"env": "a=b", "x": "y"}, duration_ms=9_000.0, cost_nanousd=2_000_000_000,
        )  # fmt: skip
        even = record(guard_events=[], error_code="", cache="miss", cost_nanousd=None)
        await store.insert(lines(odd, even), "a")
        await store.add_feedback(
            Feedback(exchange_id=odd.id, created_us=odd.started_us + 10, name="helpful", score=1.0, label="true"), "f"
        )
        queries = TraceQueries(driver, SystemClock(), store.landed)

        async def found(**given: Any) -> list[str]:
            return [row["id"] for row in (await queries.exchanges(Filters(**given))).rows]

        of_rows: dict[str, Any] = {
            **{name: getattr(odd, name) for name in PLAIN},
            "min_status": 429, "status": 429, "failed": True, "stream": True, "tags": ("env=a=b", "x=y"),
            "min_duration_ms": 9_000, "min_cost_nanousd": 2_000_000_000,
        }  # fmt: skip
        rows = {row["id"]: row for row in (await queries.exchanges(Filters())).rows}
        assert rows.keys() == {odd.id, even.id}
        for name, value in of_rows.items():
            assert await found(**{name: value}) == [odd.id], name
            is_meant = judge_of(Filters(**{name: value}))
            assert [is_meant(rows[each.id]) for each in (odd, even)] == [True, False], name
        assert await found(**of_rows) == [odd.id]
        some: tuple[dict[str, Any], ...] = ({}, {"tags": ("none=",)}, {"stream": False}, {"min_status": 300})
        for given in some:
            is_meant = judge_of(Filters(**given))
            assert {each for each, row in rows.items() if is_meant(row)} == set(await found(**given)), given
        for name, value in (
            ("rule", "no-keys"), ("detector", "keys"), ("feedback", "helpful"), ("feedback", "helpful=1"),
            ("feedback", "helpful=true"),
        ):  # fmt: skip
            assert await found(**{name: value}) == [odd.id], (name, value)
        for name, value in (("rule", "other"), ("feedback", "helpful=0"), ("feedback", "other"), ("tags", ("x=z",))):
            assert await found(**{name: value}) == [], (name, value)
        assert await found(stream=False) == [even.id]
        assert await found(rule="no-keys", detector="other") == []

    with_driver(kind, scenario)


def test_no_value_is_ever_a_part_of_the_statement() -> None:
    odd = "'; DROP TABLE exchanges --"
    text: dict[str, Any] = {name: odd for name, kind in Filters.__annotations__.items() if kind == "str"}
    condition = condition_of(Filters(**text, tags=(f"{odd}={odd}",)))
    assert "DROP" not in condition.sql.upper()
    assert odd in condition.params.values()


@pytest.mark.parametrize("tags", [("x",), ("=y",), ("a=b",) * (MOST_TAGS + 1)])
def test_tags_that_are_none_or_too_many_are_refused(tags: tuple[str, ...]) -> None:
    for read in (condition_of, judge_of):
        with pytest.raises(MalformedRequest):
            read(Filters(tags=tags))


@pytest.mark.parametrize("name", LOOKED_UP)
def test_a_row_does_not_say_what_stands_in_other_tables(name: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        judge_of(msgspec.structs.replace(Filters(), **{name: "x"}))
    assert refused.value.param == name


def test_a_condition_is_made_for_a_time() -> None:
    condition = condition_of(Filters(rule="r", text="word"))
    sql, params = condition.within(5, 9)
    assert "@" not in sql
    assert (params["since"], params["until"]) == ("5", "9")
    assert condition.params == {name: value for name, value in params.items() if name not in {"since", "until"}}
