"""The processes of ``weighbridge serve``: how they start, share their work, and end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from tests.support.gateway_run import (
    CHAT,
    Answer,
    Gateway,
    ask,
    chat,
    command,
    environment,
    exhausted,
    members,
    until,
)
from tests.support.gateway_run import running_anew as running

pytestmark = pytest.mark.integration

SLOW = "sim/lorem?tokens=40&delay_ms=40"
ENDLESS = "sim/lorem?tokens=100000&delay_ms=20"


class Slow:
    """A stream that a client reads on a thread; what it saw is there when it has ended."""

    def __init__(self, gateway: Gateway, model: str) -> None:
        self.answer: Answer | None = None
        self.cut = False
        self._read: Callable[[], Answer] = lambda: gateway.chat(model, stream=True)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        until(lambda: gateway.counts()["in_flight"])

    def _run(self) -> None:
        try:
            self.answer = self._read()
        except (OSError, http.client.HTTPException):
            self.cut = True

    def wait(self) -> Answer:
        self._thread.join(60)
        assert self.answer is not None
        return self.answer

    def wait_cut(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def draining(port: int) -> bool:
    with suppress(ConnectionError):
        return ask(port, "/readyz").status == 503
    return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_nothing_is_lost(tmp_path: Path, number: int) -> None:
    with running(tmp_path, operator=True) as gateway:
        slow = Slow(gateway, SLOW)
        gateway.process.send_signal(number)
        until(lambda: draining(gateway.port))
        ready = ask(gateway.port, "/readyz")
        assert (ready.status, ready.json()["status"]) == (503, "draining")
        refused = gateway.chat()
        assert (refused.status, refused.json()["error"]["code"]) == (503, "draining")
        assert int(refused.headers["retry-after"]) >= 1
        assert ask(gateway.port, "/healthz").status == 200
        answer = slow.wait()
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert answer.body.count(b'"content"') == 41
        assert gateway.process.wait(60) == 0
        assert exhausted(gateway.process.pid)
    # The operator ends only when what the workers wrote is in the store.
    with running(tmp_path, operator=True) as gateway:
        rows = gateway.sql("SELECT toString(id) AS id, status, error_code FROM exchanges ORDER BY started_at")
        told = {row["id"]: (row["status"], row["error_code"]) for row in rows}
        assert told == {answer.id: (200, ""), refused.id: (503, "draining")}


def test_what_lasts_longer_than_the_drain_timeout_is_cut_and_recorded(tmp_path: Path) -> None:
    with running(tmp_path, config="version: 1\ndrain_timeout: 300ms\n") as gateway:
        slow = Slow(gateway, ENDLESS)
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began > 0.25
        slow.wait_cut()
        if slow.answer is not None:
            assert b"[DONE]" not in slow.answer.body
        (record,) = gateway.spooled()
        assert record["error_code"] != ""
        assert "1 calls were cut" in gateway.log


def test_a_second_signal_ends_a_drain(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        slow = Slow(gateway, ENDLESS)
        gateway.process.send_signal(signal.SIGINT)
        until(lambda: draining(gateway.port))
        assert gateway.stop(signal.SIGINT) == 0
        slow.wait_cut()
        assert exhausted(gateway.process.pid)


def test_a_worker_that_is_done_leaves_nobody_waiting_on_its_socket(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        assert gateway.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            ask(gateway.port, "/readyz")


@pytest.mark.slow
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, operator=True) as gateway:
        assert len(members(gateway.process.pid)) == 3
        answer = gateway.chat()
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait(30)
        until(lambda: exhausted(gateway.process.pid))
        assert answer.status == 200


@pytest.mark.slow
def test_two_workers_share_the_port_and_their_counts_add_up(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2", operator=True) as gateway:
        calls = 0

        def served(index: int) -> int:
            return sum(cell[1][0] for cell in gateway.counts(index)["cells"])

        while not (served(0) and served(1)):
            for _ in range(10):
                assert gateway.chat().status == 200
                calls += 1
            assert calls < 200_000  # each worker tells its counts once a second
        until(lambda: served(0) + served(1) == calls)
        labels = 'dialect="openai_chat",provider="sim",model="sim/echo",status="200",error_code=""'
        name = f"weighbridge_exchanges_total{{{labels}}}"
        until(lambda: gateway.metric(name) == calls)
        for index in (0, 1):
            assert gateway.metric(f'weighbridge_worker_up{{worker="{index}"}}') == 1
        # One of two dies: the other serves, and no count falls back.
        gateway.kill_worker(1)
        for _ in range(20):
            with suppress(ConnectionError):
                calls += gateway.chat().status == 200
        until(lambda: gateway.metric(name) >= calls - 20)
        until(lambda: int(gateway.sql("SELECT count() AS n FROM exchanges")[0]["n"]) >= calls)


def refused(tmp_path: Path, *arguments: str) -> str:
    """Start what cannot start; returns what it says."""
    done = subprocess.run(
        command(*arguments), cwd=tmp_path, env=environment(tmp_path / "home"), capture_output=True, text=True,
        timeout=60, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_an_address_that_is_taken_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, "--listen", f"127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert "Traceback" not in said
    assert not (tmp_path / "home").exists()


def test_bad_configuration_is_said_all_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "weighbridge.yaml").write_text("version: 1\nworkers: 0\ncolour: blue\nlisten: {address: nowhere}\n")
    said = refused(tmp_path)
    assert all(f"weighbridge.yaml:{line}: " in said for line in (2, 3, 4))
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_an_operator_address_that_is_taken_ends_everything(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = [each for each in command("--operator", f"127.0.0.1:{port}") if each != "--no-operator"]
        done = subprocess.run(
            line, cwd=tmp_path, env=environment(tmp_path / "home"), capture_output=True, text=True, timeout=60,
            check=False, start_new_session=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"cannot listen on 127.0.0.1:{port}: " in done.stderr


def test_without_an_operator_there_is_none(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        assert len(members(gateway.process.pid)) == 2
        assert not (gateway.home / "run" / "operator.json").exists()
        answer = gateway.chat()
        assert gateway.record_of(answer.id)["status"] == 200
    assert [each["id"] for each in gateway.spooled()] == [answer.id]


def test_a_kept_connection_is_told_that_the_gateway_drains(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        connection.request("POST", CHAT, orjson.dumps(chat(SLOW, stream=True)), {"content-type": "application/json"})
        stream = connection.getresponse()
        until(lambda: gateway.counts()["in_flight"])
        os.kill(gateway.process.pid, signal.SIGTERM)
        body = stream.read()
        assert body.endswith(b"data: [DONE]\n\n")
        assert gateway.process.wait(30) == 0
        connection.close()
