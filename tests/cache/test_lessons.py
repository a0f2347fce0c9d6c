from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cache import lessons as module
from gateway.cache.lessons import FILE, PEOPLE, Lesson, Place, Pupil, teach


def lesson(number: int, by: str = PEOPLE) -> Lesson:
    return Lesson(partition="p", chance=number / 100, right=number % 2 == 0, by=by)


def test_every_pupil_hears_what_others_say_once(tmp_path: Path) -> None:
    first, second = Pupil(tmp_path, "worker-0"), Pupil(tmp_path, "worker-1")
    assert first.new() == []
    said = [lesson(1), lesson(2, "worker-0"), lesson(3, "worker-1")]
    for each in said:
        teach(tmp_path, each)
    assert (first.new(), second.new()) == ([said[0], said[2]], said[:2])
    assert (first.new(), second.new()) == ([], [])
    teach(tmp_path, lesson(4))
    assert first.new() == second.new() == [lesson(4)]


def test_a_pupil_goes_on_from_its_place_and_a_new_one_from_now(tmp_path: Path) -> None:
    teach(tmp_path, lesson(1))
    one = Pupil(tmp_path, "w", Place())
    assert one.new() == [lesson(1)]
    teach(tmp_path, lesson(2))
    assert Pupil(tmp_path, "w", one.place).new() == [lesson(2)]
    assert Pupil(tmp_path, "w").new() == []


def test_nothing_is_missed_when_the_file_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 300)
    pupil = Pupil(tmp_path, "w")
    heard: list[Lesson] = []
    for number in range(100):
        teach(tmp_path, lesson(number))
        if number % 3 == 0:
            heard += pupil.new()
    assert heard + pupil.new() == [lesson(number) for number in range(100)]
    assert (tmp_path / FILE).stat().st_size < 500


def test_a_pupil_that_was_away_for_long_hears_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_READ", 300)
    pupil = Pupil(tmp_path, "w")
    for number in range(100):
        teach(tmp_path, lesson(number))
    heard = pupil.new()
    assert 0 < len(heard) < 10
    assert heard[-1] == lesson(99)
    teach(tmp_path, lesson(7))
    assert pupil.new() == [lesson(7)]


def test_lines_that_are_none_are_passed_over_and_half_ones_waited_for(tmp_path: Path) -> None:
    pupil = Pupil(tmp_path, "w")
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'oops\n{"partition":"p","chance":0.5,"right":tr')
        file.flush()
        assert pupil.new() == []
        file.write(b'ue,"by":"x"}\n')
    assert pupil.new() == [Lesson(partition="p", chance=0.5, right=True, by="x")]


def test_what_cannot_be_written_is_lost_and_nothing_else(tmp_path: Path) -> None:
    teach(tmp_path / "nowhere", lesson(1))
    assert Pupil(tmp_path / "nowhere", "w").new() == []
