from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.operator.spend_query import COLUMNS, SpendQuery, build, check_dimensions, column


def query(*by: str, **rest) -> SpendQuery:
    return SpendQuery(by=by, since_s=0, until_s=60, **rest)


@pytest.mark.parametrize("by", [["nope"], ["team; DROP"], ["key_id"], ["tag:"], [""], [*"abcde"], ["team", "hours"]])
def test_something_else_is_the_callers_fault(by: list[str]) -> None:
    with pytest.raises(MalformedRequest):
        check_dimensions(by)


def test_a_dimension_given_twice_is_one() -> None:
    assert check_dimensions(["team", "key", "team"]) == ("team", "key")
    with pytest.raises(MalformedRequest, match="at most"):
        check_dimensions(["team", "key", "model", "alias", "day"])


def test_roll_ups_serve_what_they_carry() -> None:
    for by, rest in (
        (("team", "key", "model", "day"), {}),
        (("tag",), {}),
        (("tag:env", "team"), {}),
        (("team",), {"tags": {"env": ("a", "b")}}),
        (("tag:env",), {"tags": {"env": ("a",)}}),
    ):
        statement = build(query(*by, **rest), 10)
        assert not statement.thin
        assert "exchanges" not in statement.sql
    for by, rest in (
        (("prompt",), {}),
        (("team",), {"only": {"prompt": ("p",)}}),
        (("tag:a", "tag:b"), {}),
        (("tag",), {"tags": {"env": ("a",)}}),
        (("tag:a",), {"tags": {"b": ("x",)}}),
    ):
        assert build(query(*by, **rest), 10).thin


@pytest.mark.parametrize("by", [("team", "hour"), ("tag",), ("tag:env",), ("prompt", "tag:env")])
def test_nothing_is_merged_to_be_read(by: tuple[str, ...]) -> None:
    assert not re.search(r"\bFINAL\b", build(query(*by), 10).sql)


@given(
    st.sampled_from([*COLUMNS, "day"]),
    st.text(min_size=1),
    st.sampled_from(list(COLUMNS)),
    st.lists(st.text(), min_size=1, max_size=3),
    st.dictionaries(st.text(min_size=1), st.tuples(st.text()), max_size=2),
)
def test_nothing_that_a_caller_wrote_is_in_the_statement(by, key, name, values, tags) -> None:
    written = query(by, f"tag:{key}", only={name: tuple(values)}, tags=tags, zone="Zone/Of-Caller")
    statement = build(written, 10)
    assert "Zone/Of-Caller" not in statement.sql
    bound = set(re.findall(r"\{(\w+):", statement.sql))
    assert bound == statement.params.keys()
    assert {key, *values} <= set(statement.params.values())


def test_columns_are_named_as_in_the_tables() -> None:
    assert [column(name) for name in ("key", "model", "prompt", "day", "tag", "tag:env")] == [
        "key_id",
        "model_served",
        "prompt_id",
        "day",
        "tag",
        "tag:env",
    ]


def test_long_spans_read_hours_and_the_minutes_at_their_ends() -> None:
    day = 86_400
    asked = SpendQuery(by=("team", "day"), since_s=1_790_000_040, until_s=1_790_000_040 + 5 * day)
    sql = build(asked, 10).sql
    assert sql.count("FROM spend_by_hour ") == 1
    assert sql.count("FROM spend_by_minute ") == 2
    for other in (
        {"by": ("key",)}, {"only": {"key": ("k",)}}, {"until_s": asked.since_s + day}, {"zone": "Asia/Kolkata"},
    ):  # fmt: skip
        assert "spend_by_hour" not in build(msgspec.structs.replace(asked, **other), 10).sql
    assert "spend_by_hour" in build(msgspec.structs.replace(asked, zone="Europe/Berlin"), 10).sql


def test_keys_over_weeks_are_read_of_days_and_the_minutes_at_their_ends() -> None:
    day = 86_400
    asked = SpendQuery(by=("key", "team"), since_s=1_790_000_040, until_s=1_790_000_040 + 30 * day)
    served: tuple[dict[str, Any], ...] = (
        {}, {"by": ("key", "day")}, {"by": ("month",), "only": {"key": ("k",)}}, {"zone": "Asia/Kolkata"},
    )  # fmt: skip
    for other in served:
        sql = build(msgspec.structs.replace(asked, **other), 10).sql
        assert (sql.count("FROM spend_by_key_day "), sql.count("FROM spend_by_minute ")) == (1, 2), other
    for other in (
        {"by": ("key", "hour")}, {"by": ("key", "day"), "zone": "Europe/Berlin"}, {"until_s": asked.since_s + 3 * day},
        {"by": ("team",)}, {"by": ("key", "tag")}, {"tags": {"env": ("a",)}},
    ):  # fmt: skip
        assert "spend_by_key_day" not in build(msgspec.structs.replace(asked, **other), 10).sql, other
    whole = build(msgspec.structs.replace(asked, since_s=20_000 * day, until_s=20_010 * day), 10).sql
    assert "spend_by_minute" not in whole
