"""What a process says of itself follows what it does."""

from __future__ import annotations

from gateway.recording.process import cpu_seconds, resident_bytes


def test_memory_that_is_taken_shows():
    before = resident_bytes()
    taken = bytearray(b"\1" * 50_000_000)
    after = resident_bytes()
    assert before is None or (after is not None and after - before > 25_000_000)
    assert len(taken) == 50_000_000


def test_work_takes_time():
    before = cpu_seconds()
    while cpu_seconds() == before:
        sum(range(10_000))
    assert cpu_seconds() > before
