from __future__ import annotations

from pathlib import Path

import pytest

from gateway.operator import follower as module
from gateway.operator.follower import Follower
from gateway.recording.spool import SpoolWriter
from tests.support.clock import ManualClock


class Spool:
    def __init__(self, home: Path) -> None:
        self.clock = ManualClock()
        self.dir, self.offsets = home / "spool", home / "otlp.offsets.json"
        self.writers: dict[str, SpoolWriter] = {}

    def writer(self, name: str = "worker-0", **options: int) -> SpoolWriter:
        return SpoolWriter(self.dir, name=name, clock=self.clock, max_bytes=1 << 30, **options)

    def follower(self, **options: int) -> Follower:
        return Follower(self.dir, self.offsets, self.clock, **options)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def lines(follower: Follower) -> list[bytes]:
    found: list[bytes] = []
    while taken := follower.take():
        found += [line for data in taken for line in data.splitlines()]
    return found


def test_every_line_is_seen_once(spool: Spool):
    follower, writer = spool.follower(), spool.writer(segment_bytes=64)
    seen: list[bytes] = []
    for number in range(50):
        writer.append(b'{"n":%d}' % number)
        if number % 7 == 0:
            seen += lines(follower)
    seen += lines(follower)
    assert seen == [b'{"n":%d}' % number for number in range(50)]
    assert lines(follower) == []
    follower.close()


def test_what_the_shipper_has_deleted_is_still_read(spool: Spool):
    follower, writer = spool.follower(), spool.writer()
    writer.append(b"{}")
    assert follower.take()
    writer.append(b'{"last":1}')
    writer.close()
    for path in spool.dir.glob("*.ndjson"):
        path.unlink()
    assert lines(follower) == [b'{"last":1}']
    assert lines(follower) == []
    assert not follower._open
    follower.close()


def test_a_successor_goes_on_where_the_one_before_it_stopped(spool: Spool):
    first, writer = spool.follower(), spool.writer()
    writer.append(b"1")
    assert lines(first) == [b"1"]
    first.close()
    writer.append(b"2")
    second = spool.follower()
    assert lines(second) == [b"2"]
    second.close()


def test_a_crash_costs_a_second_of_lines_told_twice_and_none_lost(spool: Spool):
    first, writer = spool.follower(), spool.writer()
    writer.append(b"1")
    lines(first)
    spool.clock.advance(1.5)
    writer.append(b"2")
    lines(first)
    writer.append(b"3")
    lines(first)
    # No word of farewell.
    second = spool.follower()
    assert lines(second) == [b"3"]
    second.close()
    first.close()


def test_finished_segments_are_let_go_of_and_looked_at_again_when_they_grow(spool: Spool):
    follower, writer = spool.follower(), spool.writer(segment_bytes=4)
    for number in range(6):
        writer.append(b"%d" % number)
        spool.clock.advance(0.01)
    assert len(lines(follower)) == 6
    assert len(follower._open) == 1
    oldest = min(spool.dir.glob("*.ndjson"))
    with oldest.open("ab") as late:
        late.write(b"late\n")
    assert lines(follower) == [b"late"]
    follower.close()


def test_half_a_line_waits_for_its_other_half(spool: Spool):
    follower = spool.follower()
    spool.dir.mkdir()
    path = spool.dir / "worker-0-1-0.ndjson"
    path.write_bytes(b'{"a":')
    assert lines(follower) == []
    with path.open("ab") as end:
        end.write(b"1}\n")
    assert lines(follower) == [b'{"a":1}']
    follower.close()


def test_who_falls_far_behind_skips_and_counts(spool: Spool):
    writer = spool.writer(segment_bytes=1000)
    for _ in range(100):
        writer.append(b"x" * 99)
    follower = spool.follower(max_behind_bytes=2500)
    seen = lines(follower)
    assert len(seen) + follower.skipped_lines == 100
    assert 10 <= len(seen) <= 25
    assert follower.behind_bytes == 0
    follower.close()


def test_a_line_beyond_measure_is_passed_over(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SLICE_BYTES", 64)
    monkeypatch.setattr(module, "LINE_BYTES", 128)
    follower, writer = spool.follower(), spool.writer()
    for line in (b"1", b"x" * 5000, b"2"):
        writer.append(line)
    # Passing over it gives nothing, and is no end.
    assert [*lines(follower), *lines(follower)] == [b"1", b"2"]
    assert follower.skipped_lines == 1
    follower.close()


def test_a_spool_that_is_not_there_has_no_lines(spool: Spool):
    follower = spool.follower()
    assert follower.take() == []
    follower.close()
