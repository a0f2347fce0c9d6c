"""What gateways tell one another, what they believe, and that nothing echoes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import BreakerRule, Deployment
from gateway.core.hint import Hint
from gateway.routing.health import Health, Healths
from gateway.routing.hints import MAX_ASKED, Hints, name_of

RULE = BreakerRule()
DEPLOYMENT = Deployment(provider="p", kind="openai", model="m", base_url="http://p", credential=b"")


class Gateway:
    """What one gateway knows of one deployment, and whom it tells."""

    def __init__(self, name: str, clock: list[float]) -> None:
        self.clock = clock
        self.healths = Healths(lambda: clock[0])
        self.health: Health = self.healths.of(DEPLOYMENT, RULE)
        self.hints = Hints(self.healths, name)

    def exchange(self, held: dict[str, Hint]) -> int:
        """Tell and ask, as through a store that forgets nothing."""
        asked = self.hints.asked()
        held.update({hint.name: hint for hint in self.hints.news(asked)})
        return self.hints.hear(asked, [held[name] for name in asked if name in held])

    def fail(self, times: int = RULE.consecutive) -> None:
        for _ in range(times):
            self.health.begin(self.clock[0])
            self.health.fail(self.clock[0], "connect", None, 0.1)

    @property
    def state(self) -> str:
        return self.health.breaker.state(self.clock[0])


def test_others_leave_alone_what_one_has_found_and_ask_for_themselves_when_it_is_over():
    clock = [100.0]
    one, other, held = Gateway("one", clock), Gateway("other", clock), dict[str, Hint]()
    one.fail()
    assert (one.exchange(held), other.exchange(held)) == (0, 1)
    assert (one.state, other.state) == ("open", "open")
    assert next(iter(held.values())) == Hint(name_of("p", "http://p", "m"), RULE.open_s, "one")
    clock[0] += RULE.open_s
    assert (one.state, other.state) == ("half_open", "half_open")
    other.health.begin(clock[0])
    assert not other.health.breaker.allows(clock[0])
    other.health.succeed(clock[0])
    assert other.state == "closed"


def test_hearsay_is_not_passed_on_but_what_was_found_oneself_is():
    clock = [100.0]
    one, other, held = Gateway("one", clock), Gateway("other", clock), dict[str, Hint]()
    one.fail()
    one.exchange(held)
    other.exchange(held)
    held.clear()
    for gateway in (one, other, one):
        gateway.exchange(held)
    assert held == {}
    # It is asked again, and still fails: now the other has found it too.
    clock[0] += RULE.open_s
    other.fail(1)
    other.exchange(held)
    assert [each.teller for each in held.values()] == ["other"]


def test_what_may_not_have_arrived_is_told_again_as_long_as_it_holds():
    clock = [100.0]
    one, held = Gateway("one", clock), dict[str, Hint]()
    one.fail()
    one.exchange(held)
    one.hints.forget_told()
    clock[0] += 0.5
    one.exchange(held)
    assert [each.for_s for each in held.values()] == [RULE.open_s - 0.5]
    one.hints.forget_told()
    clock[0] += RULE.open_s
    assert one.hints.news(one.hints.asked()) == []


def test_nobody_is_believed_for_longer_than_ones_own_rule_allows_or_against_ones_own_finding():
    clock = [100.0]
    gateway = Gateway("one", clock)
    name = name_of("p", "http://p", "m")
    gateway.hints.hear(gateway.hints.asked(), [Hint(name, 1e9, "liar")])
    assert gateway.health.breaker.opens_at_s() == 100.0 + RULE.max_open_s
    clock[0] += RULE.max_open_s
    # It is being asked: what others say does not stop that.
    assert gateway.hints.hear(gateway.hints.asked(), [Hint(name, 5.0, "liar")]) == 0
    assert gateway.state == "half_open"
    own = Gateway("own", clock)
    assert own.hints.hear(own.hints.asked(), [Hint(name, 5.0, "own"), Hint(name, -1.0, "x"), Hint("y", 5.0, "x")]) == 0
    assert own.state == "closed"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fail", "well", "tell", "time"])), max_size=80))
def test_gateways_that_stop_failing_are_not_kept_open_by_one_another(steps: list[tuple[str, str]]):
    clock, held = [100.0], dict[str, tuple[float, Hint]]()
    gateways = {name: Gateway(name, clock) for name in "abc"}

    def exchange(gateway: Gateway) -> None:
        asked = gateway.hints.asked()
        held.update({each.name: (clock[0] + each.for_s, each) for each in gateway.hints.news(asked)})
        now = [msgspec.structs.replace(hint, for_s=until_s - clock[0]) for until_s, hint in held.values()]
        gateway.hints.hear(asked, now)

    for name, step in steps:
        gateway = gateways[name]
        if step == "fail":
            gateway.fail(1)
        elif step == "well":
            gateway.health.begin(clock[0])
            gateway.health.succeed(clock[0])
        elif step == "tell":
            exchange(gateway)
        else:
            clock[0] += 0.7
    # From now on it is well again.
    for _ in range(200):
        clock[0] += 1.0
        for gateway in gateways.values():
            exchange(gateway)
            if gateway.health.breaker.allows(clock[0]):
                gateway.health.begin(clock[0])
                gateway.health.succeed(clock[0])
    assert {gateway.state for gateway in gateways.values()} == {"closed"}


def test_who_is_asked_about_is_bounded_and_names_tell_nothing():
    healths = Healths(lambda: 0.0)
    for number in range(MAX_ASKED + 5):
        healths.of(msgspec.structs.replace(DEPLOYMENT, model=f"m-{number}"), RULE)
    asked = Hints(healths, "one").asked()
    assert len(asked) == MAX_ASKED
    assert name_of("p", "http://p", f"m-{MAX_ASKED + 4}") in asked
    assert name_of("p", "http://p", "m-0") not in asked
    assert len({name_of("a", "b", "c"), name_of("ab", "", "c"), name_of("a", "", "bc")}) == 3
    assert len(name_of("p", "http://secret", "m")) == 32
