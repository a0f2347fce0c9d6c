from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.matcher import Matcher
from gateway.guards.nearby import NEARBY_CHARS, REACH, Nearby
from gateway.guards.rules import prepare
from gateway.guards.screening import Screening
from gateway.guards.stream import StreamPlan, StreamScreen
from tests.guards.planted import rule

WORDS = Nearby(("lic", "tax id", "personnummer", "身份证", "straße", "c.f"))
PATTERN = PatternSpec(name="ID", expression=r"\b[0-9]{6}\b", label="ID", context=("member", "tax id"))
MATCHER = Matcher([DetectorSpec(name="d", use="pattern", patterns=(PATTERN,))])
RULES = Screening(MATCHER, (prepare(rule("d")),))
PLAN = StreamPlan(RULES)


@pytest.mark.parametrize(
    "before",
    [
        "tax id: ", "TAX ID ", "tax-id=", '{"tax_id": "', '{"taxId": "', '{"customerTaxId": "', "TaxID", "tax. id ",
        "lic ", "my_lic2=", "Personnummer ", "PERSONNUMMER:", "身份证号码", "die Straße ", "STRASSE straße ", "c.f. ",
    ],
)  # fmt: skip
def test_words_are_seen_as_people_and_programs_write_them(before: str) -> None:
    assert WORDS.before(before, len(before))


@pytest.mark.parametrize(
    "before",
    [
        "public ",
        "publicTax identity ",
        "licence ",
        "PUBLIC ",
        "taxi drivers ",
        "tax the id ",
        "personnummers ",
        "cof ",
        "",
    ],
)
def test_parts_of_words_are_not(before: str) -> None:
    assert not WORDS.before(before, len(before))


def test_only_what_stands_shortly_before_counts() -> None:
    near = "tax id" + " " * (NEARBY_CHARS - 6)
    assert WORDS.before(near, len(near))
    assert not WORDS.before(near + " ", len(near) + 1)
    assert not WORDS.before("123456 tax id", 0)
    assert not WORDS.before("tax id", 5)


@given(st.text(alphabet="lictax iD_.身份证s", max_size=30), st.text(max_size=80))
def test_what_lies_farther_left_than_its_reach_changes_nothing(near: str, far: str) -> None:
    text = far + near.rjust(REACH)
    tail = text[-REACH:]
    assert WORDS.before(text, len(text)) == WORDS.before(tail, len(tail))


def test_a_pattern_with_words_stands_only_behind_one_of_them() -> None:
    assert [(hit.start, hit.end) for hit in MATCHER.find("order 123456, member 234567")] == [(21, 27)]


@given(
    st.lists(st.sampled_from(["member ", "123456", "taxId", "x" * 30, " ", "y" * 17, "654321 "]), max_size=12),
    st.integers(1, 9),
)
def test_a_stream_keeps_the_words_that_a_later_match_needs(parts: list[str], size: int) -> None:
    text = "".join(parts)
    finding = RULES.screen(text)
    expected = text if finding is None or finding.text is None else finding.text
    guard = StreamScreen(PLAN, lambda: 0)
    out = ""
    for at in range(0, len(text), size):
        out += guard.feed((0, "text"), text[at : at + size])
        assert expected.startswith(out)
    assert out + guard.finish((0, "text")) == expected
