"""What a kept answer takes as a client sees it: wall time over a kept connection, beside the provider and a relay.

python -m loadtests.cache_added [CALLS]

One call after the other, in turn to the provider, to the gateway for an answer that it has, and for one that it has
not. The provider answers at once, so that its time is that of two system calls and of the way there and back.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from loadtests import build
from loadtests.fleet import quantile
from loadtests.ports import free_port
from loadtests.processes import LOAD_KEY, start

CALLS = 2_000
_CONFIG = """
version: 1
capture: {{bodies: none}}
policies: {{bundle: []}}
stores: {{spool: {{dir: {home}/spool}}}}
providers: {{p: {{kind: openai, base_url: 'http://127.0.0.1:{provider}/v1', api_key: env:WEIGHBRIDGE_BENCH_KEY}}}}
models: [{{alias: '*', candidates: [{{provider: p, model: '{{model}}'}}]}}]
cache: {{exact: {{ttl: 1h}}, max_entries: 100000}}
"""


def _asked(question: str) -> bytes:
    body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"%b"}]}' % question.encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {LOAD_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answer(line: socket.socket) -> bytes:
    read = b""
    while (end := read.find(b"\r\n\r\n")) < 0:
        read += line.recv(65536)
    head = read[:end].lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(read) < end + 4 + length:
        read += line.recv(65536)
    return head


def _timed(line: socket.socket, asked: bytes, said: bytes) -> float:
    began = time.perf_counter()
    line.sendall(asked)
    head = _answer(line)
    took_ms = (time.perf_counter() - began) * 1e3
    if said not in head:
        raise ValueError(head.decode(errors="replace"))
    return took_ms


def main(words: list[str]) -> int:
    """Run from the command line."""
    calls = int(words[0]) if words else CALLS
    cpus = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cache-added-")))
        provider, port = free_port(), free_port()
        config = home / "weighbridge.yaml"
        config.write_text(_CONFIG.format(home=home, provider=provider))
        made = [str(build.compiled("provider")), str(provider)]
        stack.callback(start("provider", provider, made, cpu=cpus[0], home=home / "provider").stop)
        line = [str(build.weighbridge()), "serve", "--listen", f"127.0.0.1:{port}", "--workers", "1", "--no-operator"]
        stack.callback(start("gateway", port, [*line, "-c", str(config)], cpu=cpus[-1], home=home / "gateway").stop)
        os.sched_setaffinity(0, {cpus[0]})
        direct, ours = (stack.enter_context(socket.create_connection(("127.0.0.1", each))) for each in (provider, port))
        for each in (direct, ours):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kept = _asked("How do I cancel my order?")
        _timed(ours, kept, b"200 ok")
        while b"x-weighbridge-cache: hit" not in _head(ours, kept):
            pass
        taken: dict[str, list[float]] = {"provider": [], "hit": [], "relay": []}
        for number in range(calls):
            taken["provider"].append(_timed(direct, kept, b"200 ok"))
            taken["hit"].append(_timed(ours, kept, b"x-weighbridge-cache: hit"))
            taken["relay"].append(_timed(ours, _asked(f"Question {number}?"), b"200 ok"))
    for name, each in taken.items():
        print(f"{name:8}  p50 {quantile(each, 0.5):.3f} ms  p95 {quantile(each, 0.95):.3f} ms")
    print(
        f"a hit adds {quantile(taken['hit'], 0.5) - quantile(taken['provider'], 0.5):.3f} ms to the way there and back"
    )
    return 0


def _head(line: socket.socket, asked: bytes) -> bytes:
    line.sendall(asked)
    return _answer(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
