from __future__ import annotations

import asyncio

import pytest

from gateway.cache.judging import Judging, differing
from gateway.cache.verifier import again
from gateway.core.cache_rules import ANSWER_GUARDS


class Reader:
    """Cuts a question into its letters, and says what it was told to."""

    def __init__(self) -> None:
        self.says: float | None = 2.0
        self.asked: list[tuple[bytes, bytes]] = []

    async def pieces(self, text: str) -> bytes:
        return text.encode("utf-16-le")

    async def odds(self, one: bytes, other: bytes) -> float | None:
        self.asked.append((one, other))
        return self.says


READER = Reader()
JUDGING = Judging(ANSWER_GUARDS, READER)


def read(text: str, language: str = "en", judging: Judging = JUDGING) -> bytes:
    return asyncio.run(judging.read(text, language, bytes(768)))


def compared(new: str, old: str, cosine: float = 0.99):
    verdict = JUDGING.compare(read(new), read(old), cosine)
    assert verdict is not None
    return verdict


def test_a_question_and_itself_agree_and_a_fact_that_differs_is_named() -> None:
    same = compared("What is the fee for account 1042?", "What is the fee for account 1042?", 1.0)
    other = compared("What is the fee for account 1042?", "What is the fee for account 1043?", 0.98)
    assert (same.failed, other.failed) == ((), ("numbers",))
    assert same.chance > other.chance


def test_only_guards_that_are_asked_for_refuse_by_name_and_the_chance_knows_all() -> None:
    lax = Judging((), READER)
    new, old = (read(f"What is the fee for account {number}?", judging=lax) for number in (1042, 1043))
    verdict = lax.compare(new, old, 0.98)
    assert verdict is not None
    assert (verdict.failed, verdict.chance < 0.5) == ((), True)


@pytest.mark.parametrize("facts", [b"", b"oops", b"\x90"])
def test_facts_that_cannot_be_read_are_compared_with_nothing(facts: bytes) -> None:
    assert JUDGING.compare(read("What is it?"), facts, 1.0) is None


def test_what_may_serve_can_be_read_together_and_what_a_guard_names_cannot_be_made_good() -> None:
    alike = compared("How do I reset my password?", "How can I reset the password?")
    other = compared("What is the fee for account 1042?", "What is the fee for account 1043?")
    assert alike.most > alike.chance
    assert other.most == other.chance


@pytest.mark.parametrize("says", [2.0, -3.0, None])
def test_what_is_said_of_both_changes_the_chance_and_silence_does_not(says: float | None) -> None:
    reader = Reader()
    judging = Judging(ANSWER_GUARDS, reader)
    reader.says = says
    new, old = read("Where is it?"), read("Where's it?")
    chance = asyncio.run(judging.together(new, old, 0.9))
    assert chance == (0.9 if says is None else again(0.9, says))
    assert reader.asked == [("Where is it?".encode("utf-16-le"), "Where's it?".encode("utf-16-le"))]


def test_only_english_is_read_together() -> None:
    reader = Reader()
    judging = Judging(ANSWER_GUARDS, reader)
    new, old = (read(text, "de") for text in ("Wo ist das Konto?", "Wo bitte ist das Konto?"))
    verdict = judging.compare(new, old, 0.97)
    assert verdict is not None
    assert verdict.most == verdict.chance
    assert asyncio.run(judging.together(new, old, 0.9)) == 0.9
    assert reader.asked == []


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
