from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import Globs, Match
from gateway.policy.expression import parse_when
from gateway.policy.relations import can_hold, covers, globs_meet, implies, impossible, meet

TEXTS = ["".join(chars) for length in range(5) for chars in itertools.product("ab", repeat=length)]
GLOBS = st.text(st.sampled_from("ab*?"), max_size=3)
SETS = st.builds(Globs, include=st.lists(GLOBS, max_size=2).map(tuple), exclude=st.lists(GLOBS, max_size=2).map(tuple))


def takes(globs: Globs, text: str) -> bool:
    included = not globs.include or any(fnmatchcase(text, glob) for glob in globs.include)
    return included and not any(fnmatchcase(text, glob) for glob in globs.exclude)


@given(GLOBS, GLOBS)
def test_globs_meet_where_a_text_matches_both(one: str, other: str):
    both = any(fnmatchcase(text, one) and fnmatchcase(text, other) for text in TEXTS)
    assert globs_meet(one, other) is both


@given(SETS, SETS)
def test_what_covers_takes_everything_that_the_other_takes(wide: Globs, narrow: Globs):
    if covers(Match(team=wide), Match(team=narrow)):
        assert all(takes(wide, text) for text in TEXTS if takes(narrow, text))


@given(SETS, SETS)
def test_what_does_not_meet_has_no_text_in_common(one: Globs, other: Globs):
    if not meet(Match(team=one), Match(team=other)):
        assert not any(takes(one, text) and takes(other, text) for text in TEXTS)


@given(SETS)
def test_what_is_impossible_takes_nothing(globs: Globs):
    if impossible(Match(team=globs)):
        assert not any(takes(globs, text) for text in TEXTS)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (Match(), Match(direction=("request",), team=Globs(include=("a",))), True),
        (Match(direction=("request",)), Match(), False),
        (Match(route=Globs(include=("/v1/*",))), Match(route=Globs(include=("/v1/chat/*",))), True),
        (Match(route=Globs(include=("/v1/?",))), Match(route=Globs(include=("/v1/*",))), False),
        (Match(stream=True), Match(stream=True), True),
        (Match(stream=True), Match(), False),
        (Match(tag=Globs(include=("a=1",))), Match(tag=Globs(include=("a=1",))), True),
        (Match(tag=Globs(include=("a=*",))), Match(tag=Globs(include=("a=1",))), False),
        (Match(model=Globs(exclude=("private-*",))), Match(model=Globs(include=("gpt",))), True),
        (Match(model=Globs(exclude=("private-*",))), Match(model=Globs(include=("p*",))), False),
    ],
)
def test_covering(wide: Match, narrow: Match, covered: bool):
    assert covers(wide, narrow) is covered


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (Match(direction=("request",)), Match(direction=("response",)), False),
        (Match(tainted=True), Match(tainted=False), False),
        (Match(tainted=True), Match(), True),
        (Match(team=Globs(include=("a",))), Match(team=Globs(exclude=("a",))), False),
        (Match(team=Globs(include=("a", "b"))), Match(team=Globs(exclude=("a",))), True),
    ],
)
def test_meeting(one: Match, other: Match, together: bool):
    assert meet(one, other) is meet(other, one) is together


def test_an_answer_is_the_assistant_s():
    assert impossible(Match(direction=("response",), role=Globs(include=("user", "tool"))))
    assert not impossible(Match(direction=("response",), role=Globs(include=("user", "assistant"))))
    assert impossible(Match(team=Globs(include=("a",), exclude=("a*",)))) == "team excludes everything that it names"


@pytest.mark.parametrize(
    ("strong", "weak", "implied"),
    [
        ("a", "a", True),
        ("a", "a or b", True),
        ("a or b", "a", False),
        ("a and b", "a", True),
        ("a and not b", "a or b", True),
        ("a", "not b", False),
        ("a and not a", "b", True),
        (" and ".join("abcdefghijklmnop"), "a", False),
    ],
)
def test_implying(strong: str, weak: str, implied: bool):
    assert implies(parse_when(strong), parse_when(weak)) is implied


def test_what_contradicts_itself_cannot_hold():
    assert not can_hold(parse_when("a and not a"))
    assert not can_hold(parse_when("(a or b) and not a and not b"))
    assert can_hold(parse_when("not a"))
    assert can_hold(parse_when(" and ".join("abcdefghijklmnop")))
