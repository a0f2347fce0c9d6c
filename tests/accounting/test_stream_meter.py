"""A stream holds more as it goes on, never counts beyond what it holds by more than a piece, and ends where it must."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.limits import Falling, Lease
from gateway.accounting.memory_state import MemoryState
from gateway.accounting.stream_meter import STEP_TOKENS, StreamMeter
from gateway.core.limit_state import Charge, Quantity, Refusal
from gateway.core.limits import LimitRule, Period
from tests.support.clock import ManualClock

RULE = LimitRule(scope="team", tokens=(1, 60))


def charge(quantity: Quantity, limit: int) -> Charge:
    return Charge(name=f"{quantity}:x", quantity=quantity, limit=limit, period=Period(seconds=60.0), rule=RULE)


class Store:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.then: list[Callable[[bool], None]] = []

    def extend(self, tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
        self.asked.append((tokens, nanousd))
        self.then.append(then)


@given(
    st.integers(0, 3000),
    st.integers(0, 900),
    st.integers(0, 900),
    st.lists(st.integers(0, 400), max_size=60),
    st.sampled_from([0, 7]),
)
def test_a_stream_that_ends_has_used_what_there_was_and_at_most_the_last_piece_more(
    room: int, held: int, others: int, pieces: list[int], rate: int
) -> None:
    limit = held + room + others
    if not limit:
        return
    state = MemoryState(ManualClock())
    charges = (charge(Quantity.NANOUSD, limit * rate) if rate else charge(Quantity.TOKENS, limit),)
    assert not isinstance(state.take(charges, (1, others, others * rate)), Refusal)
    holding = state.take(charges, (1, held, held * rate))
    assert not isinstance(holding, Refusal)
    meter = StreamMeter(Lease(holding, (1, held, 0), Falling(charges)).extend, held, rate, ends=True)
    for piece in pieces:
        before = meter.said
        if meter.took(piece):
            # All that there was is used, but for less than a step and the piece that was too much.
            assert before <= meter.held <= meter.said
            assert meter.held > limit - others - STEP_TOKENS - piece
            break
        assert meter.said < meter.held or not meter.said
    assert meter.held <= limit - others


def test_a_store_that_answers_late_holds_up_nothing_and_is_asked_one_thing_at_a_time() -> None:
    store = Store()
    meter = StreamMeter(store.extend, 200, 3, ends=True)
    assert not any(meter.took(10) for _ in range(30))
    # Asked when half a step was left; what came since then has gone on.
    assert store.asked == [(STEP_TOKENS, 3 * STEP_TOKENS)]
    store.then.pop()(True)
    assert meter.held == 200 + STEP_TOKENS
    assert not any(meter.took(10) for _ in range(30))
    assert len(store.asked) == 2
    store.then.pop()(False)
    # What came while the store was asked was more than what was left.
    assert meter.took(1)


def test_one_that_was_refused_early_asks_again_when_all_is_used() -> None:
    store = Store()
    meter = StreamMeter(store.extend, 200, 0, ends=True)
    assert not meter.took(100)
    store.then.pop()(False)
    assert not meter.took(50)
    assert len(store.asked) == 1
    assert not meter.took(50)
    store.then.pop()(True)
    assert meter.held == 200 + STEP_TOKENS
    assert not meter.took(1)


def test_one_that_may_finish_goes_on_overdrawn_and_takes_its_part_when_there_is_room() -> None:
    store = Store()
    meter = StreamMeter(store.extend, 0, 0, ends=False)
    for _ in range(3):
        assert not meter.took(STEP_TOKENS)
        store.then.pop()(False)
    assert not meter.took(STEP_TOKENS)
    store.then.pop()(True)
    assert meter.held == meter.said + STEP_TOKENS
    # Once a step, not once a piece.
    assert len(store.asked) == 4


@pytest.mark.parametrize("ended", ["settle", "void"])
def test_a_lease_that_has_ended_holds_no_more(ended: str) -> None:
    state = MemoryState(ManualClock())
    charges = (charge(Quantity.TOKENS, 1000),)
    holding = state.take(charges, (1, 10, 0))
    assert not isinstance(holding, Refusal)
    lease = Lease(holding, (1, 10, 0), Falling(charges))
    (lease.void if ended == "void" else lambda: lease.settle(None))()
    told: list[bool] = []
    lease.extend(1, 0, told.append)
    assert told == [False]
