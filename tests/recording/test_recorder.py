from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson
import pytest

from gateway.core.record import AttemptRecord, ExchangeRecord
from gateway.recording.recorder import Recorder
from gateway.recording.segment import list_segments
from gateway.recording.spool import SpoolWriter
from tests.support.clock import ManualClock


def make(directory: Path, max_bytes: int = 1 << 20) -> tuple[Recorder, SpoolWriter]:
    spool = SpoolWriter(directory, name="w", clock=ManualClock(), max_bytes=max_bytes)
    return Recorder(spool, msgspec.json.Encoder()), spool


def lines(directory: Path) -> list[dict]:
    return [
        orjson.loads(line)
        for name in list_segments(directory)
        for line in (directory / str(name)).read_bytes().splitlines()
    ]


def test_a_record_becomes_one_line_that_gives_it_back(tmp_path: Path) -> None:
    recorder, spool = make(tmp_path)
    record = ExchangeRecord(id="a", tags={"k": "v\n2"}, attempts=[AttemptRecord(status=200)], response_body='{"x":1}')
    recorder.append(record)
    spool.close()
    (name,) = list_segments(tmp_path)
    raw = (tmp_path / str(name)).read_bytes()
    assert raw.count(b"\n") == 1
    assert msgspec.json.decode(raw, type=ExchangeRecord) == record


def test_the_line_after_a_gap_says_how_many_are_missing(tmp_path: Path) -> None:
    blocker = tmp_path / "other-1-0.ndjson"
    blocker.write_bytes(b"\n" * 4000)
    recorder, spool = make(tmp_path, max_bytes=4000)
    recorder.append(ExchangeRecord(id="lost"))
    recorder.append(ExchangeRecord(id="lost too"))
    blocker.unlink()
    spool.tick()
    recorder.append(ExchangeRecord(id="b"))
    recorder.append(ExchangeRecord(id="c"))
    spool.close()
    assert [(line["id"], line["dropped_before"]) for line in lines(tmp_path)] == [("b", 2), ("c", 0)]


def test_a_spool_that_fills_up_keeps_the_line_and_drops_its_bodies(tmp_path: Path) -> None:
    recorder, spool = make(tmp_path, max_bytes=4000)
    recorder.append(ExchangeRecord(id="a", request_body="x" * 5000, response_body="y"))
    spool.close()
    (line,) = lines(tmp_path)
    assert (line["id"], line["request_body"], line["response_body"]) == ("a", None, None)
    assert spool.dropped_bodies == 1


def test_a_lone_surrogate_does_not_lose_the_record(tmp_path: Path) -> None:
    recorder, spool = make(tmp_path)
    recorder.append(ExchangeRecord(id="a", session_id="x\ud800y", tags={"\udfff": "1"}, attempts=[AttemptRecord()]))
    spool.close()
    (line,) = lines(tmp_path)
    assert line["session_id"] == "x?y"
    assert line["tags"] == {"?": "1"}
    assert line["attempts"][0]["kind"] == "first"


class Turns:
    """A loop whose turns a test makes."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def test_the_records_of_one_turn_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: sizes.append(len(data)) or write(fd, data))
    spool, turns = SpoolWriter(tmp_path, name="w", clock=ManualClock(), max_bytes=1 << 20), Turns()
    recorder = Recorder(spool, msgspec.json.Encoder(), turns.soon)
    recorder.append(ExchangeRecord(id="first of a segment"))
    turns.turn()
    sizes.clear()
    for number in range(5):
        recorder.append(ExchangeRecord(id=str(number)))
    recorder.append_line(b'{"id":"5","dropped_before":0}')
    assert (sizes, len(turns.due)) == ([], 1)
    recorder.commit()
    assert len(sizes) == 1
    turns.turn()
    assert len(sizes) == 1
    assert [line["id"] for line in lines(tmp_path)[1:]] == list("012345")
    # What is to be written without its bodies, should there be no room, is written by itself, and in order.
    recorder.append(ExchangeRecord(id="6"))
    recorder.append(ExchangeRecord(id="7", request_body="x"))
    assert [line["id"] for line in lines(tmp_path)[1:]] == list("01234567")


def test_lines_that_do_not_fit_together_are_written_as_far_as_they_do(tmp_path: Path) -> None:
    spool, turns = SpoolWriter(tmp_path, name="w", clock=ManualClock(), max_bytes=4000), Turns()
    recorder = Recorder(spool, msgspec.json.Encoder(), turns.soon)
    for number in range(9):
        recorder.append(ExchangeRecord(id=str(number)))
    recorder.commit()
    kept = len(lines(tmp_path))
    assert 0 < kept < 9
    assert spool.dropped_lines == spool.untold == 9 - kept


def test_a_record_that_is_a_line_already_tells_of_a_gap_as_well(tmp_path: Path) -> None:
    blocker = tmp_path / "other-1-0.ndjson"
    blocker.write_bytes(b"\n" * 4000)
    recorder, spool = make(tmp_path, max_bytes=4000)
    recorder.append_line(msgspec.json.encode(ExchangeRecord(id="lost")))
    blocker.unlink()
    spool.tick()
    for name in "ab":
        recorder.append_line(msgspec.json.encode(ExchangeRecord(id=name)))
    spool.close()
    assert [(line["id"], line["dropped_before"]) for line in lines(tmp_path)] == [("a", 1), ("b", 0)]


@pytest.mark.parametrize("cut", [0, 1, 40, 41, 100])
@pytest.mark.parametrize("torn", [False, True])
def test_a_write_that_breaks_off_leaves_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int, *, torn: bool
) -> None:
    spool, turns = SpoolWriter(tmp_path, name="w", clock=ManualClock(), max_bytes=1 << 20), Turns()
    recorder = Recorder(spool, msgspec.json.Encoder(), turns.soon)
    recorder.append_line(b'{"id":"first"}')
    recorder.commit()
    write, broken = os.write, [cut]
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: broken.pop()]) if broken else write(fd, data))
    if torn:
        monkeypatch.setattr(os, "ftruncate", refuse)
    for number in range(4):
        recorder.append_line(b'{"id":"%d","padding":"0123456789"}' % number)
    recorder.commit()
    monkeypatch.undo()
    (name,) = list_segments(tmp_path)
    raw = (tmp_path / str(name)).read_bytes().splitlines()
    whole = [line for line in raw if line.endswith(b"}")]
    assert [orjson.loads(line)["id"] for line in whole] == ["first", "0", "1", "2", "3"]
    assert len(raw) - len(whole) <= int(torn)


def refuse(fd: int, size: int) -> None:
    raise OSError
