from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recording.segment import SegmentName, Slice, list_segments, parse_name, read_range, read_slice

LINES = st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" ") + b"\n"), max_size=30)


def slices_of(fd: int, *, max_bytes: int = 1 << 20, max_lines: int = 1000, max_line_bytes: int = 4 << 20, start=0):
    found: list[Slice] = []
    while True:
        piece = read_slice(fd, start, max_bytes=max_bytes, max_lines=max_lines, max_line_bytes=max_line_bytes)
        if piece is None:
            return found
        found.append(piece)
        start = piece.end


@given(lines=LINES, tail=st.binary(max_size=10), max_bytes=st.integers(1, 200), max_lines=st.integers(1, 10))
def test_slices_put_together_are_the_whole_lines_however_they_are_cut(
    lines: list[bytes], tail: bytes, max_bytes: int, max_lines: int
) -> None:
    whole = b"".join(lines)
    tail = tail.replace(b"\n", b"")
    with tempfile.TemporaryFile() as file:
        file.write(whole + tail)
        file.flush()
        found = slices_of(file.fileno(), max_bytes=max_bytes, max_lines=max_lines)
        assert b"".join(piece.data for piece in found) == whole
        for piece in found:
            count = piece.data.count(b"\n")
            assert 1 <= count <= max_lines
            assert len(piece.data) <= max_bytes or count == 1
            assert read_range(file.fileno(), piece.start, piece.end) == piece.data


@given(lines=LINES, cuts=st.lists(st.integers(0, 1300), max_size=10))
def test_a_reader_that_follows_a_growing_file_sees_each_line_once(lines: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(lines)
    edges = [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    seen, offset, written = b"", 0, 0
    with tempfile.TemporaryFile(buffering=0) as file:
        for edge in edges:
            file.write(whole[written:edge])
            written = edge
            for piece in slices_of(file.fileno(), max_bytes=64, start=offset):
                seen += piece.data
                offset = piece.end
    assert seen == whole


def test_a_line_beyond_the_memory_limit_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"a\n" + b"x" * 5_000_000 + b"\nb\n")
    with path.open("rb") as file:
        found = slices_of(file.fileno(), max_bytes=1000, max_line_bytes=2_000_000)
    assert [piece.data for piece in found] == [b"a\n", b"", b"b\n"]
    assert found[1] == Slice(2, 5_000_003, b"")


def test_a_long_line_within_the_limit_is_read_whole(tmp_path: Path) -> None:
    line = b"x" * 3_000_000 + b"\n"
    path = tmp_path / "s"
    path.write_bytes(line + b"b\n")
    with path.open("rb") as file:
        assert [piece.data for piece in slices_of(file.fileno(), max_bytes=1000)] == [line, b"b\n"]


def test_an_unfinished_line_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b'{"half": ')
    with path.open("rb") as file:
        assert slices_of(file.fileno()) == []
        assert read_range(file.fileno(), 0, 100) == b'{"half": '


@given(writer=st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True), ms=st.integers(0, 2**48), n=st.integers(0, 10**6))
def test_a_name_comes_back_from_its_text(writer: str, ms: int, n: int) -> None:
    name = SegmentName(ms, n, writer)
    assert parse_name(str(name)) == name


@pytest.mark.parametrize("text", ["x.ndjson", "a-1.ndjson", "a-1-2.json", "a-1-2.ndjson.tmp", "a/b-1-2.ndjson", ""])
def test_other_files_are_no_segments(text: str) -> None:
    assert parse_name(text) is None


def test_segments_are_listed_oldest_first_and_nothing_else(tmp_path: Path) -> None:
    names = ["b-2-0.ndjson", "a-10-0.ndjson", "a-2-1.ndjson"]
    for name in [*names, "offsets", "spool.id"]:
        os.close(os.open(tmp_path / name, os.O_CREAT))
    assert [str(name) for name in list_segments(tmp_path)] == ["b-2-0.ndjson", "a-2-1.ndjson", "a-10-0.ndjson"]
    assert list_segments(tmp_path / "absent") == []
