"""What the kernel's files say of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.clients.memory_limit import memory_limit

MACHINE = {"proc/meminfo": "MemTotal:        2048 kB\nMemFree: 3 kB\n"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (MACHINE, 2048 * 1024),
        ({**MACHINE, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4096\n"}, 4096),
        ({**MACHINE, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 2048 * 1024),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "500",
                "sys/fs/cgroup/a/b/memory.max": "700",
            },
            500,
        ),
        ({"proc/self/cgroup": "0::/outside/name\n", "sys/fs/cgroup/memory.max": "300"}, 300),
        (
            {
                "proc/self/cgroup": "7:cpu:/x\n4:memory:/docker/1\nodd\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "900",
            },
            900,
        ),
        ({"proc/meminfo": "MemTotal: many kB\n"}, None),
    ],
)
def test_the_tightest_limit_counts(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path) == limit


def test_this_machine_says_something() -> None:
    assert (memory_limit() or 0) > 2**20
