from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.required_words import WordFinder, chance


def words(expression: str) -> list[set[str]]:
    return [set(each) for each in WordFinder().required(expression)]


@pytest.mark.parametrize(
    ("expression", "sets"),
    [
        ("abc", [{"abc"}]),
        ("ABC.def", [{"abc"}, {"def"}]),
        (r"\bprompts?\b", [{"prompt"}]),
        ("(?:red|green) +(?:car|boat)s", [{"red", "green"}, {"cars", "boats"}]),
        ("gr[ae]y", [{"gray", "grey"}]),
        ("(?:abc|x.*y)", []),
        ("(?:abc|defg.*y)", [{"abc", "defg"}]),
        ("(?:very )?long", [{"long"}]),
        ("(?:optional)?", []),
        ("a.b", []),
        ("(?:word.){2}", [{"word"}]),
        ("[^a]bcd", [{"bcd"}]),
        ("(?=abc)abcd", [{"abcd"}]),
    ],
)
def test_every_match_has_one_of_each(expression: str, sets: list[set[str]]) -> None:
    assert words(expression) == sets


def test_parts_are_put_in() -> None:
    finder = WordFinder({"\ue000": "(?:red|\ue001)", "\ue001": "green"})
    assert [set(each) for each in finder.required("\ue000.[\ue000\ue001]x.\ue001?")] == [
        {"red", "green"},
        {"redx", "greenx"},
    ]


def test_the_rarest_of_an_alternative_stands_for_it() -> None:
    assert words("(?:with.prompt|unfiltered.you)") == [{"prompt", "unfiltered"}]


def test_long_lists_are_cut_rather_than_multiplied() -> None:
    many = "|".join(f"w{letter}{digit}x" for letter in "abcdefghij" for digit in "0123")
    sets = words(f"(?:{many})(?:{many})")
    assert [len(each) for each in sets] == [40, 40]


def test_common_words_tell_little() -> None:
    assert chance(frozenset({"instruction"})) < chance(frozenset({"dog"})) < chance(frozenset({"with"}))
    assert chance(frozenset()) == 1.0


PIECES = st.sampled_from(
    ["ignore", "(?:all|any) ", "[ab]c", "x?", "(?:one|two words)", ".", r"\w+", "(?:abc){1,2}", "-"]
)


@given(st.lists(PIECES, min_size=1, max_size=5), st.data())
def test_no_match_lacks_a_required_word(pieces: list[str], data: st.DataObject) -> None:
    expression = "".join(pieces)
    text = data.draw(st.from_regex(re.compile(expression, re.ASCII), fullmatch=True))
    for each in WordFinder().required(expression):
        assert any(word in text for word in each)


@pytest.mark.parametrize(
    ("expression", "heads"),
    [
        ("abc.*", {"abc"}),
        (r"\b(?:red|green)[^a-z0-9]+car", {"red ", "green "}),
        ("(?:very )?long", {"long", "very long"}),
        ("(?:so.)?long", {"so", "long"}),
        ("(?:ab|abc)d.", {"abd", "abcd"}),
        ("(?:stop|stops).", {"stop"}),
        (".*abc", set()),
        (r"\w?abc", set()),
        ("(?:(?:no.|off ).)?way", {"no", "off ", "way"}),
        ("(?:a.|b){2}", {"a", "b"}),
    ],
)
def test_every_match_begins_with_one_of_the_heads(expression: str, heads: set[str]) -> None:
    assert set(WordFinder().heads(expression)) == heads


@given(st.lists(PIECES, min_size=1, max_size=5), st.data())
def test_no_match_begins_otherwise(pieces: list[str], data: st.DataObject) -> None:
    expression = "".join(pieces)
    text = data.draw(st.from_regex(re.compile(expression, re.ASCII), fullmatch=True))
    heads = WordFinder().heads(expression)
    assert not heads or text.startswith(tuple(head.rstrip(" ") for head in heads))


def test_heads_look_into_parts() -> None:
    finder = WordFinder({"\ue000": "(?:red.|\ue001)", "\ue001": "green"})
    assert set(finder.heads("[\ue000\ue001]x")) == {"red", "green"}
    assert set(finder.heads("\ue000?x")) == {"red", "green", "x"}
