"""What pays for answers that nobody gets, and what those cost."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.record import AttemptRecord
from gateway.core.usage import Usage
from gateway.purse import Lost, Purse
from gateway.routing.hedge_budget import Amount, HedgeBudget
from tests.support.duel import OTHER, Duel
from tests.support.rooms import PROVIDER, chat, run
from tests.test_moves import begun

SAME = msgspec.structs.replace(PROVIDER, base_url="http://q.example/v1")
USED = Usage(input_fresh_tokens=100, output_text_tokens=50)


def purse(rooms: Duel, budget: HedgeBudget, **asked: Any) -> tuple[Purse, Any]:
    call, request, _ = begun(rooms)
    request.stream = asked.get("stream", False)
    request.max_output_tokens = asked.get("max_tokens")
    return Purse(call.lease, call, rooms.pipeline, budget), request


def full() -> HedgeBudget:
    budget = HedgeBudget(1.0)
    budget.earn(Amount(1000.0, 10_000_000.0))
    return budget


def left(budget: HedgeBudget) -> int:
    """How many tokens can still be taken."""
    return next(tokens for tokens in range(2000, -1, -1) if budget.take(Amount(tokens)))


def test_a_call_pays_in_what_it_cost():
    async def test() -> None:
        budget = HedgeBudget(0.5)
        rooms = Duel()
        held, _ = purse(rooms, budget)
        held.settle(USED)
        # 75 tokens, and half of 200,000 nano-dollars.
        assert not budget.take(Amount(1.0, 100_001.0))
        assert budget.take(Amount(75.0, 100_000.0))
        assert rooms.log == ["settle 100+50"]

    run(test)


def test_what_nobody_knows_pays_for_nothing():
    async def test() -> None:
        budget, rooms = HedgeBudget(0.5), Duel()
        purse(rooms, budget)[0].settle(None)
        purse(rooms, budget)[0].void()
        assert left(budget) == 0
        assert rooms.log == ["settle", "void"]

    run(test)


def test_what_is_likely_is_taken_and_put_right_when_the_call_is_over():
    async def test() -> None:
        budget = full()
        held, request = purse(Duel(), budget, max_tokens=200)
        likely = len(chat("an osprey").body) // 4 + 200
        assert held.take(request, (PROVIDER, OTHER))
        tried = AttemptRecord()
        held.lost.append(Lost(tried, PROVIDER, None))
        assert left(budget) == 1000 - likely
        budget.correct(Amount(1000.0 - likely), Amount(0.0))
        held.settle(USED)
        # As much as the answer used: it came whole. The call has paid in as well.
        assert (tried.input_tokens, tried.output_tokens, tried.cost_nanousd) == (100, 50, 200_000)
        assert left(budget) == 1000 - 150 + 150

    run(test)


def test_of_a_stream_nothing_had_come_unless_its_provider_says_so():
    async def test() -> None:
        for told, tokens in ((None, (100, 0)), (Usage(input_fresh_tokens=90, output_text_tokens=7), (90, 7))):
            held, _ = purse(Duel(), full(), stream=True)
            tried = AttemptRecord()
            held.lost.append(Lost(tried, SAME, told))
            held.settle(USED)
            assert (tried.input_tokens, tried.output_tokens) == tokens

    run(test)


def test_what_has_no_known_price_has_tokens():
    async def test() -> None:
        held, _ = purse(Duel(), full())
        tried = AttemptRecord()
        held.lost.append(Lost(tried, OTHER, None))
        held.settle(USED)
        assert (tried.input_tokens, tried.cost_nanousd) == (100, None)

    run(test)


def test_what_was_not_needed_is_given_back():
    async def test() -> None:
        budget = full()
        held, request = purse(Duel(), budget, max_tokens=200)
        assert held.take(request, (PROVIDER,))
        held.give_back()
        held.give_back()
        assert left(budget) == 1000

    run(test)


def test_what_is_not_there_is_not_taken():
    async def test() -> None:
        held, request = purse(Duel(), HedgeBudget(0.1), stream=True)
        assert not held.take(request, (PROVIDER,))
        held.give_back()

    run(test)
