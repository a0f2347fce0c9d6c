"""A worker without a supervisor: one process that drains, reloads and ends as a supervised one does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.gateway_run import Answer, command, environment, members, running, until

# Told to stop before it listens to signals; the worker here does so when it has got its second line.
EARLY = """
import os, signal, sys, threading
from gateway.app.alone import Alone
from gateway.app.supervisor import Child

def run(lifeline, ready):
    told = threading.Event()
    print("begun", flush=True)
    sys.stdin.readline()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    os.write(ready, b"R")
    os.close(ready)
    while not told.wait(0.01):
        pass
    return 7

sys.exit(Alone(Child("worker", run), lambda: print("announced", flush=True)).run())
"""


@pytest.mark.integration
def test_one_process_serves_reloads_and_drains(tmp_path: Path) -> None:
    got: list[Answer] = []
    with running(tmp_path, "--no-supervisor", config="version: 1\n") as gateway:
        assert gateway.chat().status == 200
        assert members(gateway.process.pid) == [gateway.process.pid] == [gateway.worker_pid()]
        (tmp_path / "weighbridge.yaml").write_text(
            "version: 1\nmodels: [{alias: mine, candidates: [{provider: sim, model: echo}]}]\n"
        )
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.chat("mine").status == 200)
        caller = threading.Thread(target=lambda: got.append(gateway.chat("mine", "word " * 2000, stream=True)))
        caller.start()
        until(lambda: gateway.counts()["in_flight"] or got)
        assert gateway.stop() == 0
        caller.join()
    assert got[0].body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_stop_before_it_is_ready_stops_when_it_is(tmp_path: Path, number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EARLY],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "announced\n"
        assert process.wait(60) == 7


@pytest.mark.integration
def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    with running(tmp_path, "--no-supervisor") as gateway:
        assert gateway.stop(signal.SIGINT) == 0


@pytest.mark.integration
def test_there_is_nothing_else_to_run_beside_it(tmp_path: Path) -> None:
    line = command("--no-supervisor", "--workers", "2")
    done = subprocess.run(
        line, cwd=tmp_path, env=environment(tmp_path / "home"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "--workers 1 --no-operator" in done.stderr
