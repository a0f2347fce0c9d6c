from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Blocked
from gateway.core.verdict import CallFacts, Exclusion, Match, RuleSpec
from gateway.guards.clause_judge import ClauseJudge, Spoken
from gateway.guards.clauses import clauses
from gateway.guards.stream import StreamScreen
from tests.guards.handmade import BIRDS, does, engine, named
from tests.support.scorers import Room

ANSWERS = Match(direction=("response",))
TEXT = "Nothing to see in here at all. There is poison in the second. And the third is fine again. "


def judged(text: str, *rules: RuleSpec, room: Room | None = None, **spec: Any) -> tuple[StreamScreen, Room]:
    room = room or Room()
    kinds = (named("inj", "injection", options={"target_fpr": 0.01}, **spec), BIRDS)
    plan = engine(*rules, kinds=kinds, scorers=room).plan(CallFacts(stream=True))
    assert plan.clauses is not None
    kind = plan.clauses.of((0, "text"))
    assert kind is not None
    screen = plan.stream_screen()
    judge = ClauseJudge(plan.clauses, screen)

    async def run() -> None:
        batch = [Spoken(kind, "choices[0].text", clause) for clause in clauses(text)]
        answers = await judge.ask(batch)
        for spoken in batch:
            judge.conclude(spoken, answers)

    asyncio.run(run())
    return screen, room


def test_clauses_are_asked_about_together_and_hits_count_where_they_are() -> None:
    screen, room = judged(TEXT, does("r", "inj", "annotate", match=ANSWERS))
    assert len(room("injection").asked) == 1
    # The third clause is judged with the second before it, and is not at fault.
    assert [(each.rule, each.start) for each in screen.events] == [("r", TEXT.index("poison"))]


def test_what_a_clause_says_with_the_one_before_it_is_found() -> None:
    text = "This is the end of one clause, po. ison begins the other one here. "
    room = Room()
    room("injection").words["po. ison"] = ("injection", 0.9)
    screen, _ = judged(text, does("r", "inj", "annotate", match=ANSWERS), room=room)
    assert [each.start for each in screen.events] == [text.index("po. ")]


def test_patterns_beside_a_model_speak_for_the_same_rule() -> None:
    screen, _ = judged("An osprey flies over the house. ", does("r", "inj|birds", "annotate", match=ANSWERS))
    assert [each.detector for each in screen.events] == ["birds/OSPREY"]


def test_exclusions_hold() -> None:
    excluded = Exclusion(id="x", match=Match(), detector="inj")
    screen, _ = judged(TEXT, does("r", "inj", "block", match=ANSWERS, exclusions=(excluded,)))
    assert screen.events == []


def test_the_first_clause_at_fault_ends_the_stream() -> None:
    with pytest.raises(Blocked) as raised:
        judged(TEXT, does("r", "inj", "block", match=ANSWERS))
    assert raised.value.rule == "r"


def test_texts_that_are_too_long_for_rules_of_their_own_are_judged_by_the_model() -> None:
    screen, _ = judged("\u200b".join("a harmless one ") * 3, does("r", "inj", "annotate", match=ANSWERS))
    assert screen.rule == ""
