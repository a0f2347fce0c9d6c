"""``python -m loadtests.guards [PACK]``: what guards cost, in processor time of this process alone.

Each figure is the best of several runs, so that what else the machine does matters little: a chunk of prose, a request
text of 4 kB, a long conversation seen again, and a megabyte made to look like credentials all over, on the loop and
beside it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from gateway.app.policies import load_guards
from gateway.core.exchange import Incoming, Request
from gateway.core.record import ExchangeRecord
from gateway.core.verdict import CallFacts
from gateway.guards import gate
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.guards.sessions import Sessions
from gateway.wire.openai_chat import DIALECT
from gateway.wire.openai_stream import DONE, write_event

PROSE = (
    "To roll the service out, start with one node and watch its error rate for ten minutes; then add the others one by "
    "one. If anything looks odd, stop, roll back to version 2.4 and read the logs of the load balancer first. "
)
HOSTILE = {
    "AKIA run together": "AKIA",
    "names and values": "api_key=abcdefghijklmnopqrstuvwxyz012345 ",
    "passwords in URLs": "https://user:pass@host/ ",
    "tokens that miss by little": "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
}
FACTS = CallFacts(route="/v1/chat/completions", model="m", provider="p", stream=True)
MEGABYTE = 1_000_000


def best(work: Callable[[], object], runs: int) -> float:
    """Processor seconds of the fastest of several runs."""
    times: list[float] = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def asked(text: str) -> dict[str, Any]:
    """A chat request."""
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def _parsed(document: dict[str, Any]) -> Request:
    return DIALECT.parse(
        Incoming("POST", "/v1/chat/completions", "", {}, orjson.dumps(document), "127.0.0.1:1", 0), document
    )


def chunk_us(plan: GuardPlan, runs: int) -> tuple[float, float]:
    """Microseconds a chunk of prose: in the screen alone, and with the dialect's reader around it."""
    text = PROSE * 20
    pieces: list[str] = []
    while text:
        size = 3 + len(pieces) % 4
        pieces.append(text[:size])
        text = text[size:]
    events = [write_event({"id": "c", "model": "m", "choices": [_choice({"content": piece})]}) for piece in pieces]
    last = write_event({"id": "c", "model": "m", "choices": [{**_choice({}), "finish_reason": "stop"}]})
    request = _parsed(asked("x"))

    def screened() -> None:
        screen = plan.stream_screen()
        for piece in pieces:
            screen.feed((0, "text"), piece)
        screen.finish((0, "text"))

    def read() -> None:
        reader = DIALECT.stream_reader(request, plan.stream_screen())
        for event in (*events, last, DONE):
            reader.feed(event)
        reader.finish()

    return best(screened, runs) / len(pieces) * 1e6, best(read, runs) / len(pieces) * 1e6


def _choice(delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": None}


def request_us(plan: GuardPlan, runs: int) -> float:
    """Microseconds for a request whose text has 4 kB."""
    document = asked((PROSE * 20)[:4096])
    return best(lambda: [plan.screen_request(DIALECT, document) for _ in range(100)], runs) / 100 * 1e6


def again(engine: GuardEngine, plan: GuardPlan) -> tuple[float, float]:
    """Milliseconds for a conversation of 50 turns of 2 kB, the first time and with one turn more."""
    turns = [{"role": "user", "content": f"Turn {number}. {PROSE * 8} café"} for number in range(51)]
    engine.kit.memo.forget()
    first = best(lambda: plan.screen_request(DIALECT, {"messages": turns[:50]}), 1)
    return first * 1e3, best(lambda: plan.screen_request(DIALECT, {"messages": turns}), 1) * 1e3


def longest_stop_ms(plan: GuardPlan, text: str) -> float:
    """The longest time for which the loop did not turn while a large body was screened, in milliseconds."""

    async def measure() -> float:
        document = asked(text)
        request = _parsed(document)
        sessions = Sessions()
        await sessions.aside.run(plan.twin)
        gaps: list[float] = []
        work = asyncio.ensure_future(gate.admit(ExchangeRecord(), plan, DIALECT, request, sessions))
        before = time.perf_counter()
        while not work.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - before)
            before = now
        sessions.aside.close()
        return max(gaps) * 1e3

    return min(asyncio.run(measure()) for _ in range(3))


def main(pack: str = "baseline.yaml", runs: int = 7) -> int:
    """Print the figures of a pack."""
    engine = load_guards(((pack, Path("policies") / pack),))
    plan = engine.plan(FACTS)
    alone, read = chunk_us(plan, runs)
    _say(f"{pack}")
    _say(f"a chunk of prose: {alone:.1f} us in the screen, {read:.1f} us with its reader")
    _say(f"a request text of 4 kB: {request_us(plan, runs):.1f} us")
    first, later = again(engine, plan)
    _say(f"a conversation of 50 turns: {first:.2f} ms the first time, {later:.2f} ms with its next turn")
    for name, part in HOSTILE.items():
        text = (part * (MEGABYTE // len(part) + 1))[:MEGABYTE]
        document = asked(text)
        cost = best(lambda document=document: plan.screen_request(DIALECT, document), 2) * 1e3
        _say(f"1 MB of {name}: {cost:.0f} ms; the loop stood still for {longest_stop_ms(plan, text):.1f} ms at most")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "baseline.yaml"))
