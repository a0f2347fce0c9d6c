"""What holds wherever limits are counted: the same suite for every store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.core.limit_state import Charge, Holding, Quantity, Refusal
from gateway.core.limits import MOST_NANOUSD, Period
from tests.support.limit_states import STORES, TTL_S, Store, charge

REQUESTS, TOKENS, NANOUSD, SEATS = Quantity
MONTH = Period(calendar="month", zone="Europe/Berlin")


@pytest.fixture(params=sorted(STORES))
def make(request: pytest.FixtureRequest) -> type[Store]:
    return STORES[request.param]


@pytest.fixture
def store(make: type[Store]) -> Iterator[Store]:
    made = make()
    yield made
    made.close()


def took(answer: Holding | Refusal) -> Holding:
    assert not isinstance(answer, Refusal), answer
    return answer


def refusal(answer: Holding | Refusal) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def left(holding: Holding, quantity: Quantity) -> int:
    return next(each.left for each in holding.standings() if each.charge.quantity is quantity)


def room(store: Store, one: Charge, most: int) -> int:
    """How much more of one counter could be taken: found by trying, nothing stays taken."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        amounts = (1, middle, 0) if one.quantity is TOKENS else (1, 0, middle)
        answer = store.take((one,), amounts)
        if isinstance(answer, Refusal):
            high = middle - 1
        else:
            store.void(answer)
            low = middle
    return low


def test_requests_are_counted_and_come_back_when_the_window_is_over(store: Store):
    two = (charge(REQUESTS, 2),)
    took(store.take(two, (1, 0, 0)))
    store.clock.advance(20)
    took(store.take(two, (1, 0, 0)))
    told = refusal(store.take(two, (1, 0, 0)))
    assert (told.charge, told.retry_after_s) == (two[0], pytest.approx(40, abs=3.1))
    store.clock.advance(told.retry_after_s + 0.01)
    took(store.take(two, (1, 0, 0)))
    refusal(store.take(two, (1, 0, 0)))


def test_all_is_taken_or_nothing(store: Store):
    wide, narrow = charge(TOKENS, 1000, whose="team"), charge(TOKENS, 100, whose="key")
    seat, calls, money = charge(SEATS, 5, None), charge(REQUESTS, 50, 3600.0), charge(NANOUSD, 1000, MONTH)
    took(store.take((seat, calls, money, wide, narrow), (1, 90, 10)))
    for _ in range(20):
        assert refusal(store.take((seat, calls, money, wide, narrow), (1, 20, 30))).charge == narrow
    assert room(store, wide, 1000) == 910
    assert room(store, money, 1000) == 990
    held = [took(store.take((seat,), (1, 0, 0))) for _ in range(4)]
    assert refusal(store.take((seat,), (1, 0, 0))).charge == seat
    store.void(held[0])
    took(store.take((seat,), (1, 0, 0)))
    assert left(took(store.take((calls,), (1, 0, 0))), REQUESTS) == 48


def test_what_was_used_takes_the_place_of_what_was_reserved_once(store: Store):
    tokens, money = charge(TOKENS, 1000), charge(NANOUSD, 10**12, MONTH)
    holding = took(store.take((tokens, money), (1, 600, 500)))
    store.settle(holding, 250, 1)
    for _ in range(2):
        store.settle(holding, 0, 0)
        store.void(holding)
    assert (room(store, tokens, 1000), room(store, money, 10**12)) == (750, 10**12 - 1)


def test_of_what_nobody_knows_the_reservation_stays(store: Store):
    tokens, money = charge(TOKENS, 1000), charge(NANOUSD, 1000)
    store.settle(took(store.take((tokens, money), (1, 600, 500))), 100, None)
    store.settle(took(store.take((tokens, money), (1, 100, 50))), None, 20)
    assert (room(store, tokens, 1000), room(store, money, 1000)) == (800, 480)
    store.void(took(store.take((tokens, money), (1, 100, 50))))
    assert (room(store, tokens, 1000), room(store, money, 1000)) == (800, 480)


def test_a_void_call_counts_as_a_request(store: Store):
    calls = charge(REQUESTS, 1)
    store.void(took(store.take((calls,), (1, 0, 0))))
    refusal(store.take((calls,), (1, 0, 0)))


def test_more_than_was_reserved_counts_beyond_the_limit(store: Store):
    tokens = charge(TOKENS, 1000)
    store.settle(took(store.take((tokens,), (1, 10, 0))), 3000, None)
    told = refusal(store.take((tokens,), (1, 1, 0)))
    store.clock.advance(told.retry_after_s + 0.01)
    took(store.take((tokens,), (1, 1, 0)))


def test_a_reservation_beyond_the_whole_limit_takes_all_of_it(store: Store):
    money = charge(NANOUSD, 1000)
    holding = took(store.take((money,), (1, 0, 10**15)))
    refusal(store.take((money,), (1, 0, 1)))
    store.settle(holding, None, 400)
    assert room(store, money, 1000) == 600


def test_money_is_exact_to_the_last_nano_dollar(store: Store):
    money = charge(NANOUSD, MOST_NANOUSD, MONTH)
    store.settle(took(store.take((money,), (1, 0, MOST_NANOUSD - 5))), None, MOST_NANOUSD - 3)
    assert room(store, money, 100) == 3


def test_seats_come_back_with_the_end_or_when_their_time_is_over(store: Store):
    seats = charge(SEATS, 1, None)
    holding = took(store.take((seats,), (1, 0, 0)))
    assert refusal(store.take((seats,), (1, 0, 0))).retry_after_s > 0
    store.settle(holding, None, None)
    late = took(store.take((seats,), (1, 0, 0)))
    store.clock.advance(TTL_S + 1)
    took(store.take((seats,), (1, 0, 0)))
    store.settle(late, None, None)
    refusal(store.take((seats,), (1, 0, 0)))


def test_what_is_reserved_and_never_settled_stays_counted(store: Store):
    money, seats = charge(NANOUSD, 1000, 86_400.0), charge(SEATS, 1, None)
    took(store.take((money, seats), (1, 0, 700)))
    store.clock.advance(TTL_S + 1)
    assert room(store, money, 1000) == 300


def test_a_reservation_is_extended_in_all_counters_or_in_none(store: Store):
    wide, narrow = charge(TOKENS, 1000, whose="team"), charge(TOKENS, 100, whose="key")
    money = charge(NANOUSD, 1000, MONTH)
    holding = took(store.take((wide, money, narrow), (1, 40, 40)))
    assert store.extend(holding, 30, 30)
    assert not store.extend(holding, 31, 0)
    assert not store.extend(holding, 0, 931)
    assert (room(store, wide, 1000), room(store, narrow, 100), room(store, money, 1000)) == (930, 30, 930)
    store.settle(holding, 50, 45)
    assert (room(store, wide, 1000), room(store, narrow, 100), room(store, money, 1000)) == (950, 50, 955)
    assert not store.extend(holding, 1, 1)


def test_an_extended_call_that_uses_more_or_nothing_is_counted_right(store: Store):
    tokens = charge(TOKENS, 1000)
    for used, there in ((500, 500), (0, 500), (130, 370)):
        holding = took(store.take((tokens,), (1, 100, 0)))
        store.clock.advance(10)
        assert store.extend(holding, 50, 0)
        store.settle(holding, used, None)
        assert room(store, tokens, 1000) == there


def test_a_changed_limit_keeps_what_was_counted(store: Store):
    took(store.take((charge(NANOUSD, 100, MONTH),), (1, 0, 80)))
    assert room(store, charge(NANOUSD, 200, MONTH), 200) == 120
    refusal(store.take((charge(NANOUSD, 50, MONTH),), (1, 0, 1)))


def test_counters_of_different_names_have_nothing_to_do_with_each_other(store: Store):
    for whose in ("", "a", "a:b", "{x}", "ü\n\r{wb}", "x" * 300):
        calls = charge(REQUESTS, 1, whose=whose)
        took(store.take((calls,), (1, 0, 0)))
        refusal(store.take((calls,), (1, 0, 0)))


def test_the_slowest_counter_is_told_of_and_the_tightest_are_shown(store: Store):
    tight, wide = charge(TOKENS, 100, whose="key"), charge(TOKENS, 1000, whose="team")
    calls, hour = charge(REQUESTS, 10), charge(REQUESTS, 1, 3600.0)
    holding = took(store.take((wide, tight, calls), (1, 60, 0)))
    shown = {each.charge.name: each for each in holding.standings()}
    assert {name: each.left for name, each in shown.items()} == {tight.name: 40, calls.name: 9}
    assert 0 < shown[tight.name].reset_s <= 63.1
    took(store.take((hour,), (1, 0, 0)))
    assert refusal(store.take((tight, hour), (1, 90, 0))).charge == hour


@pytest.mark.parametrize(
    ("period", "at", "ends"),
    [
        (Period(calendar="day"), "2026-05-05T13:00+00:00", "2026-05-06T00:00+00:00"),
        (Period(calendar="week"), "2026-05-05T13:00+00:00", "2026-05-11T00:00+00:00"),
        (Period(calendar="month", zone="Asia/Tokyo"), "2026-02-28T13:00+00:00", "2026-02-28T15:00+00:00"),
        # Clocks are set forward, then back: 23 and 25 hours.
        (Period(calendar="day", zone="Europe/Berlin"), "2026-03-28T23:30+00:00", "2026-03-29T22:00+00:00"),
        (Period(calendar="day", zone="Europe/Berlin"), "2026-10-24T22:30+00:00", "2026-10-25T23:00+00:00"),
        (MONTH, "2026-10-01T00:30+02:00", "2026-11-01T00:00+01:00"),
    ],
)
def test_a_calendar_period_ends_with_its_last_day(store: Store, period: Period, at: str, ends: str):
    store.clock.advance(datetime.fromisoformat(at).timestamp() - store.clock.unix_us() / 1e6)
    money = (charge(NANOUSD, 100, period),)
    took(store.take(money, (1, 0, 100)))
    told = refusal(store.take(money, (1, 0, 1)))
    assert told.retry_after_s == pytest.approx(
        (datetime.fromisoformat(ends) - datetime.fromisoformat(at)).total_seconds()
    )
    store.clock.advance(told.retry_after_s - 1)
    refusal(store.take(money, (1, 0, 1)))
    store.clock.advance(1)
    took(store.take(money, (1, 0, 100)))


def test_what_runs_over_the_end_of_a_period_counts_where_it_began_and_its_excess_in_the_next(store: Store):
    store.clock.advance(datetime(2026, 5, 5, 23, 59, tzinfo=UTC).timestamp() - store.clock.unix_us() / 1e6)
    money = charge(NANOUSD, 100, Period(calendar="day"))
    under, over = took(store.take((money,), (1, 0, 40))), took(store.take((money,), (1, 0, 40)))
    store.clock.advance(120)
    store.settle(under, None, 10)
    store.settle(over, None, 65)
    assert room(store, money, 100) == 75
