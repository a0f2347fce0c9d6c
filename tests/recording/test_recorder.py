from __future__ import annotations

from pathlib import Path

import msgspec
import orjson

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
