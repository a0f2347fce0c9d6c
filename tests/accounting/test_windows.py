from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.windows import Seats, Window

SECOND = 1_000_000_000
gaps = st.integers(0, 3 * SECOND)


def test_a_window_admits_up_to_its_limit_and_again_after_its_length():
    window = Window(3, 1)
    assert [window.take(5 * SECOND, 1) for _ in range(4)] == [True, True, True, False]
    assert not window.take(6 * SECOND - 1, 1)
    assert window.take(6 * SECOND, 1)


@given(
    st.integers(1, 8),
    st.floats(0.01, 3),
    st.lists(st.tuples(st.one_of(gaps, st.integers(0, SECOND // 10)), st.integers(1, 8)), max_size=60),
)
def test_no_stretch_of_its_length_ever_holds_more_than_the_limit(
    limit: int, per_s: float, arrivals: list[tuple[int, int]]
):
    window, now, admitted = Window(limit, per_s), 7 * SECOND, []
    for gap, amount in arrivals:
        now += gap
        if window.take(now, min(amount, limit)):
            admitted.append((now, min(amount, limit)))
    for end, _ in admitted:
        assert sum(amount for at, amount in admitted if end - per_s * 1e9 < at <= end) <= limit


@given(
    st.integers(1, 8),
    st.floats(0.01, 3),
    st.lists(st.tuples(st.integers(0, SECOND // 5), st.integers(1, 8)), max_size=40),
    st.integers(1, 8),
)
def test_the_stated_wait_is_the_shortest_that_helps(
    limit: int, per_s: float, arrivals: list[tuple[int, int]], amount: int
):
    window, now = Window(limit, per_s), 7 * SECOND
    for gap, taken in arrivals:
        now += gap
        window.take(now, min(taken, limit))
    amount = min(amount, limit)
    wait = window.wait_ns(now, amount)
    assert 0 <= wait <= per_s * 1e9 + 21
    if wait:
        assert not window.take(now + wait - 1, amount)
    assert window.take(now + wait, amount)


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, SECOND), st.integers(1, 20), st.integers(0, 3 * SECOND)), max_size=30),
)
def test_what_is_given_back_leaves_nothing_behind(limit: int, calls: list[tuple[int, int, int]]):
    window, now = Window(limit, 1), 7 * SECOND
    for gap, amount, held in calls:
        now += gap
        taken_at = now
        if window.take(now, min(amount, limit)):
            now += held
            window.correct(taken_at, -min(amount, limit), now)
    window.wait_ns(now, 1)
    # Only what slid out before it was given back is forgotten; nothing may go negative or stay.
    assert window.total == 0
    assert window.take(now, limit)


@given(st.integers(1, 5), st.integers(0, SECOND), st.sampled_from([60, 3600, 86_400]))
def test_what_is_used_up_at_once_is_there_again_after_the_window_and_not_later(limit: int, at: int, per_s: int):
    window = Window(limit, per_s)
    assert all(window.take(at, 1) for _ in range(limit))
    assert window.wait_ns(at, 1) == per_s * SECOND
    assert not window.take(at + per_s * SECOND - 1, 1)
    assert window.take(at + per_s * SECOND, limit)
    # The first ones have left: nothing of theirs can be given back a second time.
    window.correct(at, -limit, at + per_s * SECOND)
    assert window.total == limit


def test_more_than_was_taken_counts_beyond_the_limit_and_later_calls_wait():
    window = Window(100, 1)
    assert window.take(5 * SECOND, 50)
    window.correct(5 * SECOND, 200, 5 * SECOND)
    assert window.total == 250
    assert not window.take(5 * SECOND, 1)
    wait = window.wait_ns(5 * SECOND, 1)
    assert wait == SECOND
    assert window.take(5 * SECOND + wait, 1)


def test_an_excess_found_after_the_window_has_passed_counts_at_the_present():
    window = Window(100, 1)
    assert window.take(5 * SECOND, 50)
    window.correct(5 * SECOND, 100, 9 * SECOND)
    assert window.total == 100
    assert not window.take(9 * SECOND, 1)
    window.correct(5 * SECOND, -50, 9 * SECOND)
    assert window.total == 100


def test_a_wait_for_more_than_the_whole_window_is_the_whole_window():
    assert Window(10, 1).wait_ns(5 * SECOND, 11) >= SECOND


def test_seats_are_limited_and_given_back_once():
    seats = Seats(2, 10 * SECOND)
    assert seats.take(0, 1)
    assert seats.take(0, 2)
    assert not seats.take(0, 3)
    assert seats.wait_ns(0) > 0
    seats.give(1)
    seats.give(1)
    assert seats.wait_ns(0) == 0
    assert seats.take(0, 4)
    assert not seats.take(0, 5)


def test_a_seat_nobody_gives_back_expires():
    seats = Seats(1, 10 * SECOND)
    assert seats.take(0, 1)
    assert not seats.take(10 * SECOND - 1, 2)
    assert seats.take(10 * SECOND, 3)
    # The late end of the first call must not free the second one's seat.
    seats.give(1)
    assert seats.held(10 * SECOND) == 1


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_seats_never_leak_in_any_order_of_ends(limit: int, steps: list[tuple[bool, int]]):
    seats, held = Seats(limit, 1000 * SECOND), []
    for ticket, (begin, which) in enumerate(steps):
        if begin:
            assert seats.take(0, ticket) is (len(held) < limit)
            if len(held) < limit:
                held.append(ticket)
        elif held:
            seats.give(held.pop(which % len(held)))
        assert seats.held(0) == len(held)
