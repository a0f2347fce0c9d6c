from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pattern_width import EVERY, OTHER, PatternRefused, Shape, bound_gaps, longest_match, shape


def holds(mask: int, char: str) -> bool:
    return bool(mask >> min(ord(char), 128) & 1)


@pytest.mark.parametrize(
    ("expression", "longest"),
    [
        ("abc", 3),
        ("AKIA[A-Z0-9]{16}", 20),
        (r"(?i)project\s+osprey", 7 + 32 + 6),
        (r"a\b|b", 1),
        (r"(?m)^ab$", 2),
        (r"(?:ab|c[de])x{2,3}", 5),
        ("straße", 6),
    ],
)
def test_longest_match_counts_code_points(expression: str, longest: int) -> None:
    assert longest_match(expression) == longest


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("a*b", "longest length"),
        ("a+", "longest length"),
        (".+", "longest length"),
        ("a{3,}", "longest length"),
        ("a{2000}", "at most"),
        ("a?", "empty"),
        ("^a", "anchors"),
        ("a$", "anchors"),
        (r"\Aa", "anchors"),
        ("(?m)a\\Z", "anchors"),
        ("[[:alpha:]]a", "not supported"),
        ("a{,5}", "not supported"),
        (r"\v", "not supported"),
        (r"\x{41}", "not supported"),
        (r"(a)\1", "groupref"),
        ("(?=a)b", "assert"),
        ("(?>a)b", "atomic"),
        ("a{1,3}+b", "possessive"),
        ("(", "cannot be read"),
        (r"\Qa\E", "cannot be read"),
        ("[[]a", "character class"),
        ("(" * 3000 + "a" + ")" * 3000, "longer than"),
        ("a{99999999999999999999}", "too"),
    ],
)
def test_what_cannot_run_on_a_stream_is_refused_with_its_reason(expression: str, reason: str) -> None:
    with pytest.raises(PatternRefused, match=re.escape(reason)):
        shape(expression)
    assert longest_match(expression) is None


@pytest.mark.parametrize(
    ("written", "run"),
    [
        (r"a\s+b", r"a\s{1,32}b"),
        (r"a *b", r"a {0,32}b"),
        (r"a\\s+b", r"a\\s+b"),
        (r"[\s ]+b", r"[\s ]+b"),
        (r"[]\s+]a+", r"[]\s+]a+"),
        (r"\s{2}", r"\s{2}"),
        (r"\++", r"\++"),
    ],
)
def test_only_open_gaps_of_white_space_are_bounded(written: str, run: str) -> None:
    assert bound_gaps(written) == run


def test_prefixes_hold_the_first_positions_of_every_alternative() -> None:
    found = shape("(?:ab|c[de])x{2,3}y")
    assert sorted(len(prefix) for prefix in found.prefixes) == [4, 4]
    assert any(holds(prefix[0], "a") and holds(prefix[1], "b") for prefix in found.prefixes)
    assert any(holds(prefix[0], "c") and holds(prefix[1], "e") for prefix in found.prefixes)
    assert holds(found.rest, "x")
    assert holds(found.rest, "y")
    assert not holds(found.rest, "a")


def test_case_variants_outside_ascii_are_counted_where_the_pattern_leaves_ascii() -> None:
    assert not shape("(?i)kilo").consumed & OTHER
    found = shape("(?i)kilogramm é")
    assert holds(found.prefixes[0][0], "\u212a")
    assert holds(found.consumed, "é")


def test_negated_classes_hold_everything_outside_ascii() -> None:
    found = shape("[^a-z]b")
    assert not holds(found.consumed & ~(1 << ord("b")), "a")
    assert holds(found.consumed, "é")
    assert shape("(?s).").consumed == EVERY
    assert not holds(shape(".").consumed, "\n")
    assert not holds(shape(r"\D").consumed, "5")
    assert holds(shape(r"\W").consumed, "-")


def test_fixed_says_that_all_matches_are_as_long() -> None:
    assert shape("AKIA[A-Z]{16}").fixed
    assert not shape("a{1,2}").fixed


PIECES = st.sampled_from(
    ["a", "[b-d]", "x{1,3}", r"\d", r"(?:ab|c)", r"[^q]", "(?:e|fg){2}", "h?", r"\bz", "(?i:k)", "."]
)
TEXTS = st.text(alphabet="abcdefghkKxz0q ", min_size=1, max_size=14)


def could_begin(found: Shape, text: str) -> bool:
    """The superset that the analysis promises: text is a beginning of a match only if this holds."""
    if len(text) > found.longest:
        return False
    for prefix in found.prefixes:
        head, tail = text[: len(prefix)], text[len(prefix) :]
        if all(map(holds, prefix, head)) and all(holds(found.rest, char) for char in tail):
            return True
    return False


@given(st.lists(PIECES, min_size=1, max_size=6), TEXTS)
def test_every_match_fits_what_is_said_of_its_expression(pieces: list[str], text: str) -> None:
    expression = "".join(pieces)
    try:
        found = shape(expression)
    except PatternRefused:
        return
    for at in range(len(text)):
        match = re.compile(expression, re.ASCII).match(text, at)
        if match is None:
            continue
        for cut in range(1, len(match.group()) + 1):
            assert could_begin(found, match.group()[:cut])
        assert all(holds(found.consumed, char) for char in match.group())
