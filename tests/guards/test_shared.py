from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.matcher import Matcher
from gateway.guards.shared import Shared, spread

SHARED = (Shared([(0, ()), (1, (4,)), (2, (4, 6)), (3, (2,))]), Shared([(4, ())]))


def test_a_candidate_goes_to_the_patterns_of_its_sizes() -> None:
    text = "see 12 34-56 now"
    found = spread(text, [(0, 4, 12), (1, 0, 3)], SHARED)
    assert found == [(0, 4, 12), (3, 10, 12), (1, 7, 12), (2, 7, 12), (2, 4, 12), (4, 0, 3)]


def test_an_escape_before_a_number_is_no_part_of_it() -> None:
    assert spread("\\n1234", [(0, 0, 6)], SHARED)[1:] == [(1, 2, 6), (2, 2, 6)]
    assert spread("%201234", [(0, 0, 7)], SHARED)[1:] == [(1, 3, 7), (2, 3, 7)]


@given(st.text(alphabet="0123 -a", max_size=40))
def test_sharing_an_expression_changes_nothing(text: str) -> None:
    apart = [
        PatternSpec(name="ONE", expression=r"\b[0-9]{4}\b", label="A"),
        PatternSpec(name="TWO", expression=r"\b[0-9]{4}(?:\b)", label="B"),
    ]
    together = [
        PatternSpec(name="ONE", expression=r"\b[0-9]{4}\b", label="A"),
        PatternSpec(name="TWO", expression=r"\b[0-9]{4}\b", label="B"),
    ]
    first, second = (
        Matcher([DetectorSpec(name=spec.name, use="pattern", patterns=(spec,)) for spec in specs]).find(text)
        for specs in (apart, together)
    )
    assert first == second
