"""What a kept answer costs beside one that is fetched: CPU time a call, in one process, without the sockets.

python -m loadtests.cache [ROUNDS] [KIND …]

The same small chat call goes through four gateways in turn, round by round, so that what else the machine does falls on
all of them: without a cache, with one that has the answer, with one that has not. A fetched answer costs a gateway two
more system calls than are seen here, and what its provider takes. The kinds of calls: nothing but the call; one that
says of which session it is; one that counts in a limit; one that the policies look at that are in force without a word
in the configuration, and its answer; a stream of 22 events.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from loadtests.steps import CALLS, CONFIG, HEAD, QUESTION, UPSTREAM, Bench

ROUNDS = 200
_PROVIDER = (
    f"providers: {{p: {{kind: openai, base_url: '{UPSTREAM}'}}}}\n"
    "models: [{alias: '*', candidates: [{provider: p, model: '{model}'}]}]\n"
)
_CACHE = "cache: {exact: {ttl: 1h}, max_entries: 2000}\n"
_LABELLED = HEAD.replace(b"Content-Type", b"x-weighbridge-session: s-1\r\nContent-Type")
_STREAMED = QUESTION.replace(b'"temperature"', b'"stream":true,"stream_options":{"include_usage":true},"temperature"')
_CHUNK = b'{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini-2024-07-18",'
_TEXT = _CHUNK + b'"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}],"usage":null}'
_LAST = _CHUNK + b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}'
_USAGE = _CHUNK + b'"choices":[],"usage":{"prompt_tokens":57,"completion_tokens":20,"total_tokens":77}}'
_EVENTS = [b"data: %b\n\n" % each for each in (*[_TEXT] * 20, _LAST, _USAGE, b"[DONE]")]
_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    *(b"%x\r\n%b\r\n" % (len(each), each) for each in _EVENTS),
    b"0\r\n\r\n",
)


class Kind(NamedTuple):
    """One kind of call: the configuration, the head and the body of the request, and the answer unless it is usual."""

    config: str = CONFIG
    head: bytes = HEAD
    body: bytes = QUESTION
    answer: tuple[bytes, ...] = ()


KINDS = {
    "plain": Kind(),
    "labelled": Kind(head=_LABELLED),
    "limited": Kind(config=CONFIG + "limits: [{scope: team, requests: {max: 100000000, per: minute}}]\n"),
    "policies": Kind(config=CONFIG.replace("policies: {bundle: []}\n", "")),
    "stream": Kind(body=_STREAMED, answer=_STREAM),
}


def questions(kind: Kind, numbers: Iterator[int]) -> list[bytes]:
    """Questions that nobody has asked before."""
    return [kind.body.replace(b"hello there ", b"hello %d " % next(numbers), 1) for _ in range(CALLS)]


async def measured(home: Path, kind: Kind, rounds: int) -> dict[str, tuple[float, float]]:
    """CPU time a call in microseconds, the middle one of all rounds and the least."""
    benches: dict[str, Bench] = {}
    for name in ("relay", "hit", "miss"):
        (home / name).mkdir()
        benches[name] = Bench(home / name, kind.config + _PROVIDER + ("" if name == "relay" else _CACHE), None)
    numbers = count()
    for bench in benches.values():
        # The first of them brings the answer, which the others are given when they come.
        for _ in range(4):
            await bench.turn(questions=[kind.body, *questions(kind, numbers)[1:]], head=kind.head, answer=kind.answer)
        if not all(kept.last.startswith(b"HTTP/1.1 200 OK\r\n") or kind.answer for kept in bench.transports):
            raise ValueError([kept.last[:200] for kept in bench.transports])
    took: dict[str, list[float]] = {name: [] for name in benches}
    for _ in range(rounds):
        for name, bench in benches.items():
            asked = [kind.body] * CALLS if name == "hit" else questions(kind, numbers)
            before, began = bench.fetched, time.process_time()
            await bench.turn(questions=asked, head=kind.head, answer=kind.answer)
            took[name].append((time.process_time() - began) / CALLS * 1e6)
            if (bench.fetched - before > 0) is (name == "hit"):
                raise ValueError(f"{name}: {bench.fetched - before} were fetched")
    for bench in benches.values():
        await bench.close()
    return {name: (median(each), min(each)) for name, each in took.items()}


def main() -> int:
    """Print what each costs, and beside the relay."""
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdigit() else ROUNDS
    for kind in words or KINDS:
        with tempfile.TemporaryDirectory(prefix="weighbridge-cache-") as home:
            told = asyncio.run(measured(Path(home), KINDS[kind], rounds))
        relay = told["relay"]
        for name, (middle, least) in told.items():
            ratios = f"{middle / relay[0]:.2f} x relay, least {least:7.1f} us, {least / relay[1]:.2f} x"
            sys.stdout.write(f"{kind:9} {name:6} {middle:7.1f} us CPU a call, {ratios}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
