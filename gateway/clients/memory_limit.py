"""How much memory this process may have: its machine's, or less where it runs in a group with a limit.

https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files; the older files for version 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_KIBIBYTE = 1024


def memory_limit(root: Path = Path("/")) -> int | None:
    """Give it in bytes; ``None`` where nobody says.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    known = [limit for limit in (*_of_groups(root), _of_machine(root)) if limit is not None]
    return min(known) if known else None


def _of_groups(root: Path) -> Iterator[int | None]:
    groups = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = (*line.split(":", 2), "", "")[:3]
        version_1 = "memory" in names.split(",")
        if names and not version_1:
            continue
        top, file = (groups / "memory", "memory.limit_in_bytes") if version_1 else (groups, "memory.max")
        here = top / path.lstrip("/")
        # Inside a container its own group is the top, whatever its path is called outside.
        for each in (here, *here.parents):
            yield _number(_read(each / file))
            if each == top:
                break


def _of_machine(root: Path) -> int | None:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            kibibytes = _number(line.split()[1])
            return None if kibibytes is None else kibibytes * _KIBIBYTE
    return None


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
