"""One document: what is looked at, what is left out of account, and how edits meet."""

from __future__ import annotations

from typing import Any

from gateway.core.segments import Segment
from gateway.core.verdict import Step
from gateway.guards.document import DocumentScreen, Opinions, Scope
from gateway.guards.runner import matched
from gateway.guards.vault import Masks
from gateway.plugin.guard import Finding, Subject
from tests.guards.handmade import does, engine
from tests.guards.test_plan import FACTS

DOCUMENT = {"a": "an osprey", "b": "poison", "c": '{"x":"poison ivy"}'}
SEGMENTS = (
    Segment(("a",), "user", "text", "an osprey"),
    Segment(("b",), "user", "text", "poison"),
    Segment(("c",), "user", "tool_argument", '{"x":"poison ivy"}', encoded=True),
)
SUBJECT = Subject(direction="request", dialect="d", document=DOCUMENT, segments=SEGMENTS)


def screen(*rules: Any, opinions: Opinions | None = None, scope: Scope = Scope.ALL, masks: Masks | None = None) -> Any:
    made = engine(*rules).plan(FACTS)
    return DocumentScreen(made.request, SUBJECT, masks, opinions).screen(scope)


def opinions(*rules: Any) -> Opinions:
    holder = engine(*rules).kit.askers["oracle"].holder
    places = {1: (0, 6), 2: (6, 12)}
    return Opinions(
        found={
            "oracle": {
                number: matched(holder, [Finding(kind="poison", start=start, end=end)], 30)
                for number, (start, end) in places.items()
            }
        }
    )


def test_rules_over_the_whole_alone_leave_the_texts_to_others() -> None:
    rules = (does("b", "birds", "redact"), does("o", "oracle", "redact"))
    screened, paths = screen(*rules, opinions=opinions(*rules), scope=Scope.WHOLE)
    assert screened.document == {"a": "an osprey", "b": "[poison]", "c": '{"x":"[poison] ivy"}'}
    assert paths == {("b",), ("c",)}
    assert {event.rule for event in screened.events} == {"o"}


def test_edits_of_texts_and_of_the_whole_meet_and_the_strongest_wins() -> None:
    rules = (does("o", "oracle", Step(action="rewrite", rewrite="remove")), does("p", "oracle|birds", "redact"))
    screened, _ = screen(*rules, opinions=opinions(*rules))
    assert screened.document == {"a": "an [BIRD]", "b": "[poison]", "c": '{"x":"[poison] ivy"}'}


def test_a_blocked_document_is_not_edited_and_masks_nothing() -> None:
    masks = Masks()
    screened, paths = screen(does("m", "birds", "mask"), does("o", "birds", "block"), masks=masks)
    assert screened.document is DOCUMENT
    assert (screened.edited, paths, masks.values) == (False, set(), {})


def test_what_could_not_be_judged_outside_is_not_covered() -> None:
    screened, _ = screen(does("o", "oracle", "annotate"), opinions=Opinions(failed={"oracle": "timeout"}))
    assert (screened.coverage, screened.rule) == (0.0, "on_error:oracle")


def test_an_unasked_detector_says_nothing() -> None:
    screened, _ = screen(does("o", "oracle", "block"))
    assert (screened.action, screened.events) == ("allow", [])


def screen_one(segment: Segment, document: Any, *rules: Any) -> Any:
    subject = Subject(direction="request", dialect="d", document=document, segments=(segment,))
    return DocumentScreen(engine(*rules).plan(FACTS).request, subject, None, None).screen(Scope.ALL)


def test_json_that_stands_in_the_document_itself_is_put_back_as_json() -> None:
    document = {"input": {"say": "an osprey", "n": 1.5}}
    segment = Segment(
        ("input",), "assistant", "tool_argument", '{"say":"an osprey","n":1.5}', encoded=True, inline=True
    )
    screened, paths = screen_one(segment, document, does("b", "birds", "redact"))
    assert screened.document == {"input": {"say": "an [BIRD]", "n": 1.5}}
    assert paths == {("input",)}


def test_sealed_text_is_turned_back_and_never_edited() -> None:
    document = {"a": "an osprey"}
    segment = Segment(("a",), "assistant", "reasoning", "an osprey", sealed=True)
    screened, paths = screen_one(segment, document, does("b", "birds", "redact"))
    assert (screened.action, screened.rule, screened.document, paths) == ("block", "b", document, set())
    assert screen_one(segment, document, does("b", "birds", "annotate"))[0].rule == ""


def test_sealed_text_names_the_rule_over_the_whole_that_would_edit_it() -> None:
    rules = (does("a", "birds", "annotate"), does("o", "oracle", "redact"))
    segment = Segment(("b",), "assistant", "reasoning", "the poison", sealed=True)
    subject = Subject(direction="request", dialect="d", document={"b": "the poison"}, segments=(segment,))
    holder = engine(*rules).kit.askers["oracle"].holder
    said = Opinions(found={"oracle": {0: matched(holder, [Finding(kind="poison", start=4, end=10)], 30)}})
    screened, _ = DocumentScreen(engine(*rules).plan(FACTS).request, subject, None, said).screen(Scope.ALL)
    assert screened.rule == "o"
