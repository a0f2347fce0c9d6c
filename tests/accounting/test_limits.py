from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.limits import Lease, Limits
from gateway.accounting.memory_state import MemoryState
from gateway.accounting.windows import Seats
from gateway.core.errors import Misconfigured, PermissionDenied, RateLimited
from gateway.core.exchange import Principal
from gateway.core.limits import Budget, LimitRule, Period
from gateway.core.usage import Usage
from tests.support.clock import ManualClock

ALICE = Principal(key_id="k1", team="support", tenant="acme")
BOB = Principal(key_id="k2", team="support", tenant="acme")
CAROL = Principal(key_id="k3", team="research", tenant="acme")


def used(tokens: int) -> Usage:
    return Usage(input_fresh_tokens=tokens)


class Desk:
    """Limits with a clock at hand."""

    def __init__(self, *rules: LimitRule, **options) -> None:
        self.clock = ManualClock()
        self.state = MemoryState(self.clock, **options)
        self.limits = Limits(rules, self.clock, self.state)

    def counted(self) -> list[int]:
        """What each counter holds, those of the first rule first."""
        kept = {**self.state._brief, **self.state._lasting}.values()
        return [each.held(self.clock.monotonic_ns()) if isinstance(each, Seats) else each.total for each in kept]

    def take(self, who: Principal = ALICE, tokens: int = 10, model: str = "gpt-4o", provider: str = "openai") -> Lease:
        return self.limits.take(self.limits.falling(who, (model, provider)), (tokens, 0))

    def refused(self, who: Principal = ALICE, tokens: int = 10, model: str = "gpt-4o") -> RateLimited:
        with pytest.raises(RateLimited) as caught:
            self.take(who, tokens, model)
        return caught.value

    def admits(self, who: Principal = ALICE, tokens: int = 10, model: str = "gpt-4o", provider: str = "openai") -> bool:
        try:
            self.take(who, tokens, model, provider)
        except RateLimited:
            return False
        return True


def test_requests_are_limited_and_come_back():
    desk = Desk(LimitRule(scope="key", requests=(2, 60)))
    desk.take()
    desk.clock.advance(6)
    desk.take()
    error = desk.refused()
    assert error.status == 429
    assert error.public_message == "Limit of this key reached: 2 requests per minute."
    assert error.retry_after_s is not None
    assert error.retry_after_s == pytest.approx(54, abs=3.1)
    desk.clock.advance(error.retry_after_s - 0.001)
    assert not desk.admits()
    desk.clock.advance(0.001)
    assert desk.admits()
    assert not desk.admits()


@pytest.mark.parametrize(
    ("scope", "shared", "apart"),
    [("key", ALICE, BOB), ("team", BOB, CAROL), ("tenant", CAROL, Principal(key_id="k1", team="support"))],
)
def test_each_value_of_the_scope_has_its_own_allowance(scope, shared: Principal, apart: Principal):
    desk = Desk(LimitRule(scope=scope, requests=(1, 60)))
    desk.take(ALICE)
    assert not desk.admits(shared)
    assert desk.admits(apart)


def test_models_and_providers_have_allowances_too():
    desk = Desk(LimitRule(scope="model", requests=(1, 60)))
    desk.take(model="a")
    assert not desk.admits(BOB, model="a")
    assert desk.admits(model="b")
    desk = Desk(LimitRule(scope="provider", requests=(1, 60)))
    desk.take(provider="a")
    assert not desk.admits(provider="a")
    assert desk.admits(provider="b")


def test_a_rule_applies_where_all_its_globs_match():
    desk = Desk(LimitRule(scope="key", match={"team": ("sup*", "ops"), "model": ("gpt-*",)}, requests=(1, 60)))
    desk.take()
    assert not desk.admits()
    assert desk.admits(model="claude")
    assert desk.admits(CAROL)
    assert desk.admits(CAROL)


def test_all_limits_are_taken_or_none():
    desk = Desk(
        LimitRule(scope="team", requests=(10, 60), tokens=(1000, 60), concurrency=10),
        LimitRule(scope="key", requests=(1, 60)),
    )
    desk.take(ALICE, tokens=100)
    for _ in range(50):
        assert not desk.admits(ALICE, tokens=100)
    assert desk.counted() == [1, 100, 1, 1]


@pytest.mark.parametrize("first", [{"concurrency": 5}, {"tokens": (1000, 60)}, {"requests": (5, 60)}])
@pytest.mark.parametrize("second", [{"concurrency": 1}, {"tokens": (100, 60)}])
def test_whatever_an_earlier_rule_counts_is_given_back(first: dict, second: dict):
    desk = Desk(LimitRule(scope="team", **first), LimitRule(scope="key", **second))
    desk.take(ALICE, tokens=100)
    for _ in range(20):
        assert not desk.admits(ALICE, tokens=100)
    for number in range(4):
        assert desk.admits(Principal(key_id=f"other{number}", team="support"), tokens=100)


@pytest.mark.parametrize("full", [{"tokens": (100, 60)}, {"concurrency": 1}])
def test_within_one_rule_too_all_is_taken_or_nothing(full: dict):
    desk = Desk(LimitRule(scope="team", **{"requests": (10, 60), "tokens": (1000, 60), **full}))
    desk.take(tokens=100)
    for _ in range(5):
        assert not desk.admits(tokens=100)
    assert desk.counted()[:2] == [1, 100]


def test_tokens_are_reserved_and_settled_to_the_truth():
    desk = Desk(LimitRule(scope="team", tokens=(1000, 60)))
    lease = desk.take(tokens=900)
    assert desk.refused(tokens=200).public_message == "Limit of this team reached: 1000 tokens per minute."
    lease.settle(used(100))
    assert desk.admits(tokens=900)
    assert not desk.admits(tokens=1)


def test_more_than_reserved_is_counted_and_later_calls_wait():
    desk = Desk(LimitRule(scope="team", tokens=(1000, 60)))
    desk.take(tokens=10).settle(used(3000))
    error = desk.refused(tokens=1)
    assert error.retry_after_s is not None
    desk.clock.advance(error.retry_after_s)
    assert desk.admits(tokens=1)


def test_an_unknown_usage_keeps_the_reservation_and_a_void_call_gives_it_back():
    desk = Desk(LimitRule(scope="team", tokens=(1000, 60), requests=(3, 60)))
    desk.take(tokens=600).settle(None)
    assert not desk.admits(tokens=600)
    desk.take(tokens=400).void()
    assert desk.admits(tokens=400)
    assert desk.refused(tokens=1).public_message == "Limit of this team reached: 3 requests per minute."


def test_a_reservation_larger_than_the_allowance_takes_all_of_it():
    desk = Desk(LimitRule(scope="team", tokens=(1000, 60)))
    lease = desk.take(tokens=10**12)
    assert not desk.admits(tokens=1)
    lease.settle(used(1000))
    assert not desk.admits(tokens=1)


def test_calls_at_once_are_limited_and_a_seat_that_is_kept_comes_free():
    desk = Desk(LimitRule(scope="team", concurrency=1), lease_ttl_s=100)
    lease = desk.take()
    error = desk.refused()
    assert (error.public_message, error.retry_after_s) == ("Limit of this team reached: 1 calls at once.", 1)
    lease.settle(None)
    late = desk.take()
    desk.clock.advance(101)
    desk.take()
    late.settle(None)
    assert not desk.admits()


def test_the_longest_wait_of_all_limits_is_told():
    desk = Desk(LimitRule(scope="key", requests=(1, 1)), LimitRule(scope="team", tokens=(10, 3600)))
    desk.take(tokens=10)
    error = desk.refused(tokens=10)
    assert error.public_message == "Limit of this team reached: 10 tokens per hour."
    assert error.retry_after_s is not None
    assert error.retry_after_s >= 3600
    desk.clock.advance(error.retry_after_s)
    assert desk.admits(tokens=10)


def test_a_lease_is_settled_once_whatever_comes_after():
    desk = Desk(LimitRule(scope="team", tokens=(1000, 60), concurrency=2))
    first, second = desk.take(tokens=400), desk.take(tokens=400)
    with first:
        first.settle(used(100))
        first.settle(used(0))
        first.void()
    first.void()
    assert desk.counted() == [500, 1]
    second.void()
    assert desk.counted() == [100, 0]


def test_a_cancelled_call_gives_its_seat_back():
    desk = Desk(LimitRule(scope="team", concurrency=1))

    async def call():
        with desk.take():
            await asyncio.sleep(60)

    async def scenario():
        task = asyncio.get_running_loop().create_task(call())
        await asyncio.sleep(0)
        assert not desk.admits()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert desk.admits()

    asyncio.run(scenario())


def test_without_rules_everything_passes_and_nothing_is_kept():
    desk = Desk()
    with desk.take() as lease:
        lease.settle(used(5))
    assert len(desk.state) == 0


def test_idle_allowances_are_forgotten():
    desk = Desk(LimitRule(scope="model", requests=(5, 1)))
    for number in range(100):
        desk.take(model=f"m{number}")
    assert len(desk.state) == 100
    desk.clock.advance(2)
    for number in range(100, 160):
        desk.take(model=f"m{number}")
    assert len(desk.state) == 60


def test_an_allowance_with_a_call_in_progress_is_not_idle():
    desk = Desk(LimitRule(scope="model", concurrency=1, requests=(5, 1)))
    desk.take(model="busy")
    desk.clock.advance(5)
    desk.take(model="other").settle(None)
    assert not desk.admits(model="busy")


def test_invented_names_do_not_grow_memory():
    desk = Desk(LimitRule(scope="model", requests=(5, 3600)), max_counters=50)
    # Whoever comes when there are too many shares one allowance with others: none is forgotten before its time.
    assert sum(desk.admits(model=f"m{number}") for number in range(500)) == 55
    assert len(desk.state) == 51
    for number in range(5000):
        desk.admits(Principal(key_id=f"k{number}"), model="m0" if number < 5 else f"m{number}")
    assert len(desk.limits._falling) <= 4096
    desk.clock.advance(2 * 3600)
    for _ in range(5):
        desk.take(model="x" * 100_000)
    assert not desk.admits(model="x" * 100_001)
    assert all(len(name) <= 300 for name in desk.state._lasting)
    assert all(len(names[4]) <= 200 for names, _ in desk.limits._falling)


def test_of_short_limits_the_one_unused_for_longest_is_forgotten():
    desk = Desk(LimitRule(scope="model", requests=(1, 60)), max_counters=50)
    for number in range(500):
        desk.take(model=f"m{number}")
    assert len(desk.state) == 50
    assert not desk.admits(model="m499")
    assert desk.admits(model="m0")


@pytest.mark.parametrize(
    "rule",
    [
        LimitRule(scope="key", match={"colour": ("red",)}, requests=(1, 1)),
        LimitRule(scope="key", requests=(0, 60)),
        LimitRule(scope="key", tokens=(10, 0)),
        LimitRule(scope="key", concurrency=0),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rule: LimitRule):
    with pytest.raises(Misconfigured):
        Limits((rule,), ManualClock())


CALLS = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB, CAROL]),
        st.integers(0, 200),
        st.sampled_from(["begin", "begin", "settle", "none", "void"]),
        st.floats(0, 40),
        st.integers(0, 200),
    ),
    max_size=50,
)


def check_windows(admitted: list[tuple[int, str, str]]) -> None:
    for end, team, key in admitted:
        assert sum(end - 60e9 < at <= end and one == team for at, one, _ in admitted) <= 6
        assert sum(end - 30e9 < at <= end and one == key for at, _, one in admitted) <= 4


@given(CALLS)
def test_in_any_order_of_calls_and_ends_no_limit_is_exceeded_and_nothing_leaks(calls):
    desk = Desk(
        LimitRule(scope="team", requests=(6, 60), tokens=(500, 60), concurrency=3),
        LimitRule(scope="key", requests=(4, 30), concurrency=2),
        lease_ttl_s=10_000,
    )
    held: list[tuple[Principal, Lease]] = []
    admitted: list[tuple[int, str, str]] = []
    waits: list[float] = []
    for who, tokens, what, gap, which in calls:
        desk.clock.advance(gap)
        if what == "begin":
            try:
                held.append((who, desk.take(who, tokens)))
                admitted.append((desk.clock.monotonic_ns(), who.team, who.key_id))
            except RateLimited as error:
                waits.append(error.retry_after_s or 0)
        elif held:
            _, lease = held.pop(which % len(held))
            if what == "void":
                lease.void()
            else:
                lease.settle(used(tokens) if what == "settle" else None)
        for team in ("support", "research"):
            assert sum(holder.team == team for holder, _ in held) <= 3
    assert all(wait > 0 for wait in waits)
    check_windows(admitted)
    for _, lease in held:
        lease.void()
    for name, counter in desk.state._brief.items():
        assert "/seats/" not in name or desk.state._brief[name].idle(desk.clock.monotonic_ns()), counter
    desk.clock.advance(200)
    for _ in range(2):
        assert desk.admits(ALICE, tokens=250)


def test_a_key_with_a_budget_that_workers_count_apart_is_refused_and_others_are_not():
    desk = Desk()
    desk.limits.apart = True
    desk.take(ALICE)
    with pytest.raises(PermissionDenied, match="cannot count together"):
        desk.take(Principal(key_id="k4", team="support", budget=Budget(nanousd=5, per=Period(calendar="day"))))
