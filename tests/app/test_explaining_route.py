"""Where a request would go, told without calling anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import orjson
import pytest

from gateway.app.explaining import NothingToExplain
from gateway.app.explaining_route import KEPT, RouteShown, explain_route, question
from gateway.app.policies import build_engine
from gateway.app.route_simulation import PICKS
from gateway.core.errors import GatewayError, MalformedRequest, ModelNotFound
from gateway.core.exchange import ContinueRule, Deployment, MirrorRule, OutlierRule, QueueRule, RoutePolicy
from gateway.core.route_rules import Between, RouteMatch, Split
from gateway.core.verdict import CallFacts
from gateway.policy.load import bundle_of
from gateway.routing.table import RouteEntry, Router

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  words: {use: pattern, patterns: [osprey]}
  far: {use: pattern, patterns: [heron]}
  odd: {use: pattern, patterns: [egret]}
rules:
  - {id: away, match: {direction: request}, when: words, do: {route: pool}, mode: enforce}
  - {id: home, match: {direction: request, provider: b}, when: far, do: block, mode: enforce}
  - {id: odd, match: {direction: request}, when: odd, do: {score: 3}, mode: enforce}
"""
ANYBODY = CallFacts()
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
A = Deployment(provider="a", kind="openai", model="one", base_url="http://a", credential=b"")
B = Deployment(provider="b", kind="openai", model="two", base_url="http://b", credential=b"")
C = Deployment(provider="c", kind="anthropic", model="three", base_url="http://c", credential=b"")


def entry(
    deployment: Deployment, alias: str = "m", weight: int = 1, *, fallback: bool = False, **more: Any
) -> RouteEntry:
    return RouteEntry(alias=alias, deployment=deployment, weight=weight, fallback=fallback, **more)


def explained(
    *entries: RouteEntry,
    document: dict[str, Any] = CHAT,
    under_way: int = 1,
    who: CallFacts = ANYBODY,
    **policy: Any,
) -> RouteShown:
    async def run() -> RouteShown:
        policies = {"m": RoutePolicy(**policy)} if policy else {}
        engine = build_engine(bundle_of([("n.yaml", POLICY)]), "n.yaml")
        try:
            asked = question(orjson.dumps(document), "", who, under_way)
            router = Router(entries, {"a": A}, policies, {"m": C} if "mirror" in policy else None)
            return await explain_route(router, engine, lambda each, _: 7 if each.provider == "a" else None, asked)
        finally:
            await engine.close()

    return asyncio.run(run())


def test_who_gets_copies_is_told_with_what_is_left_out_and_why_not():
    shown = explained(entry(A), mirror=MirrorRule(sample=0.25)).mirror
    assert shown is not None
    assert (shown.provider, shown.model, shown.speaks, shown.why) == ("c", "three", "anthropic_messages", "")
    assert (shown.rule.sample, shown.action, shown.blocks) == (0.25, "allow", "")
    large = explained(entry(A), mirror=MirrorRule(max_body_bytes=10)).mirror
    assert large is not None
    assert large.why == "it is too large"
    acts = explained(entry(A), document={**CHAT, "tools": [{"type": "mcp"}]}, mirror=MirrorRule()).mirror
    assert acts is not None
    assert acts.why
    assert explained(entry(A), retries=1).mirror is None


def shares(shown: RouteShown) -> dict[str, float]:
    return {each.provider: each.share for each in shown.candidates}


def test_weights_are_shares_and_a_failing_call_goes_round():
    shown = explained(entry(A, weight=3), entry(B), entry(C, fallback=True), strategy="weighted", retries=3)
    assert shares(shown) == {"a": 0.75, "b": 0.25, "c": 0.0}
    assert shown.tries == (("a/one", "first"), ("b/two", "fallback"), ("c/three", "fallback"), ("a/one", "retry"))
    assert [(each.role, each.speaks, each.usual_cost_nanousd) for each in shown.candidates] == [
        ("candidate", "openai_chat", 7),
        ("candidate", "openai_chat", None),
        ("fallback", "anthropic_messages", None),
    ]
    assert (shown.alias, shown.strategy, shown.turned_away, shown.served) == ("m", "weighted", 0.0, True)


def test_names_that_come_of_globs_are_shown():
    star = msgspec.structs.replace(B, model="big-{star}")
    shown = explained(entry(star, alias="gpt-*"), document=CHAT | {"model": "gpt-4o"})
    assert (shown.alias, [each.model for each in shown.candidates]) == ("gpt-*", ["big-4o"])


def test_who_cannot_carry_a_field_says_which_and_gets_no_call():
    biased = CHAT | {"logit_bias": {"5": 1}}
    shown = explained(entry(C, weight=9), entry(A), document=biased, strategy="weighted", retries=1)
    assert shares(shown) == {"c": 0.0, "a": 1.0}
    assert [each.can for each in shown.candidates] == [False, True]
    assert "logit_bias" in shown.candidates[0].why
    assert shown.tries == (("a/one", "first"), ("a/one", "retry"))
    lenient = msgspec.structs.replace(C, on_unsupported="drop")
    (only,) = explained(entry(lenient), document=biased, strategy="weighted").candidates
    assert (only.can, only.dropped, only.share) == (True, ("logit_bias",), 1.0)


def test_where_nobody_can_carry_it_nobody_gets_it():
    shown = explained(entry(C), document=CHAT | {"logit_bias": {"5": 1}}, strategy="weighted")
    assert (shown.served, shown.tries, shown.turned_away) == (False, (), 1.0)


def test_one_that_is_full_is_passed_over_and_calls_beyond_all_limits_are_turned_away():
    small = msgspec.structs.replace(A, max_concurrency=1)
    shown = explained(entry(small, weight=9), entry(B), under_way=4, strategy="weighted")
    assert shown.candidates[0].full > 0.5
    assert shares(shown)["b"] > 0.6
    alone = explained(entry(small), under_way=4, strategy="weighted")
    assert alone.turned_away == (PICKS - 1) / PICKS
    assert explained(entry(small), under_way=1, strategy="weighted").turned_away == 0.0
    assert (shown.queue, alone.queue) == (QueueRule(), QueueRule())
    assert explained(entry(A), entry(B), strategy="weighted").queue is None


def test_it_is_told_whether_a_stream_would_go_on_when_it_is_cut():
    rule = ContinueRule(times=3)
    streamed = CHAT | {"stream": True}
    assert explained(entry(A), document=streamed, continues=rule).continues == rule
    assert explained(entry(A), document=CHAT, continues=rule).continues is None
    assert explained(entry(A), document=streamed | {"n": 2}, continues=rule).continues is None
    assert explained(entry(A), document=streamed, retries=1).continues is None


def test_outliers_are_told_of_where_one_may_be_left_alone():
    assert explained(entry(A), entry(B), strategy="weighted").outlier == OutlierRule()
    assert explained(entry(A), strategy="weighted").outlier is None


def test_without_a_policy_the_first_serves_every_call():
    shown = explained(entry(A), entry(B))
    assert (shares(shown), shown.strategy, shown.tries) == ({"a": 1.0, "b": 0.0}, "", (("a/one", "first"),))
    assert (shown.retries, shown.breaker) == (0, None)


@pytest.mark.parametrize("strategy", ["least_busy", "lowest_ttft", "lowest_tpot", "random", "round_robin"])
def test_strategies_that_know_nothing_yet_spread_calls(strategy: str):
    shown = explained(entry(A), entry(B), under_way=8, strategy=strategy)
    assert all(0.3 < share < 0.7 for share in shares(shown).values())


def test_the_cheapest_that_fits_has_it_and_who_is_too_small_says_why():
    small = msgspec.structs.replace(A, context_window=4000)
    long = CHAT | {"messages": [{"role": "user", "content": "word " * 4000}], "max_tokens": 100}
    shown = explained(entry(small), entry(B), document=long, strategy="lowest_cost")
    assert shares(shown) == {"a": 0.0, "b": 1.0}
    assert [(each.can, each.context_window) for each in shown.candidates] == [(False, 4000), (True, 0)]
    assert shown.candidates[0].why == "not for it: too long: some 5104 tokens with the answer, 4000 of context"
    assert shares(explained(entry(small), entry(B), strategy="lowest_cost")) == {"a": 1.0, "b": 0.0}


def test_the_cheapest_and_the_faithful_have_it_all():
    assert shares(explained(entry(B), entry(A), strategy="lowest_cost")) == {"b": 0.0, "a": 1.0}
    # All its calls have one prefix, so its home has as many of them as affinity lets one have.
    least, most = sorted(shares(explained(entry(B), entry(A), strategy="prefix_affinity")).values())
    assert 0.5 < most < 0.75
    assert least + most == 1.0


def test_a_rule_that_sends_a_call_elsewhere_is_followed():
    told = CHAT | {"messages": [{"role": "user", "content": "an osprey"}]}
    shown = explained(entry(A), entry(B, alias="pool"), document=told)
    assert (shown.sent_to, shown.alias, shares(shown)) == ("pool", "pool", {"b": 1.0})


def test_what_rules_do_depends_on_the_provider():
    told = CHAT | {"messages": [{"role": "user", "content": "a heron"}]}
    shown = explained(entry(A), entry(B), document=told, strategy="weighted")
    assert [(each.action, each.rule) for each in shown.candidates] == [("allow", ""), ("block", "home")]
    assert shown.served
    assert not explained(entry(B), document=told, strategy="weighted").served


def test_an_answer_that_is_kept_decides_who_gets_what_follows():
    follows = {"model": "m", "input": "x", "previous_response_id": "resp_1"}
    assert KEPT in explained(entry(A), document=follows).notes
    assert KEPT not in explained(entry(A)).notes


def test_conditions_say_who_a_request_is_for():
    small = entry(A, when=(RouteMatch(input_tokens=Between(most=100)),))
    shown = explained(small, entry(B), strategy="when-rules", retries=1)
    assert (shares(shown), shown.facts) == ({"a": 1.0, "b": 0.0}, {"input_tokens": 5})
    assert shown.tries == (("a/one", "first"), ("b/two", "fallback"))
    long = CHAT | {"messages": [{"role": "user", "content": "hello " * 100}]}
    shown = explained(small, entry(B), strategy="when-rules", document=long)
    assert (shares(shown), shown.candidates[0].why) == ({"a": 0.0, "b": 1.0}, "not for it: input_tokens")
    assert not explained(small, strategy="when-rules", document=long).served


def test_conditions_may_ask_what_rules_make_of_it():
    risky = entry(B, when=(RouteMatch(score=Between(least=3)),))
    told = CHAT | {"messages": [{"role": "user", "content": "an egret"}]}
    assert shares(explained(risky, entry(A), strategy="when-rules")) == {"b": 0.0, "a": 1.0}
    shown = explained(risky, entry(A), strategy="when-rules", document=told)
    assert (shares(shown), shown.facts) == ({"b": 1.0, "a": 0.0}, {"score": 3.0})


def test_a_caller_has_its_arm_and_nobody_has_one_by_chance():
    arms = (entry(A, arm="old"), entry(B, arm="new"))
    split = Split(name="x", arms=(("old", 0.5), ("new", 0.5)))
    for key in ("k1", "k2", "k3", "k4"):
        shown = explained(*arms, split=split, who=CallFacts(key=key))
        assert (shown.split, max(shares(shown).values())) == ("x", 1.0)
        assert shares(shown)["a" if shown.arm == "old" else "b"] == 1.0
    shown = explained(*arms, split=split)
    assert shown.arm == ""
    assert all(0.4 < share < 0.6 for share in shares(shown).values())
    assert [each.arm for each in shown.candidates] == ["old", "new"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"nothing", NothingToExplain),
        (b'{"choices": []}', NothingToExplain),
        (b'{"contents": []}', NothingToExplain),
        (b'{"question": 1}', NothingToExplain),
        (b'{"messages": 1, "model": 2}', MalformedRequest),
    ],
)
def test_what_is_no_request_is_told(body: bytes, error: type[Exception]):
    with pytest.raises(error):
        question(body, "", CallFacts())


def test_a_path_says_the_dialect_and_the_model():
    asked = question(b'{"contents": []}', "/v1beta/models/m:streamGenerateContent?alt=sse", CallFacts())
    assert (asked.dialect.name, asked.request.model, asked.request.stream) == ("gemini", "m", True)
    with pytest.raises(GatewayError):
        question(b"{}", "/nowhere", CallFacts())


def test_a_model_that_nobody_serves_is_an_error():
    with pytest.raises(ModelNotFound):
        explained(entry(A, alias="other"))
