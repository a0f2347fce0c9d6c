"""The supervisor with children that are a few lines long, in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.app.supervisor import listening_sockets
from tests.support.figures import BUSY
from tests.support.gateway_run import environment, until

# A child notes its number and pid in a folder, says that it is ready, and does what its kind says.
SCRIPT = """
import os, select, signal, sys, time
from pathlib import Path
from gateway.app.supervisor import Child, Supervisor

folder, kinds, drain_s = Path(sys.argv[1]), sys.argv[2].split(","), float(sys.argv[3])

def note(text):
    with (folder / "notes").open("a") as notes:
        notes.write(text + "\\n")

def run(kind, lifeline, ready):
    if kind == "hopeless":
        return 1
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("TERM"))
    signal.signal(signal.SIGHUP, lambda *_: told.append("HUP"))
    if kind == "deaf":
        signal.signal(signal.SIGTERM, lambda *_: note("deaf hears"))
    note(f"{kind} {os.getpid()}")
    os.write(ready, b"R")
    os.close(ready)
    while True:
        gone, _, _ = select.select([lifeline], [], [], 0.005)
        if gone:
            note(f"{kind} alone")
            return 0
        if "HUP" in told:
            told.remove("HUP")
            note(f"{kind} reloads")
        if "TERM" in told:
            note(f"{kind} stops")
            return 0

def child(kind):
    return Child(kind, lambda lifeline, ready: run(kind, lifeline, ready))

operator = child("operator") if "operator" in kinds else None
workers = [child(kind) for kind in kinds if kind != "operator"]
sys.exit(Supervisor(workers, operator, drain_s, lambda: note("announced")).run())
"""


class Supervised:
    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._notes = folder / "notes"

    def notes(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._notes.read_text().splitlines()
        return []

    def pids(self, kind: str) -> list[int]:
        return [int(note.split()[1]) for note in self.notes() if note.startswith(f"{kind} ") and note[-1].isdigit()]

    def tell(self, number: int) -> None:
        self.process.send_signal(number)


@contextmanager
def supervised(folder: Path, kinds: str, drain_s: float = 5.0):
    line = [sys.executable, "-c", SCRIPT, str(folder), kinds, str(drain_s)]
    with subprocess.Popen(line, env=environment(folder), stderr=subprocess.DEVNULL) as process:
        try:
            yield Supervised(process, folder)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_are_stopped_before_the_operator(tmp_path: Path, number: int) -> None:
    with supervised(tmp_path, "first,second,operator") as run:
        until(lambda: "announced" in run.notes())
        run.tell(number)
        assert run.process.wait(30) == 0
        stops = [note for note in run.notes() if note.endswith("stops")]
        assert sorted(stops[:2]) == ["first stops", "second stops"]
        assert stops[2:] == ["operator stops"]


def test_readiness_is_announced_once_and_when_all_are_ready(tmp_path: Path) -> None:
    with supervised(tmp_path, "first,operator") as run:
        until(lambda: "announced" in run.notes())
        assert run.pids("first")
        assert run.pids("operator")
        signal_to(run.pids("first")[0])
        until(lambda: len(run.pids("first")) == 2)
        assert run.notes().count("announced") == 1


def signal_to(pid: int, number: int = signal.SIGKILL) -> None:
    subprocess.run(["kill", f"-{int(number)}", str(pid)], check=True)


def test_a_child_that_died_is_back_at_once_and_later_each_time(tmp_path: Path) -> None:
    with supervised(tmp_path, "first") as run:
        until(lambda: run.pids("first"))
        pauses: list[float] = []
        for dead in range(1, 4):
            began = time.monotonic()
            signal_to(run.pids("first")[-1])
            until(lambda dead=dead: len(run.pids("first")) > dead)
            pauses.append(time.monotonic() - began)
        assert pauses[0] < 1.0 * BUSY
        assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True))


def test_a_child_that_cannot_start_ends_all(tmp_path: Path) -> None:
    with supervised(tmp_path, "hopeless,operator") as run:
        assert run.process.wait(30) == 1
        assert "announced" not in run.notes()


def test_a_hang_up_reaches_every_child(tmp_path: Path) -> None:
    with supervised(tmp_path, "first,operator") as run:
        until(lambda: "announced" in run.notes())
        run.tell(signal.SIGHUP)
        until(lambda: {"first reloads", "operator reloads"} <= set(run.notes()))


def test_whoever_does_not_stop_when_asked_twice_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "deaf") as run:
        until(lambda: "announced" in run.notes())
        run.tell(signal.SIGTERM)
        until(lambda: "deaf hears" in run.notes())
        run.tell(signal.SIGTERM)
        assert run.process.wait(30) == 0


def test_children_see_that_the_supervisor_is_gone(tmp_path: Path) -> None:
    with supervised(tmp_path, "first,operator") as run:
        until(lambda: "announced" in run.notes())
        run.tell(signal.SIGKILL)
        until(lambda: {"first alone", "operator alone"} <= set(run.notes()))


def test_several_sockets_share_one_port() -> None:
    sockets = listening_sockets("127.0.0.1", 0, 3)
    assert len({each.getsockname() for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_one_socket_does_not_share_its_port() -> None:
    (first,) = listening_sockets("127.0.0.1", 0, 1)
    with first, pytest.raises(OSError, match="in use"):
        listening_sockets("127.0.0.1", first.getsockname()[1], 1)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_address_of_version_six_is_listened_on() -> None:
    try:
        (each,) = listening_sockets("::1", 0, 1)
    except OSError:
        pytest.skip("no IPv6 on this machine's loopback")
    assert each.getsockname()[0] == "::1"
    each.close()
