from __future__ import annotations

import pytest

from gateway.cache.judging import Judging, differing
from gateway.core.cache_rules import ANSWER_GUARDS

JUDGING = Judging(ANSWER_GUARDS)


def compared(new: str, old: str, cosine: float = 0.99):
    verdict = JUDGING.compare(JUDGING.read(new, "en"), JUDGING.read(old, "en"), cosine)
    assert verdict is not None
    return verdict


def test_a_question_and_itself_agree_and_a_fact_that_differs_is_named() -> None:
    same = compared("What is the fee for account 1042?", "What is the fee for account 1042?", 1.0)
    other = compared("What is the fee for account 1042?", "What is the fee for account 1043?", 0.98)
    assert (same.failed, other.failed) == ((), ("numbers",))
    assert same.chance > other.chance


def test_only_guards_that_are_asked_for_refuse_by_name_and_the_chance_knows_all() -> None:
    lax = Judging(())
    new, old = (lax.read(f"What is the fee for account {number}?", "en") for number in (1042, 1043))
    verdict = lax.compare(new, old, 0.98)
    assert verdict is not None
    assert (verdict.failed, verdict.chance < 0.5) == ((), True)


@pytest.mark.parametrize("facts", [b"", b"oops", b"\x90"])
def test_facts_that_cannot_be_read_are_compared_with_nothing(facts: bytes) -> None:
    assert JUDGING.compare(JUDGING.read("What is it?", "en"), facts, 1.0) is None


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("The fee is 5 euros.", "The fee is 5 euros, as ever.", set()),
        ("The fee is 5 euros.", "The fee is 7 euros.", {"numbers"}),
        ("It is allowed.", "It is not allowed.", {"negation"}),
        ("", "", set()),
    ],
)
def test_which_facts_of_two_answers_differ_is_told(one: str, other: str, names: set[str]) -> None:
    assert set(differing(one, other)) == names
