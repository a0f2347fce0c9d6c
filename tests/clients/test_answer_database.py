"""A file that is damaged, of another version or gone is an empty one, for all who have it open."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.clients.answer_database import FILE, FOLDER, AnswerDatabase, writing
from gateway.core.errors import StoreUnavailable

PUT = "INSERT INTO states VALUES (?, ?)"
ALL = "SELECT name FROM states"


@pytest.fixture
def two(tmp_path: Path):
    one, other = AnswerDatabase(tmp_path), AnswerDatabase(tmp_path)
    yield one, other
    one.close()
    other.close()


def test_all_see_what_one_has_written(two: tuple[AnswerDatabase, AnswerDatabase]):
    one, other = two
    assert one.rows(ALL, ()) == other.rows(ALL, ()) == []
    assert one.write(PUT, ("a", b"1")) == 1
    assert other.rows(ALL, ()) == [("a",)]
    assert (one.path.stat().st_mode & 0o777, one.folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 100, b"\x00" * 8192])
def test_a_damaged_file_is_an_empty_one_the_next_time(tmp_path: Path, damage: bytes):
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / FILE).write_bytes(damage)
    one = AnswerDatabase(tmp_path)
    with suppress(StoreUnavailable):
        one.rows(ALL, ())
    assert one.rows(ALL, ()) == []
    assert one.write(PUT, ("a", b"1")) == 1
    one.close()


def test_damage_is_noticed_by_whoever_reads_it_and_all_go_on_with_the_same_new_file(
    two: tuple[AnswerDatabase, AnswerDatabase],
):
    one, other = two
    for number in range(200):
        one.write(PUT, (f"n{number}", b"x" * 500))
    one.asked(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    one.close()
    other.close()
    with one.path.open("r+b") as file:
        size = file.seek(0, 2)
        for place in range(4096, size, 4096):
            file.seek(place)
            file.write(b"\xa5" * 200)
    assert len(one.path.read_bytes()) == size
    with pytest.raises(StoreUnavailable):
        one.rows("SELECT sum(length(data)) FROM states", ())
    one.write(PUT, ("new", b""))
    assert other.rows(ALL, ()) == one.rows(ALL, ()) == [("new",)]


def test_a_file_that_is_damaged_while_others_have_it_open_is_left_by_them(two: tuple[AnswerDatabase, AnswerDatabase]):
    one, other = two
    one.write(PUT, ("old", b""))
    assert other.rows(ALL, ()) == [("old",)]
    with sqlite3.connect(one.path) as raw:
        raw.execute("PRAGMA user_version = 99")
    third = AnswerDatabase(one.folder.parent)
    with pytest.raises(StoreUnavailable):
        third.rows(ALL, ())
    assert [each.rows(ALL, ()) for each in (third, one, other)] == [[], [], []]
    one.write(PUT, ("new", b""))
    assert [each.rows(ALL, ()) for each in (third, one, other)] == [[("new",)]] * 3
    third.close()


def test_all_or_nothing_is_written(two: tuple[AnswerDatabase, AnswerDatabase]):
    one, other = two

    def half(database: sqlite3.Connection) -> None:
        with writing(database):
            database.execute(PUT, ("a", b""))
            database.execute(PUT, ("a", b""))

    with pytest.raises(StoreUnavailable):
        one.asked(half)
    assert other.rows(ALL, ()) == []
    one.write(PUT, ("a", b""))


def test_words_of_the_page_change_for_everybody(two: tuple[AnswerDatabase, AnswerDatabase]):
    mine, theirs = (each.page() for each in two)
    before = theirs.put, theirs.dropped, theirs.file
    assert mine.tell_put() == theirs.put != before[0]
    assert (theirs.dropped, theirs.file) == before[1:]
    mine.tell_dropped()
    assert theirs.dropped != before[1]
    mine.tell_file()
    assert theirs.file != before[2]


def test_a_disk_that_does_not_work_is_told_as_that(tmp_path: Path):
    (tmp_path / FOLDER).write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreUnavailable):
        AnswerDatabase(tmp_path).rows(ALL, ())
