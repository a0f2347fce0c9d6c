"""Every store of limits against a naive model: each amount with its moment, added up anew for every question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from gateway.core.limit_state import Holding, Quantity, Refusal
from gateway.core.limits import Period
from tests.support.limit_states import STORES, TTL_S, Store, charge

DAY = Period(calendar="day", zone="America/New_York")
TOKENS, NANOUSD, SEATS, CALLS = 100, 90, 3, 4
CHARGES = (
    charge(Quantity.TOKENS, TOKENS),
    charge(Quantity.NANOUSD, NANOUSD, DAY),
    charge(Quantity.SEATS, SEATS, None),
    charge(Quantity.REQUESTS, CALLS, 30.0),
)
# The last moment of a window a store may still count, or not any more.
CLOSE_S = 3.0
AMOUNT = st.integers(0, 60)


@dataclass
class Taken:
    """A piece that a call took."""

    at: float
    tokens: int
    nanousd: int


@dataclass(eq=False)
class Open:
    """A call in progress."""

    holding: Holding
    pieces: list[Taken]


class Model(RuleBasedStateMachine):
    make: type[Store]
    calls: Bundle[Open] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.store = self.make()
        # A spring day on which New York's clocks are set: its 8th of March 2026 has 23 hours.
        self.store.clock.advance(datetime(2026, 3, 7, 20, tzinfo=ZoneInfo(DAY.zone)).timestamp() - self.now())
        self.taken: list[Taken] = []
        self.begun: list[float] = []
        self.seated: list[Open] = []

    def now(self) -> float:
        return self.store.clock.unix_us() / 1e6

    def tokens(self, margin_s: float = 0.0) -> int:
        return sum(each.tokens for each in self.taken if each.at > self.now() - 60 + margin_s)

    def money(self) -> int:
        local = datetime.fromtimestamp(self.now(), ZoneInfo(DAY.zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        return sum(each.nanousd for each in self.taken if each.at >= midnight)

    def seats(self) -> int:
        return sum(self.now() - each.pieces[0].at < TTL_S for each in self.seated)

    def requests(self, margin_s: float = 0.0) -> int:
        return sum(at > self.now() - 30 + margin_s for at in self.begun)

    @rule(seconds=st.sampled_from([0.25, 5.0, 31.0, 64.0, TTL_S, 3600.0, 20_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.store.clock.advance(seconds)

    @rule(target=calls, tokens=AMOUNT, nanousd=AMOUNT)
    def begins(self, tokens: int, nanousd: int):
        answer = self.store.take(CHARGES, (1, tokens, nanousd))
        if isinstance(answer, Refusal):
            # Not for nothing: some limit is full, or was a moment ago.
            assert (
                self.tokens(-CLOSE_S) + tokens > TOKENS
                or self.money() + nanousd > NANOUSD
                or self.seats() >= SEATS
                or self.requests(-CLOSE_S) >= CALLS
            )
            assert answer.retry_after_s > 0
            return multiple()
        piece = Taken(self.now(), tokens, nanousd)
        call = Open(answer, [piece])
        self.taken.append(piece)
        self.begun.append(piece.at)
        self.seated.append(call)
        return call

    @rule(call=calls, tokens=AMOUNT, nanousd=AMOUNT)
    def goes_on(self, call: Open, tokens: int, nanousd: int) -> None:
        if self.store.extend(call.holding, tokens, nanousd):
            piece = Taken(self.now(), tokens, nanousd)
            call.pieces.append(piece)
            self.taken.append(piece)
        else:
            assert self.tokens(-CLOSE_S) + tokens > TOKENS or self.money() + nanousd > NANOUSD

    @rule(call=consumes(calls), share=st.integers(0, 100), known=st.booleans())
    def ends(self, call: Open, share: int, known: bool) -> None:
        self.seated.remove(call)
        if not known:
            self.store.settle(call.holding, None, None)
            return
        tokens = sum(piece.tokens for piece in call.pieces) * share // 100
        nanousd = sum(piece.nanousd for piece in call.pieces) * share // 100
        self.store.settle(call.holding, tokens, nanousd)
        # Ending again changes nothing.
        self.store.void(call.holding)
        for piece in call.pieces:
            piece.tokens, tokens = min(piece.tokens, tokens), max(0, tokens - piece.tokens)
            piece.nanousd, nanousd = min(piece.nanousd, nanousd), max(0, nanousd - piece.nanousd)

    @rule(call=consumes(calls))
    def never_came_to_it(self, call: Open) -> None:
        self.seated.remove(call)
        self.store.void(call.holding)
        for piece in call.pieces:
            piece.tokens = piece.nanousd = 0

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert self.tokens() <= TOKENS
        assert self.money() <= NANOUSD
        assert self.seats() <= SEATS
        assert self.requests() <= CALLS

    def teardown(self) -> None:
        for call in self.seated:
            self.store.void(call.holding)
        self.store.clock.advance(2 * 86_400)
        assert not isinstance(self.store.take(CHARGES, (1, TOKENS, NANOUSD)), Refusal)
        self.store.close()


@pytest.mark.parametrize("name", sorted(STORES))
def test_in_any_order_of_calls_and_ends_limits_hold_and_every_end_counts_once(name: str):
    model = type("Model", (Model,), {"make": STORES[name]})
    run_state_machine_as_test(model, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
