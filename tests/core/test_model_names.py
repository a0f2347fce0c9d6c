from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model_names import family, matched


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
        ("Claude Sonnet 3.7", "claude-3-7-sonnet-20250219"),
        ("Claude Sonnet 4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("Claude Opus 4.1", "claude-opus-4-1@20250805"),
        ("Claude Haiku 3.5", "claude-3-5-haiku-latest"),
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("gpt-4", "gpt-4-0613"),
        ("openai/gpt-4o", "gpt-4o"),
    ],
)
def test_snapshots_and_display_names_are_of_one_family(one: str, other: str) -> None:
    assert family(one) == family(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4.1", "gpt-4"),
        ("Claude Haiku 4.5", "Claude Haiku 4"),
        ("Claude Opus 4.5", "Claude Sonnet 4.5"),
        ("o1", "o1-mini"),
        ("gpt-5-1-2", "gpt-5-2-1"),
    ],
)
def test_other_models_are_of_another(one: str, other: str) -> None:
    assert family(one) != family(other)


def test_snapshots_are_told_apart_where_both_sides_do() -> None:
    both = ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"]
    names = matched(both, both)
    assert names[both[0]] != names[both[1]]
    names = matched(["gpt-4o"], both)
    assert {names[name] for name in ["gpt-4o", *both]} == {"gpt-4o"}
    names = matched(both[:1], both)
    assert {names[name] for name in both} == {"gpt-4o"}


@given(st.lists(st.text(max_size=12)), st.lists(st.text(max_size=12)))
def test_every_name_is_matched_and_equal_ones_alike(billed: list[str], recorded: list[str]) -> None:
    names = matched(billed, recorded)
    assert names.keys() == {*billed, *recorded}
