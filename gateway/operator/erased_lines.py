"""Takes what would tell of an erased subject out of lines of the spool, and leaves all that is counted.

A line keeps its length, and so its place: what is left is filled up with blanks, which JSON allows at its end. So a
segment can be changed under the writer that goes on with it, and a slice that was sent before is the same slice again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson

from gateway.core.erasure import ERASED, USER_TAG, Erasure, digest_of
from gateway.recording.segment import SUFFIX

_STEP_BYTES = 8 << 20
# Of a record, what tells who it is of and what was said.
_SAID = (
    "session_id", "trace_id", "span_id", "trace_flags", "trace_state", "capture", "captured", "request_body",
    "response_body",
)  # fmt: skip


class _User(msgspec.Struct):
    user: str = ""


class _Copy(msgspec.Struct):
    mirror_of: str = ""


class _Head(msgspec.Struct):
    id: str = ""
    started_us: int = 0
    tenant: str = ""
    key_id: str = ""
    session_id: str = ""
    tags: dict[str, str] = {}
    captured: list[_User] = []
    mirrors: list[_Copy] = []


_HEAD = msgspec.json.Decoder(_Head)


class Eraser:
    """Knows lines of erased subjects, and what is left of them.

    Args:
        erasures: Who was erased, and when: what began later is none of it.
    """

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._by: dict[str, list[Erasure]] = {}
        self._until_us = 0
        self._tags = {USER_TAG}
        for erasure in erasures:
            self._by.setdefault(erasure.digest, []).append(erasure)
            self._until_us = max(self._until_us, erasure.at_us)
            if erasure.kind == "tag":
                self._tags.add(erasure.name)

    def __bool__(self) -> bool:
        return bool(self._by)

    def lines(self, data: bytes) -> tuple[bytes, int]:
        """Erase in whole lines; the result is as long as they are, and comes with how many were changed."""
        parts = data.split(b"\n")
        changed = 0
        for index, line in enumerate(parts):
            left = self.line(line) if line else None
            if left is not None:
                parts[index] = left
                changed += 1
        return (b"\n".join(parts), changed) if changed else (data, 0)

    def line(self, line: bytes) -> bytes | None:
        """What is left of a line, as long as it was; ``None`` where it is nobody's who was erased."""
        try:
            head = _HEAD.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if head.started_us > self._until_us or not self._is_theirs(head):
            return None
        return _shortened(line, self._tags)

    def _is_theirs(self, head: _Head) -> bool:
        for digest in _digests(head, self._tags):
            for erasure in self._by.get(digest, ()):
                if head.started_us <= erasure.at_us and erasure.tenant in (None, head.tenant):
                    return True
        return False


def _digests(head: _Head, tags: set[str]) -> Iterator[str]:
    for kind, value in (("session", head.session_id), ("key", head.key_id), ("id", head.id)):
        if value:
            yield digest_of(kind, "", value)
    for copied in head.mirrors:
        yield digest_of("id", "", copied.mirror_of)
    for told in head.captured:
        if told.user:
            yield digest_of("user", "", told.user)
    for name in tags & head.tags.keys():
        yield digest_of("tag", name, head.tags[name])
        if name == USER_TAG:
            yield digest_of("user", "", head.tags[name])


def _shortened(line: bytes, tags: set[str]) -> bytes:
    document: dict[str, Any] = orjson.loads(line)
    for name in _SAID:
        document.pop(name, None)
    for event in document.get("guard_events", ()):
        event |= {"path": "", "start": 0, "end": 0}
    written = document.get("tags", {})
    for name in tags & written.keys():
        written[name] = ERASED
    left = orjson.dumps(document)
    if len(left) > len(line):
        # There is no room for saying that there was a tag.
        document["tags"] = {name: value for name, value in written.items() if name not in tags}
        left = orjson.dumps(document)
    if len(left) > len(line):
        # Nor for where rules have hit; a line of ours is never so.
        document["guard_events"], document["tags"] = [], {}
        left = orjson.dumps(document)
    return left.ljust(len(line))


def erase_in_spool(spool_dir: Path, eraser: Eraser, *, dry_run: bool = False) -> int:
    """Erase in the segments of a spool. Blocks; nobody may be shipping meanwhile.

    Returns:
        How many lines are theirs.
    """
    return sum(_in_segment(path, eraser, dry_run=dry_run) for path in sorted(spool_dir.glob(f"*{SUFFIX}")))


def _in_segment(path: Path, eraser: Eraser, *, dry_run: bool) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    found = at = 0
    rest = b""
    try:
        while piece := os.pread(fd, _STEP_BYTES, at + len(rest)):
            data = rest + piece
            whole = data.rfind(b"\n") + 1
            left, changed = eraser.lines(data[:whole])
            if changed and not dry_run:
                os.pwrite(fd, left, at)
            found += changed
            at, rest = at + whole, data[whole:]
        if found and not dry_run:
            os.fsync(fd)
    finally:
        os.close(fd)
    return found


def erase_in_poison(spool_dir: Path, eraser: Eraser, words: Iterable[str], *, dry_run: bool = False) -> int:
    """Erase in lines that were set aside; of those that nobody can read, the text goes where a subject is named in it.

    Args:
        spool_dir: The spool.
        eraser: Knows whose lines they are.
        words: What the subjects are called, where that is known.
        dry_run: Only count.
    """
    named = [orjson.dumps(word)[1:-1].decode() for word in words]
    return sum(
        _in_aside(path, eraser, named, dry_run=dry_run) for path in sorted((spool_dir / "poison").glob(f"*{SUFFIX}"))
    )


def _in_aside(path: Path, eraser: Eraser, words: list[str], *, dry_run: bool) -> int:
    found = 0
    entries = path.read_bytes().split(b"\n")
    for index, raw in enumerate(entries):
        try:
            entry: dict[str, Any] = orjson.loads(raw)
            line: str = entry["line"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
        left = eraser.line(line.encode())
        if left is None and not (_unreadable(line) and any(word in line for word in words)):
            continue
        found += 1
        entry["line"] = "" if left is None else left.decode().rstrip()
        entries[index] = orjson.dumps(entry)
    if found and not dry_run:
        fresh = path.with_name(path.name + ".new")
        fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, b"\n".join(entries))
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.replace(path)
    return found


def _unreadable(line: str) -> bool:
    try:
        _HEAD.decode(line.encode())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return False
