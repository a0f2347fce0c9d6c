"""What conditions and arms cost: a call's way begun over an alias with eight candidates, each for other requests.

python -m loadtests.conditions [CALLS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from gateway.core.call import Call
from gateway.core.exchange import Deployment, Incoming, Labels, Principal, RoutePlan, RoutePolicy
from gateway.core.route_rules import Between, RouteMatch, RouteWhen, Split
from gateway.core.verdict import Globs
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.trip import Trip
from gateway.wire.select import select

CANDIDATES = 8
TEXT = "Please write a function that sorts a list of numbers, and explain how it works in a few words. "
WHO = Principal(key_id="k", team="support", tenant="t")
SPLIT = Split(name="ab", arms=(("a", 0.5), ("b", 0.5)), sticky_by="session")


def when(**asked: Any) -> RouteWhen:
    """One condition."""
    return (RouteMatch(**asked),)


# None of these holds for the call that is made, so that all eight are asked.
SCENES: dict[str, RouteWhen] = {
    "none": (),
    "team and tag": when(team=Globs(include=("sales-*",)), tag=Globs(include=("tier=paid",))),
    "tools": when(tools=True),
    "input tokens": when(input_tokens=Between(least=30_000)),
    "language": when(language=Globs(include=("de", "fr"))),
}


def beginner(asked: RouteWhen, *, chars: int = 400, split: Split | None = None) -> Callable[[], Trip]:
    """Make what begins a call's way.

    Args:
        asked: The condition of all candidates but the last.
        chars: How long the user's text is.
        split: Arms of the candidates, by turns.
    """
    candidates = tuple(
        Deployment(provider=f"p{at}", kind="openai", model="m", base_url=f"http://p{at}", credential=b"")
        for at in range(CANDIDATES)
    )
    plan = RoutePlan(
        alias="m",
        candidates=candidates,
        weights=(1,) * CANDIDATES,
        whens=(*((asked,) * (CANDIDATES - 1)), ()) if asked else (),
        arms=() if split is None else tuple("ab"[at % 2] for at in range(CANDIDATES)),
        main=CANDIDATES,
        policy=RoutePolicy(strategy="when-rules" if asked else "weighted", split=split),
    )
    roads = Roads(Healths(time.monotonic))
    chooser = roads.chooser(plan)
    text = (TEXT * (chars // len(TEXT) + 1))[:chars]
    document = {"model": "m", "messages": [{"role": "user", "content": text}], "temperature": 0.2}
    head = {b"content-type": b"application/json"}
    incoming = Incoming("POST", "/v1/chat/completions", "", head, orjson.dumps(document), "", 0)
    dialect, request = select(incoming)
    nobody: Any = None
    call = Call(incoming, nobody, None, dialect)
    call.labels = Labels(tags={"tier": "free"}, session_id="s-1")
    return lambda: roads.trip(chooser, call, request, WHO)


def cost_us(begin: Callable[[], Trip], number: int, rounds: int = 20) -> float:
    """The least CPU time of a call's beginning in several rounds, in microseconds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(number):
            begin()
        best = min(best, time.process_time() - began)
    return best / number * 1e6


def main(number: int) -> None:
    """Print the table."""
    print("| asked of seven of eight candidates | CPU us, 400 characters | 8,000 characters |\n| --- | ---: | ---: |")
    for name, asked in SCENES.items():
        short, long = (cost_us(beginner(asked, chars=chars), number) for chars in (400, 8000))
        print(f"| {name} | {short:.1f} | {long:.1f} |")
    print(f"| an arm of a split | {cost_us(beginner((), split=SPLIT), number):.1f} | |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
