from __future__ import annotations

import pytest

from gateway.core.record import AttemptRecord
from gateway.recording.tries import OTHER, Tries, outcome


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (200, "", "ok"),
        (429, "upstream_error", "429"),
        (408, "upstream_error", "408"),
        (401, "", "4xx"),
        (529, "upstream_error", "5xx"),
        (0, "upstream_error", "upstream_error"),
        (200, "client_gone", "client_gone"),
    ],
)
def test_what_came_of_a_try_is_one_of_few_words(status: int, code: str, said: str) -> None:
    assert outcome(status, code) == said


def test_every_try_of_a_call_is_counted() -> None:
    tries = Tries()
    failed = AttemptRecord(provider="a", status=503, error_code="upstream_error")
    for _ in range(2):
        tries.observe([failed, AttemptRecord(provider="b", kind="fallback", status=200)])
    assert tries.counts == {("a", "first", "5xx"): 2, ("b", "fallback", "ok"): 2}


def test_kinds_of_tries_are_bounded() -> None:
    tries = Tries(most=2)
    for number in range(9):
        tries.observe([AttemptRecord(provider=str(number), status=200)])
    assert tries.counts == {("0", "first", "ok"): 1, ("1", "first", "ok"): 1, (OTHER, OTHER, OTHER): 7}
