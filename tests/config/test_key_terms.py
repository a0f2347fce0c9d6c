from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.key_terms import budget_text, parse_budget, parse_expiry, parse_moment
from gateway.core.limits import Budget, Period

NOW_S = 1_700_000_000.0
MONTH = Period(calendar="month")


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ("5usd/month", Budget(nanousd=5 * 10**9, per=MONTH)),
        (" 0.000000001 USD / month ", Budget(nanousd=1, per=MONTH)),
        ("20.5usd/day@Europe/Berlin", Budget(nanousd=20_500_000_000, per=Period(calendar="day", zone="Europe/Berlin"))),
        ("1usd/hour", Budget(nanousd=10**9, per=Period(seconds=3600.0))),
        ({"usd": 500, "per": "month"}, Budget(nanousd=500 * 10**9, per=MONTH)),
        ({"usd": 0.1, "per": "week", "zone": "UTC"}, Budget(nanousd=10**8, per=Period(calendar="week"))),
    ],
)
def test_a_budget_is_read_in_both_forms(written: object, budget: Budget):
    assert parse_budget(written) == budget
    assert parse_budget(budget) is budget


@pytest.mark.parametrize(
    "written",
    [
        *("", "5", "5usd", "5eur/month", "5usd/year", "-5usd/month", "0usd/month", "1e3usd/month", "9999999999usd/day"),
        *("5usd/month@Nowhere/Land", "5usd/month@../../etc/passwd", "5usd/hour@Europe/Berlin", "5usd/month@"),
        *({"usd": 5}, {"usd": True, "per": "month"}, {"usd": "x", "per": "month"}, {"usd": 5, "per": 1}, 5, None, []),
        {"usd": 5, "per": "month", "more": 1},
    ],
)
def test_what_is_no_budget_is_refused_in_words(written: object):
    with pytest.raises(ValueError, match=r"should|zone"):
        parse_budget(written)


@given(
    st.integers(1, 10**17 // 12),
    st.one_of(
        st.sampled_from([1.0, 60.0, 3600.0]).map(lambda seconds: Period(seconds=seconds)),
        st.builds(
            lambda calendar, zone: Period(calendar=calendar, zone=zone),
            st.sampled_from(["day", "week", "month"]),
            st.sampled_from(["UTC", "Asia/Tokyo"]),
        ),
    ),
)
def test_a_budget_reads_as_it_is_written(nanousd: int, per: Period):
    budget = Budget(nanousd=nanousd, per=per)
    assert parse_budget(budget_text(budget)) == budget


def test_an_end_is_after_a_while_or_at_a_moment():
    assert parse_expiry("30d", NOW_S) == NOW_S + 30 * 86_400
    assert parse_expiry("2027-02-01", NOW_S) == parse_moment("2027-02-01T00:00:00Z") == 1_801_440_000
    assert parse_moment("2027-02-01T01:00:00+01:00") == 1_801_440_000
    for wrong in ("", "soon", "0s", "2020-01-01", "99999d", "9999-01-01"):
        with pytest.raises(ValueError, match="should"):
            parse_expiry(wrong, NOW_S)
    for wrong in ("", "30d", True, None):
        with pytest.raises(ValueError, match="should"):
            parse_moment(wrong)
