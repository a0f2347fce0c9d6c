from __future__ import annotations

import pytest
from multidict import MultiDict

from gateway.core.errors import MalformedRequest
from gateway.operator.filter_parameters import FILTERS, NAMES, TIMES, read_filters
from gateway.operator.filters import Filters

NOW_US = 1_790_000_000_000_000


def test_nothing_restricts_nothing() -> None:
    assert read_filters(MultiDict(), NOW_US) == Filters()


def test_every_name_sets_its_field() -> None:
    query = MultiDict({name: name for name in NAMES})
    query.extend([("tag", "a=b"), ("tag", "c=d"), ("status", "429"), ("min_status", "400"), ("failed", "true")])
    query.extend([("stream", "false"), ("min_ms", "5"), ("min_usd", "0.01"), ("since", "1h"), ("until", "2026-01-01")])
    found = read_filters(query, NOW_US)
    assert {getattr(found, field) for field in NAMES.values()} == set(NAMES)
    assert found.tags == ("a=b", "c=d")
    assert (found.status, found.min_status, found.failed, found.stream) == (429, 400, True, False)
    assert (found.min_duration_ms, found.min_cost_nanousd) == (5, 10_000_000)
    assert (found.since_us, found.until_us) == (NOW_US - 3_600_000_000, 1_767_225_600_000_000)
    described = {parameter.name for parameter in (*TIMES, *FILTERS)}
    assert described == set(query)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stream", "yes"), ("failed", "1"), ("min_usd", "much"), ("min_usd", "-1"), ("min_usd", "nan"),
        ("min_ms", "x"), ("status", "1000"), ("team", "x" * 513), ("tag", "k=" + "x" * 512),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_filters(MultiDict({name: value}), NOW_US)
    assert refused.value.param == name
