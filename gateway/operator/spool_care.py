"""A spool as whoever looks after a machine sees it: what waits, what is stuck, and how that is put right.

Nothing here is needed while all goes well: the shipper deals with killed processes, torn lines and lost power itself.
What it cannot deal with is an offset that somebody or a dying disk has spoilt, since lines sent under other tokens
would count twice; and lines that the store has refused, once the reason for that is gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
import orjson

from gateway.core.errors import StoreUnavailable
from gateway.operator.offsets import OffsetBook, read_progress
from gateway.plugin.traces import TraceDriver
from gateway.recording.segment import SegmentName, list_segments

_PIECE_BYTES = 1 << 20
_IDS_AT_ONCE = 1_000
# What is being put right, until it is whole and takes the place of what it is made of.
_DRAFT = ".part"
_WRITER = "repair"
_KNOWN = """
SELECT toString(id) AS known FROM exchanges WHERE id IN (SELECT toUUID(arrayJoin(splitByChar(',', {ids:String}))))
    AND started_at >= fromUnixTimestamp64Micro({first:Int64}, 'UTC')
    AND started_at <= fromUnixTimestamp64Micro({last:Int64}, 'UTC')
"""


class SegmentState(msgspec.Struct, frozen=True, kw_only=True):
    """One segment.

    Attributes:
        age_s: Since it was begun.
        open: Its writer is alive and may add to it.
        fault: ``offsets`` when nobody can say how far it was shipped; empty when all is well.
    """

    name: str
    size_bytes: int
    waiting_bytes: int
    waiting_lines: int
    age_s: int
    open: bool
    fault: str = ""


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """All of a spool.

    Attributes:
        shipping: A process ships it now.
        oldest_s: Age of the oldest segment in which anything waits.
        poison_lines: Lines that the store has refused.
        reasons: Why, and how many.
    """

    dir: str
    shipping: bool
    used_bytes: int
    waiting_bytes: int
    waiting_lines: int
    oldest_s: int
    poison_lines: int
    poison_bytes: int
    reasons: dict[str, int]
    segments: list[SegmentState]

    @property
    def sound(self) -> bool:
        """Nothing waits for anybody's hand."""
        return not self.poison_lines and not any(segment.fault for segment in self.segments)


class Repaired(msgspec.Struct, kw_only=True):
    """What a repair did, or would do.

    Attributes:
        segments: Whose offsets could not be read; they are taken apart.
        lines_known: Lines in them that the store has.
        lines_queued: Lines in them that it has not; they are shipped anew.
        poison_queued: Lines set aside that are shipped anew.
        poison_left: Those that are no records at all, or that are in the store by now.
        left_open: Segments that cannot be taken apart, since their writers are alive.
    """

    segments: int = 0
    lines_known: int = 0
    lines_queued: int = 0
    poison_queued: int = 0
    poison_left: int = 0
    left_open: int = 0


class _Head(msgspec.Struct):
    id: UUID
    started_us: int


class _Poison(msgspec.Struct):
    offset: int
    reason: str
    line: str


_HEADS = msgspec.json.Decoder(_Head)
_ENTRIES = msgspec.json.Decoder(_Poison)


def survey(directory: Path, now_ms: int) -> SpoolState:
    """Look at a spool. Nothing is changed; its writers and its shipper are not in the way. Blocks."""
    segments = list(_segments(directory, now_ms))
    poison = [entry for path in _poison_files(directory) for entry in _entries(path)]
    reasons: dict[str, int] = {}
    for entry in poison:
        reasons[entry.reason] = reasons.get(entry.reason, 0) + 1
    return SpoolState(
        dir=str(directory),
        shipping=is_shipping(directory),
        used_bytes=sum(segment.size_bytes for segment in segments),
        waiting_bytes=sum(segment.waiting_bytes for segment in segments),
        waiting_lines=sum(segment.waiting_lines for segment in segments),
        oldest_s=max((segment.age_s for segment in segments if segment.waiting_lines), default=0),
        poison_lines=len(poison),
        poison_bytes=sum(path.stat().st_size for path in _poison_files(directory)),
        reasons=dict(sorted(reasons.items())),
        segments=segments,
    )


def is_shipping(directory: Path) -> bool:
    """Whether a process ships a spool now."""
    return _is_locked(directory / "offsets" / "lock")


def left_of(directory: Path, noted: dict[str, int]) -> int:
    """How many bytes of some segments, up to where each went, are not in the store yet. Blocks."""
    left = 0
    for name, size in noted.items():
        if (directory / name).exists():
            try:
                left += max(0, size - read_progress(directory / "offsets", name).committed)
            except (msgspec.DecodeError, UnicodeDecodeError):
                left += size
    return left


async def repair(
    directory: Path, driver: TraceDriver, now_ms: int, *, poison: bool = False, dry: bool = False
) -> Repaired:
    """Put right what the shipper cannot.

    Args:
        directory: The spool.
        driver: The trace store, opened and brought up to date: it says which lines it has.
        now_ms: Names new segments.
        poison: Give lines that the store has refused another try.
        dry: Change nothing; say what would be done.

    Raises:
        StoreUnavailable: A process ships the spool, or the store cannot be asked.
    """
    book = OffsetBook(directory / "offsets")
    if not book.claim():
        raise StoreUnavailable("A process ships this spool; stop the gateway first.")
    done = Repaired()
    try:
        if not dry:
            _adopt_drafts(directory, now_ms)
        for number, name in enumerate(_spoilt(directory)):
            await _take_apart(directory, driver, done, name, SegmentName(now_ms, number, _WRITER), dry=dry)
            if not dry and not (directory / name).exists():
                book.forget(name)
        if poison:
            await _put_back(directory, driver, done, SegmentName(now_ms, 0, f"{_WRITER}-poison"), dry=dry)
        if not dry:
            book.forget_all_but({str(name) for name in list_segments(directory)})
    finally:
        book.release()
    return done


async def _take_apart(
    directory: Path, driver: TraceDriver, done: Repaired, name: str, fresh: SegmentName, *, dry: bool
) -> None:
    path = directory / name
    if _is_locked(path):
        done.left_open += 1
        return
    lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line]
    known = await _known(driver, lines)
    # What is no record is refused by the store, and set aside with the reason.
    kept = [line for line in lines if _id_of(line) not in known]
    done.segments += 1
    done.lines_known += len(lines) - len(kept)
    done.lines_queued += len(kept)
    if not dry:
        draft = _write_draft(directory / f"{name}{_DRAFT}", kept)
        path.unlink()
        _adopt(draft, directory / str(fresh))


async def _put_back(directory: Path, driver: TraceDriver, done: Repaired, fresh: SegmentName, *, dry: bool) -> None:
    # A shipper that was killed at the wrong moment has set a line aside twice.
    entries = {(path.name, entry.offset): entry for path in _poison_files(directory) for entry in _entries(path)}
    lines = {place: entry.line.encode() for place, entry in entries.items()}
    known = await _known(driver, list(lines.values()))
    again = {place: line for place, line in lines.items() if (found := _id_of(line)) and found not in known}
    done.poison_queued += len(again)
    done.poison_left += len(entries) - len(again)
    if dry or not again:
        return
    draft = _write_draft(directory / f"{fresh}{_DRAFT}", list(again.values()))
    for path in _poison_files(directory):
        left = [entry for (name, offset), entry in entries.items() if name == path.name and (name, offset) not in again]
        _write_draft(path.with_suffix(".new"), [orjson.dumps(msgspec.structs.asdict(entry)) for entry in left])
        path.with_suffix(".new").replace(path)
        if not left:
            path.unlink()
    _adopt(draft, directory / str(fresh))


async def _known(driver: TraceDriver, lines: list[bytes]) -> set[str]:
    heads = [head for line in lines if (head := _head(line)) is not None]
    known: set[str] = set()
    for at in range(0, len(heads), _IDS_AT_ONCE):
        some = heads[at : at + _IDS_AT_ONCE]
        params = {
            "ids": ",".join(str(head.id) for head in some),
            "first": str(min(head.started_us for head in some)),
            "last": str(max(head.started_us for head in some)),
        }
        rows = await driver.query(_KNOWN, fmt="TSVRaw", params=params)
        known.update(rows.decode().split())
    return known


def _segments(directory: Path, now_ms: int) -> Iterator[SegmentState]:
    for name in list_segments(directory):
        with suppress(FileNotFoundError):
            path = directory / str(name)
            size, fault, committed = path.stat().st_size, "", 0
            try:
                committed = read_progress(directory / "offsets", str(name)).committed
            except (msgspec.DecodeError, UnicodeDecodeError):
                fault = "offsets"
            yield SegmentState(
                name=str(name),
                size_bytes=size,
                waiting_bytes=max(0, size - committed),
                waiting_lines=_count_lines(path, committed),
                age_s=max(0, now_ms - name.unix_ms) // 1000,
                open=_is_locked(path),
                fault=fault,
            )


def _count_lines(path: Path, start: int) -> int:
    count = 0
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(_PIECE_BYTES):
            count += piece.count(b"\n")
    return count


def _spoilt(directory: Path) -> list[str]:
    found: list[str] = []
    for name in list_segments(directory):
        try:
            read_progress(directory / "offsets", str(name))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.append(str(name))
    return found


def _poison_files(directory: Path) -> list[Path]:
    folder = directory / "poison"
    return sorted(folder.glob("*.ndjson")) if folder.is_dir() else []


def _entries(path: Path) -> Iterator[_Poison]:
    for line in path.read_bytes().splitlines():
        with suppress(msgspec.DecodeError):
            yield _ENTRIES.decode(line)


def _head(line: bytes) -> _Head | None:
    try:
        return _HEADS.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _id_of(line: bytes) -> str:
    head = _head(line)
    return "" if head is None else str(head.id)


def _is_locked(path: Path) -> bool:
    """Whether somebody holds a file for writing. Holds it for an instant itself, beside others who only look."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _write_draft(path: Path, lines: list[bytes]) -> Path:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    return path


def _adopt(draft: Path, segment: Path) -> None:
    if draft.stat().st_size:
        draft.replace(segment)
    else:
        draft.unlink()


def _adopt_drafts(directory: Path, now_ms: int) -> None:
    """Finish a repair that was killed: a draft whose original is still there is worth nothing."""
    for number, draft in enumerate(sorted(directory.glob(f"*{_DRAFT}"))):
        if draft.with_suffix("").exists():
            draft.unlink()
        else:
            _adopt(draft, directory / str(SegmentName(now_ms, number, f"{_WRITER}-again")))
