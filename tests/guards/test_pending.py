from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.pattern_width import PatternRefused, shape
from gateway.guards.pending import Opening, Pending
from tests.guards.planted import MATCHER, document

SECRETS_PENDING = MATCHER.pending(frozenset([0]))


def pending(*expressions: str, bounded: bool = False) -> Pending:
    return Pending(Opening(shape(expression), bounded) for expression in expressions)


def test_nothing_is_pending_without_patterns() -> None:
    assert Pending([]).first("anything", 0) == 8


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("an AK", "AK"),
        ("an AKIA12", "AKIA12"),
        ("an AKx", ""),
        ("TAK", ""),
        ("an AKIA" + "A" * 17, ""),
        ("\\nAK", "AK"),
    ],
)
def test_the_tail_is_held_while_it_may_begin_a_match(text: str, held: str) -> None:
    assert text[pending("AKIA[A-Z0-9]{16}", bounded=True).first(text, 0) :] == held


def test_a_full_match_at_the_very_end_waits_for_one_more_character() -> None:
    finder = pending("ab")
    assert finder.first("xab", 0) == 1
    assert finder.first("xabc", 0) == 4


def test_expressions_that_cross_white_space_hold_it_only_once_they_have_begun() -> None:
    finder = pending(r"(?i)project\s+osprey")
    assert finder.first("a plain text ", 0) == 13
    assert finder.first("a Project ", 0) == 2
    assert finder.first("a Project X", 0) == 11


PIECES = st.sampled_from(["a", "[b-d]", "x{1,3}", r"\d", r"(?:ab|c)", r"[^q]", "(?:e|fg){2}", "h?", r"\bz", "é", "."])


@example(["h?", r"\d"], "0")
@example(["h?", r"\d"], "h")
@given(st.lists(PIECES, min_size=1, max_size=6), st.text(alphabet="abcdefgh0xqzé ", min_size=1, max_size=16))
def test_no_match_begins_where_nothing_was_pending(pieces: list[str], text: str) -> None:
    expression = "".join(pieces)
    try:
        finder = pending(expression)
    except PatternRefused:
        return
    decided = 0
    places: list[int] = []
    for size in range(1, len(text) + 1):
        decided = finder.first(text[:size], decided)
        places.append(decided)
    for at in range(len(text)):
        found = re.compile(expression, re.ASCII).match(text, at)
        if found is not None:
            # Until one character beyond its end has come, its start is not decided.
            assert all(places[size] <= at for size in range(min(found.end(), len(places))))


def test_prose_is_hardly_held_back() -> None:
    prose = "Here is a plain answer about deploying the service on three nodes, with 12 steps and a summary. " * 20
    decided, held = 0, []
    for size in range(5, len(prose), 5):
        decided = SECRETS_PENDING.first(prose[:size], decided)
        held.append(size - decided)
    assert sum(held) / len(held) < 1
    assert max(held) <= 10


def test_an_unbroken_run_is_not_held_back() -> None:
    run = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=4000))
    decided, most = 0, 0
    for size in range(5, len(run), 5):
        decided = SECRETS_PENDING.first(run[:size], decided)
        most = max(most, size - decided)
    assert most <= 64


def test_what_is_pending_in_planted_texts_is_never_longer_than_the_longest_match() -> None:
    source = random.Random(5)
    for _ in range(30):
        text, _ = document(source, 20)
        decided = 0
        for size in range(1, len(text) + 1):
            decided = SECRETS_PENDING.first(text[:size], decided)
            assert size - decided <= MATCHER.context
