"""A real operator in a process of its own: chDB, shipper and API on loopback, fed through a real spool."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from gateway.clients.clock import SystemClock
from gateway.config.drifting import Drift
from gateway.core.ids import IdSource
from gateway.core.record import AttemptRecord, ExchangeRecord, GuardEvent
from gateway.recording.recorder import Recorder
from gateway.recording.spool import SpoolWriter
from tests.support.waiting import until

_CLOCK = SystemClock()
_NEXT_ID = IdSource(os.urandom)

_SCRIPT = """
import asyncio, logging, sys
from pathlib import Path
import msgspec
from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.clock import SystemClock
from gateway.config.drifting import Drift
from gateway.operator.process import OperatorOptions, run_operator
logging.basicConfig(level=logging.INFO)
home, traces_url, token, drift, ready_fd, lifeline_fd = sys.argv[1:]
drift = msgspec.json.decode(drift, type=Drift | None)
asyncio.run(run_operator(
    OperatorOptions(
        host="127.0.0.1", port=0, token=token or None, traces_url=traces_url,
        spool_dir=Path(home, "spool"), run_dir=Path(home, "run"),
        answers=lambda: EmbeddedShelf(
            Path(home), SystemClock(), max_bytes=1 << 24, max_entries=1000, neighbours=False
        ),
        drift=drift,
    ),
    ready_fd=int(ready_fd), lifeline_fd=int(lifeline_fd),
))
"""


def exchange(**changes: Any) -> ExchangeRecord:
    """A plausible record of a call a moment ago."""
    values: dict[str, Any] = {
        "id": _NEXT_ID(_CLOCK.unix_ms()),
        "started_us": _CLOCK.unix_us(),
        "team": "support",
        "key_id": "key-1",
        "dialect": "openai_chat",
        "route": "/v1/chat/completions",
        "alias": "*",
        "provider": "openai",
        "deployment": "openai/gpt-4o-mini",
        "model_requested": "gpt-4o-mini",
        "model_served": "gpt-4o-mini-2024-07-18",
        "status": 200,
        "usage_source": "reported",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_nanousd": 31_500,
        "ttft_ms": 120.0,
        "duration_ms": 800.0,
        "overhead_ms": 0.4,
        "attempts": [AttemptRecord(provider="openai", deployment="openai/gpt-4o-mini", status=200, duration_ms=799.0)],
    }
    return msgspec.structs.replace(ExchangeRecord(), **(values | changes))


def guard_event(rule: str = "no-keys") -> GuardEvent:
    """A plausible hit."""
    return GuardEvent(
        rule=rule,
        detector="keys",
        action="redact",
        mode="enforce",
        direction="request",
        path="messages/0/content",
        start=4,
        end=24,
    )


class OperatorPlane:
    """Starts one, and speaks to it.

    Args:
        home: Holds its store, spool and run folder.
        token: Its bearer token.
        traces_url: Its store; chDB in ``home`` by default.
        drift: What it compares calls by; nothing by default.
    """

    def __init__(self, home: Path, token: str = "", traces_url: str = "", drift: Drift | None = None) -> None:
        self.home = home
        self.run_dir = home / "run"
        ready_read, ready_write = os.pipe()
        lifeline_read, self._lifeline = os.pipe()
        self.log = home / "operator.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _SCRIPT, str(home), traces_url or f"chdb://{home / 'traces'}", token),
                    *(msgspec.json.encode(drift).decode(), str(ready_write), str(lifeline_read)),
                ],
                pass_fds=(ready_write, lifeline_read),
                stderr=log,
            )
        os.close(ready_write)
        os.close(lifeline_read)
        said = os.read(ready_read, 1)
        os.close(ready_read)
        assert said == b"R", self.log.read_text()
        listening = orjson.loads((self.run_dir / "operator.json").read_bytes())
        self.port: int = listening["port"]
        self.address = f"127.0.0.1:{self.port}"
        clock = SystemClock()
        self._spool = SpoolWriter(home / "spool", name="worker-0", clock=clock, max_bytes=1 << 30)
        self._recorder = Recorder(self._spool, msgspec.json.Encoder())

    def ask(
        self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = None if document is None else orjson.dumps(document)
            sent = dict(headers or {}) | ({"content-type": "application/json"} if body is not None else {})
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Fetch a JSON document."""
        status, body = self.ask("GET", path, headers=headers)
        return status, orjson.loads(body)

    def post(self, path: str, document: Any) -> tuple[int, Any]:
        """Send a JSON document and fetch another."""
        status, body = self.ask("POST", path, document)
        return status, orjson.loads(body)

    def append(self, records: Iterable[ExchangeRecord]) -> None:
        """Write records to the spool, as a worker does."""
        for record in records:
            self._recorder.append(record)

    def record(self, *records: ExchangeRecord) -> list[str]:
        """Write records to the spool and wait until they can be read; returns their ids."""
        self.append(records)
        for record in records:
            until(lambda found=record.id: self.get(f"/api/exchanges/{found}")[0] == 200 or None)
        return [record.id for record in records]

    def abandon(self) -> None:
        """Let the lifeline go, as a supervisor that dies does."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def finish_spool(self) -> None:
        """Let the spool's segment go, as a worker that ends does."""
        self._spool.close()

    def stop(self) -> int:
        """Tell it to stop; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._spool.close()
        self.abandon()
        return code
