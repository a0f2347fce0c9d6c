from __future__ import annotations

import pytest

from gateway.core.pattern_width import OTHER, shape
from gateway.core.secret_patterns import SECRETS
from gateway.core.verdict import PatternSpec


@pytest.mark.parametrize("spec", SECRETS, ids=lambda spec: spec.name)
def test_each_format_states_its_longest_match_and_its_check(spec: PatternSpec) -> None:
    found = shape(spec.expression)
    assert found.longest == spec.max_chars
    assert spec.opens == bool(spec.closes)
    assert spec.opens or spec.validator


@pytest.mark.parametrize("spec", SECRETS, ids=lambda spec: spec.name)
def test_no_format_begins_with_an_arbitrary_character(spec: PatternSpec) -> None:
    for prefix in shape(spec.expression).prefixes:
        assert len(prefix) >= 2
        assert not prefix[0] & OTHER
        assert prefix[0].bit_count() <= 16


def test_there_are_many_formats_with_names_of_their_own() -> None:
    assert len(SECRETS) >= 35
    assert len({spec.name for spec in SECRETS}) == len(SECRETS)
    assert next(spec for spec in SECRETS if spec.expression.startswith("(?:AKIA")).label == "AWS_KEY"
