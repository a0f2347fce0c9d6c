"""Costs of an alias' candidates: asked for once in a while, and never believed for long."""

from __future__ import annotations

from math import inf

from gateway.core.exchange import Deployment
from gateway.routing.costs import BELIEVED_S, MAX_MODELS, Costs


def test_prices_are_asked_for_once_and_anew_when_they_may_have_changed():
    asked, price = list[str](), {"a": 3, "b": None}

    def prices(deployment: Deployment, model: str) -> int | None:
        asked.append(f"{deployment.provider}/{model}")
        return price[deployment.provider]

    candidates = tuple(
        Deployment(provider=name, kind="openai", model="", base_url=f"http://{name}", credential=b"") for name in "ab"
    )
    costs = Costs(candidates, prices)
    assert [costs.of("m", 5.0), costs.of("m", 5.0 + 0.9 * BELIEVED_S)] == [[3, inf]] * 2
    assert costs.of("n", 5.0) == [3, inf]
    assert asked == ["a/m", "b/m", "a/n", "b/n"]
    price["a"] = 4
    assert costs.of("m", 5.0 + BELIEVED_S) == [4, inf]
    # Names that clients think of are forgotten.
    for number in range(3 * MAX_MODELS):
        costs.of(f"model-{number}", 6.0)
    assert len(costs._known) <= MAX_MODELS


def test_without_prices_nobody_is_cheap():
    one = Deployment(provider="a", kind="openai", model="m", base_url="http://a", credential=b"")
    assert Costs((one, one), None).of("m", 0.0) == [inf, inf]
