"""What a kill can leave in an embedded store that the engine does not notice when it opens it again.

The engine notes an insert's token in a table's deduplication log *before* the part with its rows takes its place
(``MergeTreeSink``: the log first, the rename after). Killed between the two, it finds the token again, takes the slice
that is sent once more for a duplicate, and the rows are in no table ever. So an entry whose part is not there is
struck from the log before the engine opens it. Inserts come one after the other, so only the last entry can be such.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

_ADDED = b"1"
# Partition, first and last block, level, and a mutation's number: 20261125_7_9_1.
_PART = re.compile(r"(.+?)_(\d+)_(\d+)_\d+(?:_\d+)?")
# An entry has fewer bytes by far.
_TAIL_BYTES = 4096


def strike_unfinished(path: Path) -> int:
    """Strike from the deduplication logs of a store what was never finished. The engine must not be running.

    Args:
        path: The store's directory; one that some process has open is left alone.

    Returns:
        How many entries were struck.

    Raises:
        OSError: A log cannot be read or shortened.
    """
    try:
        # The engine holds a lock on this file for as long as it has the directory open, and takes it away when it ends.
        fd = os.open(path / "status", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    else:
        return sum(_strike(table) for table in path.glob("store/*/*") if (table / "deduplication_logs").is_dir())
    finally:
        os.close(fd)


def _strike(table: Path) -> bool:
    log = _newest_log(table / "deduplication_logs")
    if log is None:
        return False
    size = log.stat().st_size
    with log.open("r+b") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
        last = tail.rstrip(b"\n").rpartition(b"\n")[2]
        operation, _, rest = last.partition(b"\t")
        name = rest.partition(b"\t")[0].decode("utf-8", "replace")
        if operation != _ADDED or _is_there(table, name):
            return False
        file.truncate(size - len(tail) + tail.rindex(last))
        os.fsync(file.fileno())
    return True


def _newest_log(folder: Path) -> Path | None:
    """The log that was written last: they are numbered, and a new one may still be empty."""
    logs = [log for log in folder.glob("deduplication_log_*.txt") if log.stat().st_size]
    return max(logs, key=lambda log: int(log.stem.rpartition("_")[2]), default=None)


def _is_there(table: Path, name: str) -> bool:
    """Whether a part, or one that it was merged into, is in its place."""
    wanted = _PART.fullmatch(name)
    if wanted is None:
        # Not a form that is known here: better a log left alone than one spoilt.
        return True
    partition, block = wanted[1], int(wanted[2])
    found = (_PART.fullmatch(entry.name) for entry in table.iterdir())
    return any(part is not None and part[1] == partition and int(part[2]) <= block <= int(part[3]) for part in found)
