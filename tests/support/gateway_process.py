"""The gateway as a user starts it, ``python -m gateway serve`` in processes of its own, and commands that ask it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from tests.support.quick_start import run, start
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
GREETING_LINES = 3
START_S = 60.0
# What would make a provider, a proxy or a setting of ours out of the environment the tests run in.
_FOREIGN = ("_API_KEY", "_BASE_URL", "_PROXY", "_proxy")
_FOREIGN_STARTS = ("WEIGHBRIDGE_", "AWS_", "AZURE_")


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """The one document on its standard output."""
        assert self.code == 0, self.err
        return orjson.loads(self.out)


def clean_environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without anything that configures a gateway."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(_FOREIGN) and not name.startswith(_FOREIGN_STARTS)
    }
    return kept | {"PYTHONPATH": str(ROOT)} | dict(more or {})


class GatewayProcess:
    """Starts a gateway and waits until it is ready.

    Args:
        home: A folder of its own: working folder, data home, logs.
        arguments: Of ``serve``, besides the addresses.
        config: Written to ``weighbridge.yaml`` in ``home``.
        env: Added to an environment without any settings.
        operator: Whether it has an operator plane.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        config: str = "",
        env: Mapping[str, str] | None = None,
        operator: bool = True,
    ) -> None:
        self.home = home
        self.data = home / "data"
        self.log = home / "stderr.log"
        self._said = home / "stdout.log"
        if config:
            (home / "weighbridge.yaml").write_text(config)
        self.env = clean_environ({"WEIGHBRIDGE_HOME": str(self.data), **(env or {})})
        plane = ("--operator", "127.0.0.1:0") if operator else ("--no-operator",)
        words = ["serve", "--listen", "127.0.0.1:0", *plane, *arguments]
        with self.log.open("wb") as err, self._said.open("wb") as out:
            self.process = start(words, cwd=home, env=self.env, stdout=out, stderr=err)
        try:
            self.greeting = until(self._greeted, START_S)
            self.base_url = self.greeting[0]
            self.host, self.port = "127.0.0.1", urlsplit(self.base_url).port or 0
            self.operator_url = self._operator_url() if operator else ""
            until(lambda: self.ask("GET", "/readyz")[0] == 200 or None)
        except BaseException:
            self.kill()
            raise

    def _greeted(self) -> list[str] | None:
        assert self.process.poll() is None, f"it did not start: {self.stderr}"
        lines = self._said.read_text().splitlines(keepends=True)
        whole = len(lines) >= GREETING_LINES - (not self.data.joinpath("run/operator.json").exists())
        return [line.strip() for line in lines] if whole and lines[-1].endswith("\n") else None

    def _operator_url(self) -> str:
        listening = orjson.loads((self.data / "run/operator.json").read_bytes())
        self.operator_pid: int = listening["pid"]
        return f"http://127.0.0.1:{listening['port']}"

    # --- what it is

    @property
    def stderr(self) -> str:
        """All that its processes have logged."""
        return self.log.read_text()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self.process.pid

    @property
    def workers(self) -> set[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {int(child) for child in children} - {getattr(self, "operator_pid", 0)}

    # --- speaking to it

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request over a connection of its own; returns status, headers (lower-case) and body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def post(
        self, path: str, document: Any, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one JSON document."""
        return self.ask("POST", path, orjson.dumps(document), {"content-type": "application/json", **(headers or {})})

    def operator(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Ask the operator plane for a JSON document."""
        parts = urlsplit(self.operator_url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
        try:
            body = None if document is None else orjson.dumps(document)
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, orjson.loads(answer.read())
        finally:
            connection.close()

    def exchange(self, exchange_id: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """The record of an exchange, as soon as it can be read."""

        def look() -> dict[str, Any] | None:
            status, document = self.operator("GET", f"/api/exchanges/{exchange_id}")
            return document if status == 200 else None

        return until(look, timeout_s)

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query on the trace store."""
        status, document = self.operator("POST", "/api/sql", {"query": query})
        assert status == 200, document
        return document["rows"]

    def cli(self, *words: str) -> Ran:
        """Run a command of ``weighbridge`` against this gateway."""
        env = self.env | {"WEIGHBRIDGE_OPERATOR": self.operator_url.removeprefix("http://")}
        done = run(words, cwd=self.home, env=env)
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    # --- its end

    def stop(self, timeout_s: float = 30.0) -> int:
        """Tell it to stop, as a service manager does; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """Leave nothing behind: its processes are a group of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def seconds_since(start: float) -> float:
    """Seconds that have passed since ``time.monotonic()`` gave ``start``."""
    return time.monotonic() - start
