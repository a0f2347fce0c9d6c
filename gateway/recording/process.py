"""What a process can say of itself: the memory and the time that it takes."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int | None:
    """Memory of this process that is resident, or ``None`` where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return None
    return int(pages) * _PAGE_BYTES


def cpu_seconds() -> float:
    """CPU time of this process, user and system."""
    times = os.times()
    return times.user + times.system
