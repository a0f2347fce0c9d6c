from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.detectors.pattern_views import MOST_FINDINGS, PatternViews, TooMany, build
from gateway.plugin.guard import About

ABOUT = About(direction="request")
OSPREY = r"(?i)project\s+osprey"


def find(text: str, *expressions: str, views: tuple[str, ...] = ("all",)) -> list[tuple[str, str, str]]:
    spec = DetectorSpec(name="code-names", use="pattern", options={"patterns": list(expressions), "views": list(views)})
    return [(f.kind, text[f.start : f.end], f.view) for f in build(spec).find(text, ABOUT)]


@pytest.mark.parametrize(
    ("text", "shown", "view"),
    [
        ("the Project Osprey plan", "Project Osprey", ""),
        ("the Pr\u200boject Оsprey plan", "Pr\u200boject Оsprey", "folded"),
        ("so P r o j e c t   O s p r e y it is", "P r o j e c t   O s p r e y", "spaced"),
        ("so pr0ject 0sprey it is", "pr0ject 0sprey", "leet"),
        ("see project%20osprey now", "project%20osprey", "escapes"),
        ("ask " + base64.b64encode(b"about project osprey").decode(), "", "base64"),
        ("snoitcurtsni: yerpso tcejorp", "yerpso tcejorp", "reversed"),
    ],
)
def test_an_expression_is_found_in_views_and_placed_in_the_text(text: str, shown: str, view: str) -> None:
    (found,) = find(text, OSPREY)
    assert found[0] == "CODE_NAMES"
    assert found[2] == view
    assert found[1] == (shown or text[4:])


def test_several_expressions_have_numbers() -> None:
    assert find("alpha1 beta2", r"alpha\d", r"beta\d") == [
        ("CODE_NAMES_1", "alpha1", ""),
        ("CODE_NAMES_2", "beta2", ""),
    ]


def test_only_the_views_wanted_are_read() -> None:
    text = "pr0ject 0sprey"
    assert find(text, OSPREY, views=("raw", "folded")) == []
    assert find(text, OSPREY, views=("leet",)) == [("CODE_NAMES", text, "leet")]


def test_letters_beyond_ascii_have_their_places() -> None:
    assert find("größe: Straße 12, größe", "(?i)straße \\d{2}", "größe", views=("raw", "folded")) == [
        ("CODE_NAMES_2", "größe", ""),
        ("CODE_NAMES_1", "Straße 12", ""),
        ("CODE_NAMES_2", "größe", ""),
    ]


def test_patterns_that_were_compiled_already_are_taken() -> None:
    spec = DetectorSpec(
        name="words",
        use="pattern",
        patterns=(PatternSpec(name="WORDS", expression="osprey", label="WORDS"),),
        options={"views": ["folded"]},
    )
    (found,) = build(spec).find("ｏｓｐｒｅｙ", ABOUT)
    assert (found.start, found.end) == (0, 6)


def test_a_flood_of_matches_is_no_judgement() -> None:
    detector = PatternViews("x", ["ab"], ["raw"])
    assert len(detector.find("ab " * MOST_FINDINGS, ABOUT)) == MOST_FINDINGS
    with pytest.raises(TooMany):
        detector.find("ab " * (MOST_FINDINGS + 1), ABOUT)
    with pytest.raises(TooMany):
        PatternViews("x", ["ab"], ["raw", "escapes"]).find("&#105;" * 40_000, ABOUT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patterns": ["(?=a)b"], "views": ["folded"]}, "code-names"),
        ({"patterns": ["a"], "views": ["upside_down"]}, "upside_down"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        build(DetectorSpec(name="code-names", use="pattern", options=options))


@given(st.text(alphabet="ab é日\u200b1", max_size=30))
def test_findings_are_where_the_text_is(text: str) -> None:
    detector = PatternViews("x", ["ab{1,3}", "é{1,40}"], ["raw"])
    places = [(finding.start, finding.end) for finding in detector.find(text, ABOUT)]
    for start, end in places:
        assert set(text[start:end]) <= set("abé")
    assert places == sorted(places)
    assert len([1 for at in range(len(text)) if text[at] == "é" and text[at - 1 : at] != "é"]) == sum(
        text[start] == "é" for start, _ in places
    )
