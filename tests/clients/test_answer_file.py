"""The file of kept answers, as far as it is more than any store: damage, other processes, and what has gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.answer_file import AnswerFile
from tests.support.answers import NOW_S, a_vector, an_answer, key_of


@pytest.fixture
def two(tmp_path: Path):
    made = [AnswerFile(tmp_path, max_bytes=1 << 20, max_entries=1000, unix_s=lambda: NOW_S) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def test_an_entry_that_is_damaged_is_removed_and_the_others_stay(two: list[AnswerFile]):
    one, other = two
    for name in ("a", "b"):
        one.put(an_answer(name), a_vector(1))
    one.write("UPDATE entries SET answer = substr(answer, 1, 50) WHERE key = ?", (key_of("a"),))
    assert other.get(key_of("a")) is None
    assert [kept.answer.key for kept in one.find(lambda _: True, 9)] == [key_of("b")]
    assert one.sums()[0] == 1


def test_an_entry_under_anothers_key_is_none(two: list[AnswerFile]):
    one, other = two
    one.put(an_answer("a"), b"")
    one.write("UPDATE entries SET key = ?", (key_of("b"),))
    assert other.get(key_of("b")) is None
    assert one.sums()[0] == 0


def test_what_has_come_and_gone_is_told_in_order(two: list[AnswerFile]):
    one, other = two
    for number in range(5):
        one.put(an_answer(f"n{number}"), a_vector(number))
    one.put(an_answer("no vector"), b"")
    numbers = [number for number, _, _ in other.newer(0, 9)]
    assert numbers == [number for number, _ in other.alive()]
    assert len(numbers) == 5
    assert [number for number, _, _ in other.newer(numbers[2], 9)] == numbers[3:]
    for name in ("n3", "no vector", "n1"):
        one.remove(key_of(name))
    assert other.left(0, 9) == [(1, numbers[3]), (2, numbers[1])]
    assert other.left(1, 9) == [(2, numbers[1])]
    assert other.left(2, 9) == []
    assert other.gone_until() == 2
    # What is too long ago is not told; who is further than the list has seen another one.
    one.write("DELETE FROM gone WHERE at = 1", ())
    assert other.left(0, 9) is None
    assert other.left(3, 9) is None


def test_sums_are_those_of_the_entries_whatever_happens(two: list[AnswerFile]):
    one, other = two
    for number in range(60):
        (one if number % 2 else other).put(an_answer(f"n{number % 40}", body=b"x" * number), a_vector(number))
        if number % 7 == 0:
            other.remove(key_of(f"n{number // 2}"))
    entries, held, _, _ = one.sums()
    assert one.rows("SELECT count(*), sum(size) FROM entries", ()) == [(entries, held)]


def test_a_file_of_which_half_a_change_was_written_has_none_of_it(two: list[AnswerFile]):
    one, other = two
    one.put(an_answer("a"), b"")
    one.write("CREATE TRIGGER fails BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'no'); END", ())
    with pytest.raises(Exception, match="cannot be used"):
        one.put(an_answer("a", body=b"new"), b"")
    assert other.get(key_of("a")) == an_answer("a")
