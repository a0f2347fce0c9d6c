"""Candidates, fallbacks and policies of aliases, in order and with their defaults."""

from __future__ import annotations

from typing import Any

from gateway.config.routes import fallback_candidates, mirror_entries, model_entries, route_policies
from gateway.config.routing import ModelSpec
from gateway.core.exchange import (
    CAUSES,
    ContinueRule,
    HedgeRule,
    MirrorRule,
    OutlierRule,
    ProbeRule,
    QueueRule,
    RoutePolicy,
    Timeouts,
)
from gateway.core.route_rules import RouteMatch, Split

PROVIDERS = ("a", "b", "c")


def spec(**fields: Any) -> ModelSpec:
    return ModelSpec.model_validate({"alias": "m", "candidates": [{"provider": "a"}], **fields})


def test_fallbacks_follow_the_candidates():
    both = [{"provider": "a", "weight": 3}, {"provider": "b", "model": "x", "concurrency": 2, "context_window": 9}]
    entries = list(model_entries(spec(candidates=both, fallback=["c/y/z"]), PROVIDERS, {}))
    assert [each.context_window for each in entries] == [0, 9, 0]
    assert [(each.provider, each.model, each.weight, each.max_concurrency, each.fallback) for each in entries] == [
        ("a", "{model}", 3, 0, False),
        ("b", "x", 1, 2, False),
        ("c", "y/z", 1, 0, True),
    ]


def test_a_fallback_may_be_an_alias_whose_name_its_candidates_get():
    other = spec(alias="cheap", candidates=[{"provider": "b"}, {"provider": "c", "model": "small"}])
    found = fallback_candidates("cheap", PROVIDERS, {"cheap": other})
    assert [(each.provider, each.model) for each in found] == [("b", "cheap"), ("c", "small")]
    assert fallback_candidates("nobody/m", PROVIDERS, {}) == ()
    assert fallback_candidates("a/", PROVIDERS, {}) == ()


def test_an_alias_about_which_nothing_is_said_has_no_policy():
    assert route_policies([spec()]) == {}
    assert route_policies([spec(strategy="weighted")]) == {}


def test_policies_have_defaults():
    two = spec(candidates=[{"provider": "a"}, {"provider": "b"}])
    assert route_policies([two]) == {"m": RoutePolicy(strategy="weighted", retries=2, retry_on=frozenset(CAUSES))}
    told = spec(retry={"attempts": 1, "on": ["connect", 429]}, breaker={"consecutive": 7, "open": "1s"})
    policy = route_policies([told])["m"]
    assert (policy.retries, policy.retry_on) == (1, {"connect", "429"})
    assert (policy.breaker.consecutive, policy.breaker.open_s, policy.breaker.share) == (7, 1.0, 0.5)


def test_streams_are_gone_on_with_where_that_is_said():
    assert route_policies([spec(**{"continue": False})]) == {}
    assert route_policies([spec(**{"continue": True})])["m"].continues == ContinueRule()
    told = route_policies([spec(**{"continue": {"times": 5, "by": "prefill"}})])["m"]
    assert told.continues == ContinueRule(times=5, by="prefill")
    assert route_policies([spec(retry={"attempts": 1})])["m"].continues is None


def test_queues_and_outliers_come_with_what_is_said_of_them():
    told = spec(
        queue={"length": 3, "wait": "2s", "by": "team"},
        outlier={"below": "30%", "min_calls": 5, "window": "1m", "eject": "9s", "max_eject": "1m", "most": "0%"},
    )
    policy = route_policies([told])["m"]
    assert policy.queue == QueueRule(length=3, wait_s=2.0, by="team")
    assert policy.outlier == OutlierRule(below=0.3, min_calls=5, window_s=60.0, eject_s=9.0, max_eject_s=60.0, most=0.0)


def test_conditions_and_arms_go_with_their_candidates():
    told = spec(
        candidates=[{"provider": "a", "arm": "x", "when": {"stream": True}}, {"provider": "b", "arm": "y"}],
        split={"arms": {"x": "90%", "y": "10%"}, "sticky_by": "session"},
        fallback=["c/z"],
    )
    entries = list(model_entries(told, PROVIDERS, {}))
    assert [each.arm for each in entries] == ["x", "y", ""]
    assert [each.when for each in entries] == [(RouteMatch(stream=True),), (), ()]
    split = route_policies([told])["m"].split
    assert split == Split(name="m", arms=(("x", 0.9), ("y", 0.1)), sticky_by="session")


def test_a_canary_is_a_split_in_two_and_comes_last():
    told = spec(candidates=[{"provider": "b", "canary": "5%"}, {"provider": "a"}])
    assert [each.arm for each in model_entries(told, PROVIDERS, {})] == ["canary", "stable"]
    assert route_policies([told])["m"].split == Split(name="m", arms=(("stable", 0.95), ("canary", 0.05)))


def test_one_candidate_with_a_condition_has_a_policy():
    assert "m" in route_policies([spec(candidates=[{"provider": "a", "when": {"stream": True}}])])


def test_what_steps_in_for_another_alias_has_its_conditions_but_no_arm():
    both = [{"provider": "b", "when": {"team": "x"}}, {"provider": "c", "canary": "5%"}]
    entries = list(model_entries(spec(fallback=["cheap"]), PROVIDERS, {"cheap": spec(alias="cheap", candidates=both)}))
    assert [(each.fallback, each.arm, bool(each.when)) for each in entries] == [
        (False, "", False),
        (True, "", True),
        (True, "", False),
    ]


def test_probes_are_asked_for_and_else_there_are_none():
    one = spec(probe={"every": "1m", "max_cost_usd_per_day": 0.25, "max_tokens": 1, "max_unpriced_per_day": 7})
    assert route_policies([one])["m"].probe == ProbeRule(
        every_s=60.0, timeout_s=10.0, max_tokens=1, max_nanousd_per_day=250_000_000, max_unpriced_per_day=7
    )
    assert route_policies([spec(probe={})])["m"].probe == ProbeRule()
    assert route_policies([spec(retry={})])["m"].probe is None


def test_a_second_deployment_is_asked_after_a_while_or_a_share_of_all():
    both = [{"provider": "a"}, {"provider": "b"}]
    usual = route_policies([spec(candidates=both, hedge={})])["m"].hedge
    assert usual == HedgeRule(quantile=0.95, max_extra_cost=0.1)
    told = spec(candidates=both, hedge={"after": "800ms", "max_extra_cost": "25%"})
    assert route_policies([told])["m"].hedge == HedgeRule(after_s=0.8, quantile=0.0, max_extra_cost=0.25)
    assert route_policies([spec(candidates=both)])["m"].hedge is None


def test_a_mirror_is_no_candidate_and_waits_no_longer_than_it_may():
    told = spec(
        mirror={
            "to": "b/x/y",
            "sample": "5%",
            "timeout": "20s",
            "concurrency": 2,
            "queue": 3,
            "max_body_bytes": "1KiB",
        },
        timeouts={"connect": "2s", "first_token": "30s"},
        on_unsupported="drop",
    )
    assert [each.provider for each in model_entries(told, PROVIDERS, {})] == ["a"]
    (entry,) = mirror_entries([spec(), told])
    assert (entry.alias, entry.provider, entry.model, entry.on_unsupported) == ("m", "b", "x/y", "drop")
    assert entry.timeouts == Timeouts(connect_s=2.0, first_token_s=20.0, idle_s=20.0, total_s=20.0)
    rule = route_policies([told])["m"].mirror
    assert rule == MirrorRule(sample=0.05, timeout_s=20.0, concurrency=2, queue=3, max_body_bytes=1024)
    assert route_policies([spec(mirror={"to": "b/x"})])["m"].mirror == MirrorRule()
    assert route_policies([spec(retry={})])["m"].mirror is None
