"""A deployment that takes two calls at once, and more clients: who waits, who is to come back, and who left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.chaos.test_provider_faults import idle
from tests.support.chaos import DIALECTS, asking, is_error, says_all, spoken_by, told, wanted
from tests.support.gateway_run import CHAT, Gateway, chat, running, until
from tests.support.openai_script import answer
from tests.support.openai_script import chat as chat_answer
from tests.support.provider import Asked, Step
from tests.support.raw_client import Raw
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

SLOTS, LENGTH = 2, 12
CONFIG = """
    version: 1
    providers:
      small: {kind: openai, base_url: "URL", api_key: env:KEY}
    models:
      - alias: m
        candidates: [{provider: small, model: m, concurrency: 2}]
        queue: {length: 12, wait: 60s}
      - alias: brief
        candidates: [{provider: small, model: brief, concurrency: 1}]
        queue: {length: 12, wait: 100ms}
    IDENTITY
    capture: {bodies: none}
    policies: {bundle: []}
"""
KEYS = "identity: {mode: keys, keys: [{id: flood, key: env:FLOOD}, {id: quiet, key: env:QUIET}]}"


class Gate:
    """A provider that answers when the test says so, and knows how many it had at once."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.open = asyncio.Event()
        server.script = self._play

    def _play(self, asked: Asked) -> list[Step]:
        return [self.open, *_well(asked)]

    def let_go(self) -> None:
        """All answers come."""
        self.server.signal(self.open)


def _well(asked: Asked) -> list[Step]:
    if b"fault: " not in asked.body:
        return answer(chat_answer("done"))
    return spoken_by(asked).well(stream=wanted(asked)[2] == "stream")


@pytest.fixture(scope="module")
def small() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


def config(server: ScriptedServer, identity: str = "") -> str:
    return CONFIG.replace("URL", server.url).replace("IDENTITY", identity)


@pytest.fixture(scope="module")
def gateway(small: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("queue")
    with running(folder, config=config(small), KEY="sk-1") as gateway:
        yield gateway


def queue(gateway: Gateway, alias: str = "m") -> dict[str, Any]:
    found = [each for each in gateway.counts()["queues"] if each["alias"] == alias]
    return found[0] if found else {"waiting": 0, "served": 0, "turned_away": 0, "late": 0, "left": 0}


async def come_to(gateway: Gateway, number: int) -> None:
    """Wait until so many calls wait."""
    await asyncio.to_thread(until, lambda: queue(gateway)["waiting"] == number)


def nothing_left(gateway: Gateway) -> None:
    """No call, no slot, no ticket."""
    until(lambda: idle(gateway))
    until(lambda: all(each["in_flight"] == 0 for each in gateway.counts()["deployments"]))
    until(lambda: all(each["waiting"] == 0 for each in gateway.counts()["queues"]))


def test_in_every_dialect_calls_wait_for_a_slot_and_never_more_are_under_way(
    gateway: Gateway, small: ScriptedServer
) -> None:
    gate, before = Gate(small), len(small.asked)
    calls = [(dialect, stream) for dialect in DIALECTS for stream in (False, True)]

    async def all_of_them() -> list[Raw]:
        asked = [told(gateway.port, asking(each, "m", "none", stream=stream), lambda: None) for each, stream in calls]
        going = [asyncio.create_task(each) for each in asked]
        await come_to(gateway, len(calls) - SLOTS)
        assert len(small.asked) - before == SLOTS
        gate.let_go()
        return await asyncio.gather(*going)

    answers = asyncio.run(all_of_them())
    assert [says_all(each, got, stream=stream) for (each, stream), got in zip(calls, answers, strict=True)] == [
        True
    ] * len(calls)
    assert len(small.asked) - before == len(calls)
    nothing_left(gateway)


def test_in_every_dialect_who_is_turned_away_is_told_when_to_come_back(gateway: Gateway, small: ScriptedServer) -> None:
    gate = Gate(small)

    async def all_of_them() -> list[Raw]:
        first = asyncio.create_task(
            told(gateway.port, asking("openai_chat", "brief", "none", stream=False), lambda: None)
        )
        await asyncio.to_thread(until, lambda: any(b'"brief"' in each.body for each in small.provider.asked))
        late = [told(gateway.port, asking(each, "brief", "none", stream=False), lambda: None) for each in DIALECTS]
        answers = await asyncio.gather(*late)
        gate.let_go()
        assert (await first).status == 200
        return answers

    for dialect, got in zip(DIALECTS, asyncio.run(all_of_them()), strict=True):
        assert got.status == 503, (dialect, got)
        assert is_error(dialect, got), (dialect, got)
        assert got.headers["retry-after"] == "1"
        assert gateway.record_of(got.id)["attempts"] == []
    until(lambda: queue(gateway, "brief")["late"] == len(DIALECTS))
    nothing_left(gateway)


def test_in_every_dialect_who_goes_away_leaves_the_line_and_is_never_asked_for(
    gateway: Gateway, small: ScriptedServer
) -> None:
    gate, before, left = Gate(small), len(small.asked), queue(gateway)["left"]

    async def all_of_them() -> list[Raw]:
        calls = [asking("openai_chat", "m", "none", stream=True) for _ in range(SLOTS)]
        stay = [asyncio.create_task(told(gateway.port, each, lambda: None)) for each in calls]
        await asyncio.to_thread(until, lambda: len(small.asked) - before == SLOTS)
        going = [
            asyncio.create_task(told(gateway.port, asking(each, "m", "none", stream=stream), lambda: None))
            for each in DIALECTS
            for stream in (False, True)
        ]
        await come_to(gateway, len(going))
        for each in going:
            each.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await come_to(gateway, 0)
        gate.let_go()
        return await asyncio.gather(*stay)

    assert all(each.status == 200 for each in asyncio.run(all_of_them()))
    assert len(small.asked) - before == SLOTS
    until(lambda: queue(gateway)["left"] - left == 2 * len(DIALECTS))
    nothing_left(gateway)


def test_a_flood_of_one_key_costs_another_its_turn_but_once(small: ScriptedServer, tmp_path: Any) -> None:
    gate, before = Gate(small), len(small.asked)

    async def ask(port: int, key: str, number: int) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(chat("m", f"{key}-{number}"))
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer wb-{key}\r\ncontent-type: application/json\r\n"
        )
        writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        got = (await reader.read()).decode("latin-1")
        writer.close()
        retry = re.search(r"\r\nretry-after: ([0-9]+)\r\n", got)
        return int(got.split(" ")[1]), retry[1] if retry else ""

    async def all_of_them(gateway: Gateway) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        flood = [asyncio.create_task(ask(gateway.port, "flood", number)) for number in range(30)]
        await asyncio.to_thread(until, lambda: queue(gateway)["turned_away"] == 30 - SLOTS - LENGTH)
        quiet = [asyncio.create_task(ask(gateway.port, "quiet", number)) for number in range(3)]
        await asyncio.to_thread(until, lambda: queue(gateway)["turned_away"] == 33 - SLOTS - LENGTH)
        await come_to(gateway, LENGTH)
        gate.let_go()
        return await asyncio.gather(*flood), await asyncio.gather(*quiet)

    with running(tmp_path, config=config(small, KEYS), KEY="sk-1", FLOOD="wb-flood", QUIET="wb-quiet") as gateway:
        flood, quiet = asyncio.run(all_of_them(gateway))
        nothing_left(gateway)
    assert [status for status, _ in quiet] == [200] * 3
    assert sorted(status for status, _ in flood) == [200] * 11 + [503] * 19
    # Nobody has given a slot back yet, so nobody knows better than the longest wait.
    assert {retry for status, retry in flood if status == 503} == {"60"}
    texts = [orjson.loads(each.body)["messages"][0]["content"] for each in small.asked[before:]]
    # Two were under way before; then they take turns, as long as both have calls.
    served = [text.partition("-")[0] for text in texts[SLOTS:]]
    assert served[:6] == ["flood", "quiet"] * 3
    assert set(served[6:]) == {"flood"}
