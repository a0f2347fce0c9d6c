from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

from gateway.core.record import AttemptRecord, CacheRecord
from gateway.operator.spend import SpendBook, Spent
from gateway.operator.spend_query import SpendQuery, check_dimensions, column
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

NOON = int(datetime(2026, 11, 10, 12, 0, tzinfo=UTC).timestamp())
DAY = 86_400


def call(at_s: int = NOON, **fields: Any):
    return record(started_us=at_s * 1_000_000, **fields)


def query(*by: str, since_s: int = NOON - DAY, until_s: int = NOON + DAY, **rest: Any) -> SpendQuery:
    return SpendQuery(by=check_dimensions(by), since_s=since_s, until_s=until_s, **rest)


def with_spend(kind: str, records, scenario) -> None:
    async def run(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        await store.insert(lines(*records), "a")
        book = SpendBook(driver)

        async def ask(*by: str, **rest: Any) -> Spent:
            return await book.spent(query(*by, **rest), NOON)

        await scenario(ask)

    with_driver(kind, run)


@pytest.mark.parametrize("kind", DRIVERS)
def test_spend_adds_up_and_says_what_it_does_not_know(kind: str) -> None:
    async def scenario(ask) -> None:
        spent = await ask("team")
        told = [(row["team"], row["calls"], row["cost_nanousd"], row["unknown_cost_calls"]) for row in spent.rows]
        assert told == [("a", 3, 2_500_000_001, 1), ("c", 1, 0, 0), ("b", 1, None, 1)]
        first = spent.rows[0]
        assert (first["reported_nanousd"], first["estimated_nanousd"], first["untold_nanousd"]) == (
            2 * 10**9,
            500_000_001,
            0,
        )
        assert (first["estimated_calls"], first["estimated_share"], first["share"]) == (1, 0.2, 1.0)
        assert (first["input_tokens"], first["cache_write_tokens"], first["audio_input_tokens"]) == (300, 7, 3)
        assert (spent.rows[2]["share"], spent.rows[2]["estimated_share"]) == (None, None)
        assert (spent.total["calls"], spent.total["cost_nanousd"], spent.total["unknown_cost_calls"]) == (
            5,
            2_500_000_001,
            2,
        )
        assert (spent.source, spent.truncated, spent.notes) == ("roll-ups", False, [])

    given_ = [
        call(team="a", key_id="k1", cost_nanousd=2_000_000_000, cache_write_tokens=7, audio_input_tokens=3),
        call(team="a", key_id="k2", cost_nanousd=None),
        call(team="a", key_id="k2", cost_nanousd=500_000_001, usage_source="estimated"),
        call(team="b", cost_nanousd=None, model_served="new"),
        call(team="c", cost_nanousd=0, input_tokens=None, output_tokens=None),
        call(NOON - 3 * DAY, team="a"),
    ]
    with_spend(kind, given_, scenario)


def test_tags_are_told_apart_and_a_call_without_the_tag_is_not_forgotten() -> None:
    async def scenario(ask) -> None:
        def by(spent: Spent, name: str) -> dict[str, int]:
            return {row[name]: row["cost_nanousd"] for row in spent.rows}

        # A call with two tags is in two rows, and once in the whole.
        every = await ask("tag")
        assert by(every, "tag") == {"env=prod": 3, "app=x": 1, "env=test": 4, "": 8}
        assert every.total["cost_nanousd"] == 15
        assert by(await ask("tag:env"), "tag:env") == {"prod": 3, "test": 4, "": 8}
        assert by(await ask("tag:app"), "tag:app") == {"x": 1, "": 14}
        assert by(await ask("tag:none"), "tag:none") == {"": 15}
        both = await ask("tag:env", "tag:app")
        assert both.source == "exchanges"
        assert {(row["tag:env"], row["tag:app"]): row["cost_nanousd"] for row in both.rows} == {
            ("prod", "x"): 1,
            ("prod", ""): 2,
            ("test", ""): 4,
            ("", ""): 8,
        }
        only = await ask("team", tags={"env": ("prod", "test")})
        assert (by(only, "team"), only.total["cost_nanousd"], only.source) == ({"support": 7}, 7, "roll-ups")
        assert by(await ask("tag:env", tags={"env": ("test",)}), "tag:env") == {"test": 4}
        assert by(await ask("tag", tags={"env": ("prod",)}), "tag") == {"env=prod": 3, "app=x": 1}
        assert (await ask("team", tags={"env": ("prod",), "app": ("x",)})).total["cost_nanousd"] == 1

    given_ = [
        call(cost_nanousd=1, tags={"env": "prod", "app": "x"}),
        call(cost_nanousd=2, tags={"env": "prod"}),
        call(cost_nanousd=4, tags={"env": "test"}),
        call(cost_nanousd=8),
    ]
    with_spend("chdb", given_, scenario)


def test_days_and_hours_are_those_of_the_zone_also_when_a_clock_is_put_back() -> None:
    # Berlin, 2026-10-25: 03:00 +02:00 becomes 02:00 +01:00.
    at = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())

    async def scenario(ask) -> None:
        span = {"since_s": at - 2 * DAY, "until_s": at + 2 * DAY}
        hours = await ask("hour", zone="Europe/Berlin", **span)
        assert [(row["hour"], row["cost_nanousd"]) for row in hours.rows] == [
            ("2026-10-24T23:00+02:00", 1),
            ("2026-10-25T02:00+02:00", 2),
            ("2026-10-25T02:00+01:00", 4),
        ]
        days = await ask("day", "team", zone="Europe/Berlin", **span)
        assert [(row["day"], row["cost_nanousd"]) for row in days.rows] == [("2026-10-24", 1), ("2026-10-25", 6)]
        kathmandu = await ask("hour", zone="Asia/Kathmandu", **span)
        assert kathmandu.rows[0]["hour"] == "2026-10-25T03:00+05:45"
        assert [row["month"] for row in (await ask("month", **span)).rows] == ["2026-10"]

    given_ = [call(at - 3 * 3600, cost_nanousd=1), call(at, cost_nanousd=2), call(at + 3600, cost_nanousd=4)]
    with_spend("chdb", given_, scenario)


def test_prompts_are_read_from_single_calls_which_say_the_same() -> None:
    async def scenario(ask) -> None:
        by_prompt = await ask("prompt", "prompt_version")
        assert by_prompt.source == "exchanges"
        assert [(row["prompt_id"], row["prompt_version"], row["cost_nanousd"]) for row in by_prompt.rows] == [
            ("greet", "2", 5),
            ("greet", "1", 3),
            ("", "", None),
        ]
        totals = [by_prompt.total, (await ask("team")).total]
        assert totals[0] == totals[1]
        # Refused before anyone could charge; failed after someone had.
        assert totals[0]["unknown_cost_calls"] == 2
        old = await ask("prompt", since_s=NOON - 100 * DAY)
        assert old.notes
        assert "90 days" in old.notes[0]

    paid = [AttemptRecord(provider="openai", deployment="openai/gpt", status=200)]
    given_ = [
        call(cost_nanousd=5, prompt_id="greet", prompt_version="2"),
        call(cost_nanousd=3, prompt_id="greet", prompt_version="1", usage_source="estimated"),
        call(cost_nanousd=None),
        call(cost_nanousd=None, status=400, attempts=[]),
        call(cost_nanousd=None, status=400, attempts=paid),
    ]
    with_spend("chdb", given_, scenario)


def test_filters_are_values_and_ranges_are_whole_minutes() -> None:
    async def scenario(ask) -> None:
        assert (await ask("team", only={"team": ("it's", "\\")})).total["calls"] == 1
        assert (await ask("team", only={"team": ("' OR 1=1 --",)})).rows == []
        assert (await ask(only={"model": ("gpt-1",), "key": ("k1",)})).total["calls"] == 3
        assert (await ask(only={"model": ("other",)})).rows == []
        assert (await ask(since_s=NOON, until_s=NOON + 60)).total["calls"] == 2
        assert (await ask(since_s=NOON + 60, until_s=NOON + 120)).total["calls"] == 1

    with_spend("chdb", [call(team="it's"), call(NOON + 59), call(NOON + 60)], scenario)


DIMENSIONS = ("team", "key", "tenant", "model", "provider", "deployment", "alias", "tag:env", "prompt", "day", "hour")


def test_rows_of_any_dimensions_add_up_to_the_whole_to_the_nano_dollar() -> None:
    pick = random.Random(7).choice
    records = [
        call(
            NOON + pick(range(-4 * DAY, 4 * DAY)),
            team=pick(["a", "b"]),
            key_id=pick(["k1", "k2"]),
            model_served=pick(["m1", "m2"]),
            tags=pick([{}, {"env": "x"}, {"env": "y", "z": "1"}]),
            prompt_id=pick(["", "p"]),
            cost_nanousd=pick([None, 0, 1, 2**53 + 1]),
            usage_source=pick(["reported", "estimated", "missing"]),
        )
        for _ in range(60)
    ]
    known = sum(one.cost_nanousd or 0 for one in records)
    unknown = sum(one.cost_nanousd is None for one in records)

    async def scenario(ask) -> None:
        several = [*combinations(DIMENSIONS, 1), *combinations(DIMENSIONS, 2), *combinations(DIMENSIONS[::3], 3)]
        for by in several:
            spent = await ask(*by, since_s=NOON - 5 * DAY, until_s=NOON + 5 * DAY)
            assert sum(row["cost_nanousd"] or 0 for row in spent.rows) == spent.total["cost_nanousd"] == known, by
            parts = ("reported_nanousd", "estimated_nanousd", "untold_nanousd")
            assert sum(row[name] for row in spent.rows for name in parts) == known, by
            assert sum(row["unknown_cost_calls"] for row in spent.rows) == unknown, by
            assert sum(row["calls"] for row in spent.rows) == 60, by
            for row in spent.rows:
                assert (row["cost_nanousd"] is None) == (row["unknown_cost_calls"] == row["calls"]), by
        # Days, hours and the minutes at their ends are those of the span, each once.
        for since_s in (NOON - 3 * DAY, NOON - 3 * DAY + 7 * 60):
            until_s = NOON + 2 * DAY + 13 * 60
            within = [one for one in records if since_s <= one.started_us // 1_000_000 < until_s]
            for by in ("key", "team"):
                found = await ask(by, since_s=since_s, until_s=until_s)
                assert {row[column(by)]: row["calls"] for row in found.rows} == Counter(
                    getattr(one, column(by)) for one in within
                )

    with_spend("chdb", records, scenario)


def test_what_copies_of_calls_cost_is_told_apart_and_nobodys() -> None:
    async def scenario(ask) -> None:
        by_tag = await ask("tag:weighbridge")
        assert sorted(row["cost_nanousd"] for row in by_tag.rows if row["tag:weighbridge"] == "mirror") == [900]
        by_team = await ask("team")
        assert {row["team"]: row["cost_nanousd"] for row in by_team.rows} == {"support": 1500, "": 900}

    copied = {"tags": {"weighbridge": "mirror"}, "attempts": [AttemptRecord(kind="mirror", status=200)]}
    with_spend(
        "chdb",
        [call(team="support", cost_nanousd=1500), call(team="", key_id="", tenant="", cost_nanousd=900, **copied)],
        scenario,
    )


def hit(how: str = "hit-exact", saved: int | None = 700, ms: float | None = 1200.4, **fields: Any):
    cached = [CacheRecord(origin="o", saved_nanousd=saved, saved_ms=ms)]
    return call(cache=how, cached=cached, cost_nanousd=0, input_tokens=0, output_tokens=0, attempts=[], **fields)


@pytest.mark.parametrize("kind", DRIVERS)
def test_what_caches_saved_is_told_by_kind_and_what_they_would_have_saved_is_not(kind: str) -> None:
    def saving(row: dict[str, Any]) -> tuple[Any, ...]:
        names = ("exact_hits", "semantic_hits", "unknown_saving_hits", "saved_nanousd", "saved_usd", "saved_ms")
        return tuple(row[name] for name in names)

    async def scenario(ask) -> None:
        # From roll-ups, from those by tags with their difference, and from single calls.
        for by in (("team",), ("team", "tag:env"), ("team", "prompt")):
            spent = await ask(*by)
            rows = {(row["team"], row.get("tag:env", "")): saving(row) for row in spent.rows}
            tagged = "prod" if "tag:env" in by else ""
            assert rows["search", ""] == (1, 0, 1, None, None, 0), by
            assert rows["ops", ""] == (0, 0, 0, 0, 0.0, 0), by
            if tagged:
                assert rows["support", "prod"] == (0, 1, 0, 2**53 + 1, (2**53 + 1) / 1e9, 30), by
                assert rows["support", ""] == (2, 0, 1, 700, 7e-7, 1201), by
            else:
                assert rows["support", ""] == (2, 1, 1, 2**53 + 701, (2**53 + 701) / 1e9, 1231), by
            assert saving(spent.total) == (3, 1, 2, 2**53 + 701, (2**53 + 701) / 1e9, 1231), by

    shadow = CacheRecord(origin="o", shadow="hit", saved_nanousd=5000, saved_ms=9.0)
    given_ = [
        hit(team="support"),
        hit(team="support", saved=None, ms=0.6),
        hit("hit-semantic", saved=2**53 + 1, ms=30.0, team="support", tags={"env": "prod"}),
        hit(team="search", saved=None, ms=None),
        call(team="ops", cache="miss", cached=[shadow]),
        call(team="ops", cache="off"),
    ]
    with_spend(kind, given_, scenario)
