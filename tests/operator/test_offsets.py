from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.operator.offsets import OffsetBook, Progress


def claimed(directory: Path) -> OffsetBook:
    book = OffsetBook(directory)
    assert book.claim()
    return book


def test_an_unknown_segment_begins_at_its_start(tmp_path: Path) -> None:
    assert claimed(tmp_path).load("s") == Progress(0, 0)


def test_intention_and_commitment_outlive_the_process(tmp_path: Path) -> None:
    book = claimed(tmp_path)
    book.intend("s", 10)
    book.commit("s", 10)
    book.intend("s", 25)
    book.commit("t", 7)
    book.release()
    again = claimed(tmp_path)
    assert again.load("s") == Progress(10, 25)
    assert again.load("t") == Progress(7, 7)


def test_half_a_write_changes_nothing(tmp_path: Path) -> None:
    book = claimed(tmp_path)
    book.commit("s", 10)
    book.release()
    (tmp_path / "s.json.new").write_bytes(b'{"commi')
    assert claimed(tmp_path).load("s") == Progress(10, 10)


def test_offsets_that_somebody_spoilt_are_not_taken_for_zero(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(b"")
    with pytest.raises(msgspec.DecodeError):
        claimed(tmp_path).load("s")


def test_only_one_process_ships_a_spool(tmp_path: Path) -> None:
    book = claimed(tmp_path)
    assert book.claim()
    assert not OffsetBook(tmp_path).claim()
    book.release()
    assert OffsetBook(tmp_path).claim()


def test_a_spool_keeps_its_name_and_another_spool_has_another(tmp_path: Path) -> None:
    book = claimed(tmp_path / "a")
    book.release()
    assert claimed(tmp_path / "a").spool_id == book.spool_id
    assert claimed(tmp_path / "b").spool_id != book.spool_id


def test_what_is_forgotten_begins_at_zero(tmp_path: Path) -> None:
    book = claimed(tmp_path)
    for name in ("s", "t", "u"):
        book.commit(name, 5)
    book.forget("s")
    book.forget("s")
    book.forget_all_but({"t"})
    assert [book.load(name).committed for name in ("s", "t", "u")] == [0, 5, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "spool.id", "t.done"}
