"""Starts a program pinned to one CPU, and reads what it has used since."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0

# What the generator sends as its credential.
LOAD_KEY = "sk-load"


class StartError(Exception):
    """A program died or stayed silent instead of answering."""


@dataclass
class Program:
    """A running program and everything it started; they share a session.

    Attributes:
        ignored_port: What listens here is left out of the figures (the operator plane).
    """

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    start_ms: float = 0.0
    ignored_port: int = 0
    _ignored: set[int] = field(default_factory=set)

    def pids(self) -> list[int]:
        """The processes whose use is counted."""
        if self.ignored_port and not self._ignored:
            self._ignored = set(listening(self.ignored_port))
        return [pid for pid, session in sessions() if session == self.process.pid and pid not in self._ignored]

    def cpu_s(self) -> float:
        """CPU time used so far, user and system, in seconds."""
        return sum(on_cpu_ns(pid) for pid in self.pids()) / 1e9

    def rss_mb(self) -> float:
        """Resident memory of the largest counted process, in MiB: the worker."""
        return max((resident_kb(pid) for pid in self.pids()), default=0) / 1024

    def stop(self) -> None:
        """End the session: ask, wait, then insist."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_S)
        for pid, session in sessions():
            if session == self.process.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def sessions() -> Iterator[tuple[int, int]]:
    """Every process of the machine with its session."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may hold anything, so fields are counted from its end.
                yield int(entry.name), int((entry / "stat").read_text().rpartition(") ")[2].split()[3])


def on_cpu_ns(pid: int) -> int:
    """Time on a CPU of a process's living threads, as the scheduler counts: the ticks of ``stat`` are too coarse."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total


def resident_kb(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def listening(port: int) -> Iterator[int]:
    """The processes that hold a listening socket on a loopback port."""
    inodes = set[str]()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if any(str(fd.readlink()) in inodes for fd in (entry / "fd").iterdir()):
                    yield int(entry.name)


def answers(port: int) -> bool:
    """Something speaks HTTP on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def start(name: str, port: int, command: list[str], *, cpu: int | str, home: Path, ignored_port: int = 0) -> Program:
    """Start a program on one CPU, or on a list of them, and wait until it answers HTTP.

    Raises:
        StartError: The port is taken, the program ended, or it did not answer in time.
    """
    if answers(port):
        msg = f"{name}: port {port} is taken"
        raise StartError(msg)
    home.mkdir(parents=True, exist_ok=True)
    log = home / "log"
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={
                **os.environ,
                "WEIGHBRIDGE_HOME": str(home),
                "WEIGHBRIDGE_BENCH_KEY": LOAD_KEY,
                "WEIGHBRIDGE_BENCH_PROVIDER_KEY": "sk-provider",
            },
            start_new_session=True,
        )
    program = Program(name, port, process, log, ignored_port=ignored_port)
    while not answers(port):
        if process.poll() is not None or time.monotonic() - began > START_TIMEOUT_S:
            program.stop()
            msg = f"{name} did not start: {log.read_text(errors='replace')[-400:].strip()}"
            raise StartError(msg)
        time.sleep(0.01)
    program.start_ms = (time.monotonic() - began) * 1000
    return program
