from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from multidict import MultiDict

from gateway.core.errors import MalformedRequest
from gateway.operator.spend_api import read_query
from tests.support.operator_plane import OperatorPlane, exchange

NOW_US = 1_800_000_030_000_000


def read(*pairs: tuple[str, str]):
    return read_query(MultiDict(pairs), NOW_US)


def test_a_day_by_default_to_this_minute() -> None:
    asked = read()
    assert (asked.by, asked.zone, asked.only, asked.tags) == (("team",), "UTC", {}, {})
    assert asked.since_s == (NOW_US // 1_000_000 - 86_400) // 60 * 60
    assert 0 < asked.until_s - NOW_US // 1_000_000 <= 120


def test_a_time_without_a_zone_is_one_of_the_zone_that_days_are_of() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    asked = read(("since", "2026-11-01"), ("until", "2026-12-01T00:00Z"), ("zone", "Europe/Berlin"))
    assert asked.since_s == datetime(2026, 11, 1, tzinfo=berlin).timestamp()
    assert asked.until_s == datetime(2026, 12, 1, tzinfo=ZoneInfo("UTC")).timestamp()
    assert read(("since", "15m"), ("until", "5m")).until_s <= NOW_US // 1_000_000 - 240


def test_names_given_several_times_are_any_of_them() -> None:
    asked = read(("team", "a"), ("team", "b"), ("team", "a"), ("tag", "env=x=y"), ("tag", "env="), ("tag", "k=v"))
    assert asked.only == {"team": ("a", "b")}
    assert asked.tags == {"env": ("x=y", ""), "k": ("v",)}


@pytest.mark.parametrize(
    ("pairs", "param"),
    [
        ([("by", "colour")], "by"),
        ([("since", "soon")], "since"),
        ([("until", "never")], "until"),
        ([("since", "1h"), ("until", "3h")], "until"),
        ([("zone", "Nowhere")], "zone"),
        ([("zone", "/etc/localtime")], "zone"),
        ([("tag", "env")], "tag"),
        ([("tag", "=x")], "tag"),
        ([("team", "x" * 600)], "team"),
        ([("team", str(number)) for number in range(101)], "team"),
    ],
)
def test_what_cannot_be_answered_is_named(pairs: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read(*pairs)
    assert caught.value.param == param


def test_the_answer_tells_where_it_is_from_and_its_range(plane: OperatorPlane) -> None:
    plane.record(exchange(team="range", cost_nanousd=2**53 + 1))
    status, answer = plane.get("/api/spend?by=team,day&team=range&since=1h&zone=Asia/Tokyo")
    assert status == 200
    (row,) = answer["rows"]
    assert (row["team"], row["cost_nanousd"], row["share"]) == ("range", 2**53 + 1, 1.0)
    assert (answer["source"], answer["zone"], answer["truncated"]) == ("roll-ups", "Asia/Tokyo", False)
    assert answer["since"].endswith(":00+00:00")
    assert answer["total"]["cost_nanousd"] == row["cost_nanousd"]
