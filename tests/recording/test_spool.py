from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.recording.segment import list_segments
from gateway.recording.spool import ROTATE_AFTER_NS, SpoolWriter, sync
from tests.support.clock import ManualClock


def make(directory: Path, clock: ManualClock | None = None, **options) -> SpoolWriter:
    settings = {"name": "w", "clock": clock or ManualClock(), "max_bytes": 1 << 20, **options}
    return SpoolWriter(directory, **settings)


def contents(directory: Path) -> list[bytes]:
    return [(directory / str(name)).read_bytes() for name in list_segments(directory)]


def free(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_each_line_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    spool = make(tmp_path)
    assert spool.append(b'{"a":1}')
    assert contents(tmp_path) == [b'{"a":1}\n']
    assert spool.append(b'{"a":2}')
    assert contents(tmp_path) == [b'{"a":1}\n{"a":2}\n']
    assert spool.used_bytes == 16
    spool.close()


def test_nothing_is_created_before_the_first_line(tmp_path: Path) -> None:
    spool = make(tmp_path / "deep" / "spool")
    assert contents(tmp_path / "deep" / "spool") == []
    assert (tmp_path / "deep" / "spool").stat().st_mode & 0o077 == 0
    spool.close()


def test_segments_are_private_files(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.append(b"1")
    (name,) = list_segments(tmp_path)
    assert (tmp_path / str(name)).stat().st_mode & 0o777 == 0o600
    spool.close()


def test_a_writer_never_appends_to_an_older_segment(tmp_path: Path) -> None:
    clock = ManualClock()
    first = make(tmp_path, clock)
    first.append(b"old")
    first.close()
    second = make(tmp_path, clock)
    second.append(b"new")
    assert contents(tmp_path) == [b"old\n", b"new\n"]
    second.close()


def test_a_segment_is_finished_before_it_grows_too_large(tmp_path: Path) -> None:
    spool = make(tmp_path, segment_bytes=10)
    for line in (b"1234", b"5678", b"9", b"a line longer than a segment", b"b"):
        assert spool.append(line)
    assert contents(tmp_path) == [b"1234\n5678\n", b"9\n", b"a line longer than a segment\n", b"b\n"]
    spool.close()


def test_a_segment_is_finished_when_old_but_not_when_empty(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = make(tmp_path, clock)
    clock.advance(ROTATE_AFTER_NS / 1e9 + 1)
    spool.tick()
    spool.append(b"1")
    clock.advance(ROTATE_AFTER_NS / 1e9 - 1)
    spool.tick()
    spool.append(b"2")
    clock.advance(1)
    spool.tick()
    spool.append(b"3")
    assert contents(tmp_path) == [b"1\n2\n", b"3\n"]
    spool.close()


def test_the_segment_in_use_is_locked_and_a_finished_one_is_free_once_synced(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = make(tmp_path, clock, segment_bytes=4)
    spool.append(b"123")
    first = tmp_path / str(list_segments(tmp_path)[0])
    assert not free(first)
    spool.append(b"456")
    second = tmp_path / str(list_segments(tmp_path)[1])
    sync(spool.sync_later())
    assert free(first)
    assert not free(second)
    spool.close()
    assert free(second)


def test_nothing_is_due_for_the_disk_twice(tmp_path: Path) -> None:
    spool = make(tmp_path)
    assert spool.sync_later() == []
    spool.append(b"1")
    due = spool.sync_later()
    assert len(due) == 1
    sync(due)
    assert spool.sync_later() == []
    spool.close()


def test_finished_segments_do_not_pile_up_descriptors_when_nobody_syncs(tmp_path: Path) -> None:
    spool = make(tmp_path, segment_bytes=2)
    before = open_descriptors()
    for _ in range(100):
        spool.append(b"1")
    assert open_descriptors() - before < 20
    spool.close()
    assert open_descriptors() == before


def test_bodies_are_dropped_before_lines(tmp_path: Path) -> None:
    spool = make(tmp_path, max_bytes=160)
    outcomes = [
        (spool.append(b"x" * 39, lambda: b"y" * 9), spool.dropped_bodies, spool.dropped_lines) for _ in range(8)
    ]
    assert outcomes[:3] == [(True, 0, 0)] * 3
    assert outcomes[3:7] == [(True, 1, 0), (True, 2, 0), (True, 3, 0), (True, 4, 0)]
    assert outcomes[7] == (False, 4, 1)
    assert contents(tmp_path) == [b"x" * 39 + b"\n" + (b"x" * 39 + b"\n") * 2 + (b"y" * 9 + b"\n") * 4]
    spool.close()


def test_a_line_without_bodies_may_use_the_whole_limit(tmp_path: Path) -> None:
    spool = make(tmp_path, max_bytes=100)
    assert spool.append(b"x" * 99)
    assert not spool.append(b"")
    assert spool.dropped_lines == 1
    spool.close()


def test_the_limit_counts_segments_of_others_and_lets_go_when_they_are_shipped(tmp_path: Path) -> None:
    other = tmp_path / "other-1-0.ndjson"
    other.write_bytes(b"z" * 90)
    spool = make(tmp_path, max_bytes=100)
    assert not spool.append(b"x" * 20)
    other.unlink()
    spool.tick()
    assert spool.append(b"x" * 20)
    spool.close()


def test_drops_are_told_once_and_can_be_given_back(tmp_path: Path) -> None:
    spool = make(tmp_path, max_bytes=5)
    spool.append(b"too long")
    spool.append(b"too long")
    assert spool.take_dropped() == 2
    assert spool.take_dropped() == 0
    spool.give_back_dropped(2)
    assert spool.take_dropped() == 2
    assert spool.dropped_lines == 2
    spool.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_a_drop_and_the_next_line_stays_whole(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("no small disk to be had here")
    try:
        spool = make(tmp_path)
        wrote = [spool.append(b"x" * 9999) for _ in range(10)]
        assert wrote == [True] * 6 + [False] * 4
        assert spool.append(b"y" * 9999, lambda: b"lean")
        assert (spool.dropped_lines, spool.dropped_bodies) == (4, 1)
        spool.close()
        assert contents(tmp_path) == [(b"x" * 9999 + b"\n") * 6 + b"lean\n"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_file_size_limit_is_a_drop_and_the_next_line_stays_whole(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from gateway.recording.spool import SpoolWriter
from tests.support.clock import ManualClock
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool = SpoolWriter(Path(sys.argv[1]), name="w", clock=ManualClock(), max_bytes=1 << 20)
assert [spool.append(b"x" * 299) for _ in range(5)] == [True] * 3 + [False] * 2
assert spool.append(b"y" * 99)
assert spool.dropped_lines == 2
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert contents(tmp_path) == [(b"x" * 299 + b"\n") * 3 + b"y" * 99 + b"\n"]


def test_half_a_line_that_cannot_be_cut_off_is_ended_before_the_next(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.append(b"whole")
    os.write(spool._fd, b"half")
    spool._size += 4
    spool._torn = True
    assert spool.append(b"next")
    assert spool.append(b"last")
    assert contents(tmp_path) == [b"whole\nhalf\nnext\nlast\n"]
    spool.close()


def test_a_missing_directory_is_a_drop_and_not_a_failure(tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    (tmp_path / "spool").rmdir()
    assert not spool.append(b"1")
    (tmp_path / "spool").mkdir()
    assert spool.append(b"2")
    spool.close()


def test_a_segment_unlinked_before_it_was_locked_is_not_written_to(tmp_path: Path) -> None:
    from gateway.recording.spool import _claim

    path = tmp_path / "s"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    path.unlink()
    assert not _claim(fd)
    os.close(fd)


def test_run_syncs_and_rotates_until_it_is_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        spool = make(tmp_path, clock)
        spool.append(b"1")
        task = asyncio.get_running_loop().create_task(spool.run())
        for _ in range(1000):
            clock.advance(1)
            await asyncio.sleep(0.001)
            names = list_segments(tmp_path)
            if clock.monotonic_ns() > ROTATE_AFTER_NS + 2_000_000_000 and free(tmp_path / str(names[0])):
                break
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert free(tmp_path / str(list_segments(tmp_path)[0]))
        spool.append(b"2")
        assert contents(tmp_path) == [b"1\n", b"2\n"]
        spool.close()

    asyncio.run(scenario())
