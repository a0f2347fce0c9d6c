from __future__ import annotations

from pathlib import Path

from gateway.recording.leftover import note, read_left

FIRST, SECOND = "worker-0-1-0.ndjson", "worker-0-2-0.ndjson"


def test_what_was_there_is_read_and_nothing_that_came_after(tmp_path: Path) -> None:
    (tmp_path / FIRST).write_bytes(b'{"key_id":"a"}\n{"key_id":"b"}\n{"key_id":"to')
    (tmp_path / SECOND).write_bytes(b'{"key_id":"c"}\nnonsense\n[1]\n{"key_id":"d"}\n')
    noted = note(tmp_path)
    with (tmp_path / SECOND).open("ab") as later:
        later.write(b'{"key_id":"later"}\n')
    (tmp_path / "worker-0-3-0.ndjson").write_bytes(b'{"key_id":"later"}\n')
    assert [line.key_id for line in read_left(tmp_path, noted)] == ["c", "d", "a", "b"]


def test_a_segment_that_was_shipped_meanwhile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / FIRST).write_bytes(b'{"key_id":"a"}\n')
    noted = note(tmp_path)
    (tmp_path / FIRST).unlink()
    assert list(read_left(tmp_path, noted)) == []


def test_many_slices_are_read_to_their_end(tmp_path: Path) -> None:
    (tmp_path / FIRST).write_bytes(b'{"key_id":"a","cost_nanousd":2}\n' * 50_000)
    assert sum(line.cost_nanousd or 0 for line in read_left(tmp_path, note(tmp_path))) == 100_000


def test_no_spool_is_an_empty_one(tmp_path: Path) -> None:
    assert note(tmp_path / "none") == {}
