from __future__ import annotations

import asyncio

from gateway.core.errors import StoreUnavailable
from gateway.core.explanation import Explanation
from gateway.core.verdict import CallFacts, Globs, Match, RuleSpec
from gateway.guards.explain import explain
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import does, engine, named
from tests.support.scorers import Room

USERS = Match(role=Globs(include=("user",)))


def explained(room: Room, text: str, *rules: RuleSpec) -> Explanation:
    kinds = (named("inj", "injection", options={"target_fpr": 0.01}),)
    document = {"model": "m", "messages": [{"role": "user", "content": text}]}
    made = engine(*rules, kinds=kinds, scorers=room)
    return asyncio.run(explain(made, CallFacts(), "request", DIALECT, document))


def test_every_score_of_a_model_is_shown_with_its_place_and_time() -> None:
    made = explained(Room(), "some poison, hm", does("r", "inj", "block", match=USERS))
    [model] = made.detectors
    assert (model.name, model.use, model.form, model.error) == ("inj", "injection", "model", "")
    assert model.microseconds > 0
    assert [(f.kind, f.score, f.counted, f.path, f.start) for f in model.findings] == [
        ("injection/model", 0.9, True, "messages[0].content", 5),
        ("injection/model", 0.3, False, "messages[0].content", 13),
    ]
    assert (made.action, made.rule, [rule.fired for rule in made.rules]) == ("block", "r", [True])
    # The rules of the same detector are shown with the text.
    assert [each.form for each in made.segments[0].detectors] == ["text"]


def test_a_rule_that_only_watches_is_explained_too() -> None:
    made = explained(Room(), "some poison", does("r", "inj", "block", match=USERS, mode="audit"))
    assert (made.action, [(rule.fired, rule.acts) for rule in made.rules]) == ("allow", [(True, False)])
    assert [f.counted for f in made.detectors[0].findings] == [True]


def test_a_model_that_cannot_be_asked_says_why() -> None:
    made = explained(Room(error=StoreUnavailable("away")), "hello", does("r", "inj", "block", match=USERS))
    assert [(each.findings, each.error, each.on_error) for each in made.detectors] == [
        ((), "store_unavailable", "block")
    ]
    assert (made.action, made.rule) == ("block", "on_error:inj")
