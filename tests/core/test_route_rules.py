from __future__ import annotations

import pytest

from gateway.core.route_rules import Between


@pytest.mark.parametrize(
    ("between", "value", "holds"),
    [
        (Between(1, 2), 1, True),
        (Between(1, 2), 2, True),
        (Between(1, 2), 0.9, False),
        (Between(1, 2), 2.1, False),
        (Between(least=1), 10**9, True),
        (Between(most=1), 0, True),
        (Between(most=1), 2, False),
        # Who does not say how many is in no range.
        (Between(least=0), None, False),
    ],
)
def test_ends_belong_to_a_range(between: Between, value: float | None, *, holds: bool) -> None:
    assert between.holds(value) is holds
