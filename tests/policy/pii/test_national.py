from __future__ import annotations

import re

import pytest

from gateway.guards.pii.europe import EUROPE
from gateway.guards.pii.world import WORLD
from gateway.policy.pii.kind import CODE, NUMBER, Kind
from gateway.policy.pii.national import COUNTRIES, NATIONAL


def test_there_are_many_countries_and_every_check_is_used() -> None:
    assert len(COUNTRIES) >= 55
    assert {kind.check.removeprefix("id_") for kind in NATIONAL} | {"us_ssn"} == set(EUROPE | WORLD)


@pytest.mark.parametrize("kind", NATIONAL, ids=lambda kind: kind.name)
def test_a_form_lies_within_its_rough_expression(kind: Kind) -> None:
    assert kind.words
    assert re.compile(kind.form or kind.expression)
    if kind.sizes:
        assert kind.expression in {NUMBER, CODE}
        # Without separators, the form has exactly these sizes.
        for size in range(5, 20):
            plain = [text for text in (digit * size for digit in "123456789") if re.fullmatch(kind.form, text)]
            assert not plain or size in kind.sizes
