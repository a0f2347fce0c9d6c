from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.operator import parameters

NOW_US = 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("written", "seconds"), [("15m", 900), ("24h", 86_400), ("7d", 604_800), ("90s", 90), ("500ms", 0.5)]
)
def test_a_span_of_time_is_read_with_its_unit(written: str, seconds: float) -> None:
    assert parameters.span_s({"since": written}, "since", "24h") == seconds
    assert parameters.moment_us({"since": written}, "since", NOW_US) == NOW_US - round(seconds * 1_000_000)


def test_what_is_absent_takes_its_default() -> None:
    assert parameters.span_s({}, "since", "24h") == 86_400
    assert parameters.moment_us({}, "since", NOW_US) == 0
    assert parameters.text({"model": ""}, "model") == ""
    assert parameters.whole_number({}, "limit", 100, 1000) == 100
    assert parameters.choices({}, "by", "team", ("key", "team")) == ("team",)


@pytest.mark.parametrize(
    ("written", "moment_us"),
    [
        ("2023-11-14T22:13:20Z", NOW_US),
        ("2023-11-14T22:13:20", NOW_US),
        ("2023-11-15T00:13:20.000001+02:00", NOW_US + 1),
        ("2023-11-14", 1_699_920_000_000_000),
    ],
)
def test_a_moment_may_be_a_time(written: str, moment_us: int) -> None:
    assert parameters.moment_us({"until": written}, "until", NOW_US) == moment_us


def test_words_are_chosen_from_a_list_and_come_once() -> None:
    assert parameters.choices({"by": "team,key,team"}, "by", "key", ("key", "team")) == ("team", "key")


@pytest.mark.parametrize(
    "read",
    [
        lambda: parameters.span_s({"since": "24"}, "since", "24h"),
        lambda: parameters.span_s({"since": "-1h"}, "since", "24h"),
        lambda: parameters.span_s({"since": "99999d"}, "since", "24h"),
        lambda: parameters.moment_us({"since": "yesterday"}, "since", NOW_US),
        lambda: parameters.moment_us({"since": "h"}, "since", NOW_US),
        lambda: parameters.whole_number({"limit": "0"}, "limit", 1, 1000),
        lambda: parameters.whole_number({"limit": "1001"}, "limit", 1, 1000),
        lambda: parameters.whole_number({"limit": "٣"}, "limit", 1, 1000),
        lambda: parameters.text({"model": "x" * 513}, "model"),
        lambda: parameters.choices({"by": "team,colour"}, "by", "team", ("team",)),
        lambda: parameters.choices({"by": "a,b"}, "by", "a", ("a", "b"), most=1),
        lambda: parameters.exchange_id("1' OR 1"),
    ],
)
def test_what_cannot_be_read_is_the_callers_fault_and_names_the_parameter(read: Callable[[], Any]) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read()
    assert caught.value.param in {"since", "limit", "model", "by", "id"}


def test_an_id_comes_out_in_its_usual_form() -> None:
    assert parameters.exchange_id("{0192F3A17C4E7D0A9B1C2F6D8E4A5B3C}") == "0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c"


@given(st.dictionaries(st.sampled_from(["since", "until", "limit", "by", "id"]), st.text(max_size=30)))
def test_garbage_raises_only_the_declared_error(query: dict[str, str]) -> None:
    for read in (
        lambda: parameters.span_s(query, "since", "24h"),
        lambda: parameters.moment_us(query, "until", NOW_US),
        lambda: parameters.whole_number(query, "limit", 1, 1000),
        lambda: parameters.choices(query, "by", "team", ("team",)),
        lambda: parameters.exchange_id(query.get("id", "")),
    ):
        with suppress(MalformedRequest):
            read()
