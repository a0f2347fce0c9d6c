"""``python -m loadtests.steps``: what one small chat call makes the interpreter do, function by function.

Time differs from run to run by more than most changes bring; the number of bytecodes does not. Real rooms and protocols
in this process, transports that only keep what they are given: 64 calls go in, 64 answers come back, as in ``c64``.
What C libraries do in between is not seen here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from gateway.app.build import Shared, build_pipeline
from gateway.app.policies import load_guards
from gateway.clients.clock import SystemClock
from gateway.clients.http import HttpClient, Pool
from gateway.clients.http_connection import UpstreamConnection
from gateway.clients.origin import Origin
from gateway.clients.tokenizers import Tokenizers
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.core.ids import IdSource
from gateway.listener.health import Health
from gateway.listener.hot import HotConnection
from gateway.listener.server import ListenerOptions, Server
from gateway.recording.metrics import Metrics
from gateway.recording.recorder import Recorder
from gateway.recording.spool import SpoolWriter
from gateway.upstream.sim import SimProvider

CALLS = 64
UPSTREAM = "http://127.0.0.1:9/v1"
CONFIG = "version: 1\ncapture: {bodies: none}\npolicies: {bundle: []}\nstores: {spool: {dir: spool}}\n"
QUESTION = (
    b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"' + b"hello there " * 20 + b'"}],"temperature":0.7}'
)
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini-2024-07-18","choices":'
    b'[{"index":0,"message":{"role":"assistant","content":"' + b"some answer " * 50 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":57,"completion_tokens":120,"total_tokens":177,"prompt_tokens_details":{"cached_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0}}}'
)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
ANSWER_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_%016x\r\n"


class Kept:
    """A transport that keeps the last thing it was given."""

    def __init__(self) -> None:
        self.last = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.last = data

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """Nothing is open."""

    close = abort

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is buffered."""

    def get_extra_info(self, name: str) -> Any:
        """The address of some client."""
        return ("127.0.0.1", 50000) if name == "peername" else None


class Client(HttpClient):
    """The real client, with connections that nobody dialled."""

    def connected(self, origin: Origin) -> UpstreamConnection:
        """Make one, idle."""
        pool = self._pools.setdefault(origin, Pool())
        made = UpstreamConnection(self, origin)
        transport: Any = Kept()
        made.connection_made(transport)
        pool.open += 1
        self.release(made)
        return made


class Bench:
    """One gateway in this process, with a client and a provider for each connection.

    Args:
        home: An empty folder.
        config: What is in force; by itself, all goes to one place with the client's own credential.
        upstream: That place; ``None`` where the configuration names providers.

    Attributes:
        fetched: Calls that were asked upstream so far.
    """

    def __init__(self, home: Path, config: str = CONFIG, upstream: str | None = UPSTREAM) -> None:
        loop = asyncio.get_running_loop()
        (home / "weighbridge.yaml").write_text(config)
        loaded = load_settings(Options(upstream=upstream, no_operator=True), {"WEIGHBRIDGE_HOME": str(home)}, home)
        if loaded.settings is None:
            raise ValueError([str(problem) for problem in loaded.problems])
        clock = SystemClock()
        spool = SpoolWriter(loaded.settings.spool.dir, name="worker-0", clock=clock, max_bytes=1 << 30)
        recorder = Recorder(spool, msgspec.json.Encoder(), loop.call_soon)
        self._http = Client()
        shared = Shared(
            names_key=bytes(32),
            clock=clock, http=self._http, sim=SimProvider(), recorder=recorder, metrics=Metrics(0, clock.unix_ms),
            ids=IdSource(os.urandom), tokenizers=Tokenizers(), endings=set(),
        )  # fmt: skip
        pipeline = build_pipeline(loaded.settings, load_guards(loaded.policies), shared)
        options = ListenerOptions(max_body_bytes=1 << 20, header_timeout_s=60)
        self._server = Server(lambda: pipeline, Health(dict), options, clock.monotonic_ns, recorder.commit)
        self._clients = [HotConnection(self._server) for _ in range(CALLS)]
        self.transports = [Kept() for _ in range(CALLS)]
        for client, kept in zip(self._clients, self.transports, strict=True):
            transport: Any = kept
            client.connection_made(transport)
        self._providers = [self._http.connected(Origin.parse(UPSTREAM)) for _ in range(CALLS)]
        self._number = self.fetched = 0

    async def turn(
        self,
        counted: Any = None,
        questions: Sequence[bytes] = (QUESTION,) * CALLS,
        head: bytes = HEAD,
        answer: Sequence[bytes] = (),
    ) -> None:
        """A question on each connection, then all the answers; ``counted`` traces both.

        Args:
            counted: As said.
            questions: Bodies.
            head: Of all of them, but for the length.
            answer: As it comes, read by read; else a small one at once.
        """
        before = sys.gettrace()
        asked = [head + b"Content-Length: %d\r\n\r\n%b" % (len(each), each) for each in questions]
        sys.settrace(counted)
        for client, question in zip(self._clients, asked, strict=True):
            client.data_received(question)
        sys.settrace(before)
        busy = [provider for provider in self._providers if provider.call is not None]
        self.fetched += len(busy)
        told = [[(provider, self._answer()) for provider in busy]]
        if answer:
            told = [[(provider, piece) for provider in busy] for piece in answer]
        sys.settrace(counted)
        for pieces in told:
            for provider, piece in pieces:
                provider.data_received(piece)
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done
        sys.settrace(before)

    def _answer(self) -> bytes:
        self._number += 1
        return (ANSWER_HEAD + b"Content-Length: %d\r\n\r\n%b") % (self._number, len(ANSWER), ANSWER)

    async def close(self) -> None:
        """End it."""
        await self._server.close(0)
        await self._http.close()


async def count(home: Path) -> tuple[Counter[str], Counter[str]]:
    """Bytecodes and Python calls of :data:`CALLS` calls, by function; everything that is remembered is remembered."""
    bench = Bench(home)
    codes: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def entered(frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        if "gateway" not in code.co_filename:
            return None
        name = f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_qualname}"
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        calls[name] += 1

        def inside(_frame: FrameType, event: str, _argument: Any) -> Any:
            codes[name] += event == "opcode"
            return inside

        return inside

    for _ in range(3):
        await bench.turn()
    if not all(kept.last.startswith(b"HTTP/1.1 200 OK\r\n") for kept in bench.transports):
        raise ValueError(bench.transports[0].last)
    await bench.turn(entered)
    await bench.close()
    return codes, calls


def main() -> int:
    """Print what a call costs, the dearest function first."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-steps-") as home:
        codes, calls = asyncio.run(count(Path(home)))
    for name, number in codes.most_common():
        sys.stdout.write(f"{number / CALLS:8.1f} bytecodes {calls[name] / CALLS:6.2f} calls  {name}\n")
    sys.stdout.write(f"{codes.total() / CALLS:8.0f} bytecodes {calls.total() / CALLS:6.1f} calls  in all\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
