"""Whose arm is which: the same for ever, in the shares that were asked for."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.route_rules import Split
from gateway.routing.split import arm_of, drawn

CHANCE = Random(3)


def split(canary: float, name: str = "x") -> Split:
    return Split(name=name, arms=(("stable", 1.0 - canary), ("canary", canary)))


@given(st.text(min_size=1), st.floats(0.01, 0.99))
def test_a_caller_keeps_its_arm(who: str, share: float) -> None:
    assert arm_of(split(share), who, CHANCE) == arm_of(split(share), who, CHANCE)


@given(st.text(min_size=1), st.floats(0.01, 0.98), st.floats(0.0, 0.01))
def test_whoever_has_the_canary_has_it_still_when_it_grows(who: str, share: float, more: float) -> None:
    if arm_of(split(share), who, CHANCE) == "canary":
        assert arm_of(split(share + more), who, CHANCE) == "canary"


def test_shares_come_out() -> None:
    given_ = Counter(arm_of(split(0.05), f"key-{number}", CHANCE) for number in range(20_000))
    assert 850 < given_["canary"] < 1150
    three = Split(name="y", arms=(("a", 0.2), ("b", 0.3), ("c", 0.5)))
    given_ = Counter(arm_of(three, f"key-{number}", CHANCE) for number in range(20_000))
    assert all(abs(given_[name] / 20_000 - share) < 0.015 for name, share in three.arms)


def test_another_split_is_another_draw() -> None:
    callers = [f"key-{number}" for number in range(4000)]
    both = sum(arm_of(split(0.5, "x"), who, CHANCE) == arm_of(split(0.5, "y"), who, CHANCE) for who in callers)
    assert 1800 < both < 2200


def test_the_draw_is_the_same_in_every_process() -> None:
    # Written down once: whoever changes this moves callers of running tests to other arms.
    assert [round(drawn("mini-5", who), 6) for who in ("alice", "bob")] == [0.178821, 0.226827]


def test_a_call_that_names_nobody_gets_an_arm_by_chance() -> None:
    assert {arm_of(split(0.5), "", CHANCE) for _ in range(50)} == {"stable", "canary"}


def test_shares_that_miss_one_by_a_bit_lose_nobody() -> None:
    class Last(Random):
        def random(self) -> float:
            return 1.0 - 2**-53

    short = Split(name="z", arms=(("a", 0.5), ("b", 0.5 - 1e-12)))
    assert arm_of(short, "", Last()) == "b"
