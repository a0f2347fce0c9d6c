"""The whole product in processes of its own, and what there is to see of it from outside."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from tests.support.quick_start import Started, start
from tests.support.waiting import FIRST_PAUSE_S, LONGEST_PAUSE_S

_T = TypeVar("_T")
_ROOT = Path(__file__).parents[2]
# python -m gateway
MODULE_WORDS = 3
CHAT = "/v1/chat/completions"
# Variables that would bring a provider or another configuration into a test.
_FOREIGN = ("WEIGHBRIDGE_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "MISTRAL_", "GROQ_", "AWS_", "AZURE_")


def until(look: Callable[[], _T | None], timeout_s: float = 60.0) -> _T:
    """Look again and again until something is there."""
    deadline, pause_s = time.monotonic() + timeout_s, FIRST_PAUSE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, LONGEST_PAUSE_S)
    return found


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "WEIGHBRIDGE_HOME": str(home), "PYTHONPATH": str(_ROOT), **more}


@dataclass
class Answer:
    """An answer that was read to its last byte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["x-weighbridge-id"] or ""

    def json(self) -> Any:
        return orjson.loads(self.body)


def ask(port: int, path: str, document: Any = None, *, timeout_s: float = 60.0, **headers: str) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        if document is None:
            connection.request("GET", path, headers=headers)
        else:
            sent = {"content-type": "application/json", **headers}
            connection.request("POST", path, orjson.dumps(document), sent)
        got = connection.getresponse()
        return Answer(got.status, got.headers, got.read())
    finally:
        connection.close()


def chat(model: str = "sim/echo", text: str = "hello", *, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


@dataclass
class Gateway:
    """A running ``weighbridge serve``."""

    process: subprocess.Popen[bytes] | Started
    home: Path
    port: int
    with_operator: bool
    greeting: str
    _log: Path = field(repr=False)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def chat(self, model: str = "sim/echo", text: str = "hello", *, stream: bool = False, **headers: str) -> Answer:
        return ask(self.port, CHAT, chat(model, text, stream=stream), timeout_s=60.0, **headers)

    def counts(self, index: int = 0) -> dict[str, Any]:
        """What a worker says of itself once a second."""
        return orjson.loads((self.home / "run" / f"worker-{index}.metrics.json").read_bytes())

    def policies(self, index: int = 0) -> dict[str, Any]:
        """What a worker says of the policies it has in force."""
        return orjson.loads((self.home / "run" / f"worker-{index}.policies.json").read_bytes())

    def next_counts(self, index: int = 0) -> dict[str, Any]:
        """What the worker says the next time."""
        before = self.counts(index)["written_ms"]
        return until(lambda: counts if (counts := self.counts(index))["written_ms"] != before else None)

    def worker_pid(self, index: int = 0) -> int:
        return self.counts(index)["pid"]

    @property
    def operator(self) -> dict[str, Any]:
        return orjson.loads((self.home / "run" / "operator.json").read_bytes())

    def ask_operator(self, path: str, document: Any = None) -> Answer:
        return ask(self.operator["port"], path, document)

    def sql(self, query: str) -> list[dict[str, Any]]:
        answer = self.ask_operator("/api/sql", {"query": query})
        assert answer.status == 200, answer.body
        return answer.json()["rows"]

    def metric(self, line: str) -> float:
        """One sample of ``/metrics``; 0 when it is not there."""
        for each in self.ask_operator("/metrics").body.decode().splitlines():
            name, _, value = each.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def spooled(self) -> list[dict[str, Any]]:
        """Every record that lies in the spool."""
        segments = sorted(path for path in (self.home / "spool").iterdir() if path.is_file())
        # A last line that is being written is not there yet.
        return [orjson.loads(line) for path in segments for line in path.read_bytes().split(b"\n")[:-1]]

    def record_of(self, exchange_id: str) -> dict[str, Any]:
        (found,) = until(lambda: [each for each in self.spooled() if each["id"] == exchange_id])
        return found

    def kill_worker(self, index: int = 0) -> float:
        """Kill it, and wait for the next one.

        Returns:
            Seconds until the next one answered.
        """
        before = self.worker_pid(index)
        os.kill(before, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: self.worker_pid(index) != before)
        assert ask(self.port, "/readyz").status == 200
        return time.monotonic() - began

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


def command(*arguments: str, operator: bool = False) -> list[str]:
    plane = ["--operator", "127.0.0.1:0"] if operator else ["--no-operator"]
    return [sys.executable, "-m", "gateway", "serve", "--listen", "127.0.0.1:0", *plane, *arguments]


def running(
    cwd: Path, *arguments: str, operator: bool = False, config: str = "", **environ: str
) -> AbstractContextManager[Gateway]:
    """Start the product in a folder, wait until it greets, and stop whatever is left of it.

    It begins in a process that has loaded ours.

    Args:
        cwd: The folder.
        arguments: Of ``serve``, besides the addresses.
        operator: Whether it has an operator plane.
        config: Written to ``weighbridge.yaml``.
        environ: Added to the environment.
    """
    return _running(cwd, command(*arguments, operator=operator), config, environ, quick=True)


def running_anew(
    cwd: Path, *arguments: str, operator: bool = False, config: str = "", **environ: str
) -> AbstractContextManager[Gateway]:
    """Start it as a user does; see :func:`running`."""
    return _running(cwd, command(*arguments, operator=operator), config, environ, quick=False)


@contextmanager
def _running(cwd: Path, line: list[str], config: str, environ: dict[str, str], *, quick: bool) -> Iterator[Gateway]:
    cwd.mkdir(parents=True, exist_ok=True)
    if config:
        (cwd / "weighbridge.yaml").write_text(textwrap.dedent(config))
    home, log = cwd / "home", cwd / "log"
    with log.open("ab") as err:
        process = start(
            line[MODULE_WORDS:], cwd=cwd, env=environment(home, **environ), stdout=None, stderr=err, quick=quick
        )
    assert process.stdout is not None
    try:
        base = process.stdout.readline().decode().strip()
        assert base, log.read_text()
        port = int(base.rpartition(":")[2].removesuffix("/v1"))
        yield Gateway(process, home, port, "--operator" in line, base, log)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    finally:
        if not exhausted(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        process.stdout.close()


def exhausted(session: int) -> bool:
    """Whether no process of a session is left."""
    return not members(session)


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
