"""What a thousand calls with one request come to, without making one."""

from __future__ import annotations

from typing import Any

from gateway.app.route_simulation import PICKS, Simulation
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy
from gateway.core.route_rules import RouteMatch, Split
from gateway.routing.chooser import NOBODY
from tests.test_request_facts import facts

PLAN = RoutePlan(
    alias="m",
    candidates=tuple(
        Deployment(provider=name, kind="openai", model="m", base_url=f"http://{name}", credential=b"") for name in "abc"
    ),
    weights=(2, 1, 1),
    main=3,
    policy=RoutePolicy(retries=3),
)
CHAT = facts("/v1/chat/completions", {"model": "m", "messages": [], "user": "u"})


def simulated(plan: RoutePlan = PLAN, unfit: tuple[int, ...] = (), under_way: int = 1) -> Simulation:
    return Simulation(plan, unfit, lambda _deployment, _model: None, NOBODY, CHAT, under_way)


def changed(**more: Any) -> RoutePlan:
    fields = {name: getattr(PLAN, name) for name in RoutePlan.__struct_fields__}
    return RoutePlan(**fields | more)


def test_every_call_is_counted_once_and_one_that_cannot_carry_it_gets_none() -> None:
    assert dict(simulated().chosen) == {0: 500, 1: 250, 2: 250}
    run = simulated(unfit=(0,))
    assert (run.chosen.total(), run.chosen[0], run.first) == (PICKS, 0, 1)
    assert run.tries == (("b/m", "first"), ("c/m", "fallback"), ("b/m", "retry"), ("b/m", "retry"))


def test_conditions_and_arms_leave_candidates_out() -> None:
    run = simulated(changed(whens=((RouteMatch(stream=True),), (), ())))
    assert (run.chosen[0], run.fit.whys, run.asks_verdict) == (0, {0: "stream"}, False)
    split = Split(name="x", arms=(("one", 0.5), ("two", 0.5)), sticky_by="user")
    run = simulated(changed(arms=("one", "two", "two"), policy=RoutePolicy(split=split)))
    assert run.keeps_arm
    assert run.chosen[0] == (PICKS if run.fit.arm == "one" else 0)


def test_without_a_policy_the_first_gets_everything() -> None:
    run = simulated(changed(policy=None))
    assert (dict(run.chosen), run.tries) == ({0: PICKS}, (("a/m", "first"),))
    assert simulated(changed(policy=None), unfit=(0,)).first is None
