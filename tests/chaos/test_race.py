"""Four workers, one budget in Redis, and everything that can go wrong on the way: what is admitted stays within the
budget, what was recorded is what the provider said to the nano-dollar, and nothing is left over.

``make soak`` runs it at full size: 50,000 calls against a budget of 1,000.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
import orjson
import pytest
from redis import Redis

from tests.support.figures import SOAK, measured
from tests.support.gateway_run import CHAT, Gateway, running
from tests.support.provider import CLOSE, END, EVENTS, Asked, Step, chunk, scripted, whole
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [pytest.mark.integration, needs_redis, pytest.mark.timeout(3600 if SOAK else 300)]

CALLS = 50_000 if SOAK else 1_500
WORTH = 1_000 if SOAK else 150
TOGETHER = 64
WORKERS = 4
INPUT_TOKENS, MOST_OUTPUT_TOKENS = 20, 60
# What the gateway takes the input for at most, before the provider has said what it was.
ESTIMATED_TOKENS = 26
# In nano-dollars a token; what prices.yaml says in dollars a million.
INPUT_NANOUSD, OUTPUT_NANOUSD = 2_500, 10_000
RESERVED = ESTIMATED_TOKENS * INPUT_NANOUSD + MOST_OUTPUT_TOKENS * OUTPUT_NANOUSD
BUDGET = WORTH * RESERVED

CONFIG = """
    version: 1
    workers: 4
    capture: {{bodies: none}}
    policies: {{bundle: []}}
    prices: {{source: genai-prices, overrides: prices.yaml}}
    providers:
      scripted: {{kind: openai, base_url: "{provider}"}}
    models:
      - {{alias: m, candidates: [{{provider: scripted, model: m}}], retry: {{attempts: 1}}}}
    stores: {{state: "redis://127.0.0.1:{redis}/0", state_timeout: 20s, on_store_error: deny}}
    limits:
      - {{scope: model, budget: {{usd: {usd}, per: month}}, concurrency: 48}}
"""
PRICES = "- {provider: scripted, model: m, input: 2.5, output: 10}\n"
NUMBER = b"call number "


def output_tokens(number: int) -> int:
    return 1 + number % (MOST_OUTPUT_TOKENS - 3)


def kind(number: int) -> str:
    """Three of ten are streams, one of ten is left by its client, one of twenty is cut."""
    if number % 20 == 7:
        return "cut"
    return "left" if number % 10 == 3 else "stream" if number % 10 in {0, 4, 8} else "whole"


@dataclass
class Said:
    """What the provider has said that calls used, in nano-dollars, by their number."""

    cost: dict[int, int] = field(default_factory=dict[int, int])

    def __call__(self, asked: Asked) -> list[Step]:
        body, at = asked.body, asked.body.index(NUMBER) + len(NUMBER)
        number = int(body[at : at + 6])
        output = output_tokens(number)
        if kind(number) == "whole":
            self.cost[number] = self.worth(output)
            return [whole(orjson.dumps({
                "id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": self.usage(output),
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "so"}}],
            }))]  # fmt: skip
        begun = [EVENTS, self.event("so", 1), self.event(" it is", 2)]
        if kind(number) != "stream":
            # It says how much so far; then it is cut, or it waits for a client that goes.
            self.cost[number] = self.worth(2)
            return [*begun, CLOSE if kind(number) == "cut" else asyncio.Event()]
        self.cost[number] = self.worth(output)
        return [*begun, self.event("", output, "stop"), chunk(b"data: [DONE]\n\n"), END]

    @staticmethod
    def usage(output: int) -> dict[str, int]:
        return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": output, "total_tokens": INPUT_TOKENS + output}

    @staticmethod
    def worth(output: int) -> int:
        return INPUT_TOKENS * INPUT_NANOUSD + output * OUTPUT_NANOUSD

    def event(self, text: str, output: int, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        document = {
            "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice],
            "usage": self.usage(output),
        }  # fmt: skip
        return chunk(b"data: %b\n\n" % orjson.dumps(document))


def seen(mine: str, answer: bytes) -> str:
    """Make out how an answer has ended."""
    if mine == "whole":
        return "whole" if answer.endswith(b"}") else "lost"
    if b"[DONE]" in answer:
        return "stream"
    return "cut" if b'"error"' in answer else "lost"


async def call(port: int, number: int) -> str:
    """Make one call; gives what came of it for its client."""
    mine = kind(number)
    document = {
        "model": "m", "stream": mine != "whole", "max_tokens": MOST_OUTPUT_TOKENS,
        "messages": [{"role": "user", "content": f"{NUMBER.decode()}{number:06}"}],
    }  # fmt: skip
    body = orjson.dumps(document)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\n"
    head += f"x-weighbridge-tags: call={number}\r\ncontent-length: {len(body)}\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return "lost"
    try:
        writer.write(head.encode() + body)
        status = int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])
        if status != 200:
            await reader.read()
            return str(status)
        if mine == "left":
            await reader.readuntil(b" it is")
            return "left"
        return seen(mine, await reader.read())
    except (ConnectionError, asyncio.IncompleteReadError):
        return "lost"
    finally:
        writer.close()


@dataclass
class Came:
    """What came of the calls for their clients, by their number."""

    of: dict[int, str] = field(default_factory=dict[int, str])
    # Those that nobody may have recorded, since the killed worker may have had them: it was not asked who they were.
    forgivable: set[int] = field(default_factory=set[int])

    def those(self, *outcomes: str) -> set[int]:
        return {number for number, outcome in self.of.items() if outcome in outcomes}


async def all_calls(gateway: Gateway, redis: RedisServer) -> Came:
    """Make all calls, so many at once; a worker is killed after a third of them, Redis after two thirds."""
    numbers, came, begun = iter(range(CALLS)), Came(), set[int]()
    done, killed = 0, gateway.worker_pid(2)

    async def client(numbers: Iterator[int]) -> None:
        nonlocal done
        for number in numbers:
            begun.add(number)
            came.of[number] = await call(gateway.port, number)
            done += 1
            if done == CALLS // 3:
                os.kill(killed, signal.SIGKILL)
                # A client that leaves does not learn whether it was noticed.
                late = sorted(number for number in begun if kind(number) == "left")[-TOGETHER:]
                came.forgivable.update(late)
            if done == CALLS * 2 // 3:
                redis.stop()
                await asyncio.to_thread(redis.start)

    await asyncio.gather(*(client(numbers) for _ in range(TOGETHER)))
    came.forgivable |= came.those("lost")
    return came


async def fill(gateway: Gateway, came: Came) -> None:
    """Call on, one at a time, until the budget has no room for another.

    The last of all the calls may have been refused for what others had reserved and then did not spend.
    """
    for number in range(CALLS, 2 * CALLS):
        if kind(number) == "whole":
            came.of[number] = await call(gateway.port, number)
            if came.of[number] == "429":
                return
    pytest.fail("calls are admitted without an end")


def counted(redis: RedisServer) -> tuple[int, list[int], int]:
    """What Redis has counted, what is reserved of it for calls that nobody ended, and how many seats are taken."""
    with Redis(port=redis.port) as client:
        (key,) = cast("list[bytes]", client.keys("{wb}:c:*/nanousd*"))
        money = int(cast("bytes", client.get(key)))
        reserved: list[int] = []
        for record in cast("list[bytes]", client.keys("{wb}:w:*")):
            for name, packed in cast("dict[bytes, bytes]", client.hgetall(record.decode())).items():
                if name not in {b"epoch", b"settled"}:
                    # Of the counters the money is the first; before it come a number and a moment.
                    lease = msgspec.msgpack.decode(packed)
                    reserved += [amounts[2] for amounts in lease[1:]]
        seats = sum(cast("int", client.zcard(key)) for key in cast("list[bytes]", client.keys("{wb}:c:*/seats/*")))
        return money, reserved, seats


async def until_quiet(gateway: Gateway, redis: RedisServer) -> tuple[int, list[int], int]:
    """Wait until all calls have ended, and the seats of the killed worker are free again."""
    async with asyncio.timeout(120):
        while True:
            counts = [gateway.counts(index) for index in range(WORKERS)]
            if not any(each["in_flight"] or each["state"]["waiting"] for each in counts):
                found = counted(redis)
                if found[2] == 0:
                    return found
            await asyncio.sleep(0.2)


def test_nothing_is_overspent_lost_or_left_over(tmp_path: Path) -> None:
    async def test() -> None:
        said, redis = Said(), RedisServer("--appendonly", "yes", "--appendfsync", "always", "--dir", str(tmp_path))
        redis.start()
        try:
            async with scripted(said) as provider:
                (tmp_path / "g").mkdir()
                (tmp_path / "g" / "prices.yaml").write_text(PRICES)
                config = CONFIG.format(provider=provider.url, redis=redis.port, usd=f"{BUDGET / 1e9:.6f}")
                with running(tmp_path / "g", config=config) as gateway:
                    came = await all_calls(gateway, redis)
                    money, reserved, seats = await until_quiet(gateway, redis)
                    assert await asyncio.to_thread(gateway.stop) == 0
                    records = gateway.spooled()
        finally:
            redis.stop()
        outcomes = Counter(came.of.values())
        measured(
            "race", {**outcomes, "money": money / 1e9, "budget": BUDGET / 1e9, "reserved for the dead": len(reserved)}
        )
        costs = _check(said, came, records)
        # Of the budget, nothing is spent beyond it: not even with what the dead worker's calls have reserved, or have
        # settled when nothing was recorded yet.
        unrecorded = sum(cost for number, cost in said.cost.items() if number not in costs)
        spent = sum(costs.values())
        assert spent <= money <= BUDGET
        assert money - spent <= sum(reserved) + unrecorded
        assert max(reserved, default=0) <= RESERVED
        assert seats == 0
        # And one more call would not have had room in what is left.
        assert money > BUDGET - RESERVED

    asyncio.run(test())


def _check(said: Said, came: Came, records: list[dict[str, object]]) -> dict[int, int]:
    """The ledger is what the provider said, call by call and together; gives each call's cost."""
    costs: dict[int, int] = {}
    for record in records:
        cost = record["cost_nanousd"]
        if cost is not None:
            number = int(cast("dict[str, str]", record["tags"])["call"])
            assert number not in costs
            costs[number] = cast("int", cost)
    assert {number: said.cost[number] for number in costs} == costs
    # What the provider said and nobody recorded, its client was not told either: the killed worker had it.
    assert said.cost.keys() - costs.keys() <= came.forgivable
    ended = came.those("whole", "stream", "cut", "left")
    assert ended - came.forgivable <= costs.keys() <= ended | came.forgivable
    assert set(came.of.values()) <= {"whole", "stream", "cut", "left", "lost", "429", "503"}
    assert came.those("left")
    assert came.those("cut")
    assert came.those("429")
    return costs
