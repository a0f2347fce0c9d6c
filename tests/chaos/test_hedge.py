"""A deployment that lets a call wait, and another that is asked beside it: over real sockets, by a real gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.chaos.test_provider_faults import idle
from tests.support import openai_script
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.openai_script import answer, said
from tests.support.provider import EVENTS, Asked, ScriptedProvider, Step
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw, request, talk

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      slow: {{kind: openai, base_url: "{slow}"}}
      quick: {{kind: openai, base_url: "{quick}"}}
    models:
      - alias: m
        candidates: [{{provider: slow, model: m}}]
        fallback: [quick/m]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
        timeouts: {{first_token: 60s, idle: 60s, total: 60s}}
    prices: {{overrides: prices.yaml}}
    capture: {{bodies: none}}
"""
PRICES = """
- {provider: slow, model: "*", input: 1, output: 1}
- {provider: quick, model: "*", input: 1, output: 1}
"""
# Nobody ever sets them.
NEVER = {stream: asyncio.Event() for stream in (False, True)}
NEITHER = asyncio.Event()


def words(stream: bool) -> list[Step]:
    return list(openai_script.stream(*said("all of it")) if stream else answer(openai_script.chat("all of it")))


def slow(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    stream = bool(document.get("stream"))
    if document["messages"][0]["content"].startswith("stall"):
        return [EVENTS, NEVER[True]] if stream else [NEVER[False]]
    return words(stream)


def quick(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    if document["messages"][0]["content"] == "stall at both":
        return [NEITHER]
    return words(bool(document.get("stream")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, ScriptedProvider, ScriptedProvider]]:
    home = tmp_path_factory.mktemp("hedge")
    (home / "prices.yaml").write_text(PRICES)
    with (
        provider_in_thread(slow) as first,
        provider_in_thread(quick) as second,
        running(home, config=CONFIG.format(slow=first.url, quick=second.url)) as gateway,
    ):
        for _ in range(20):
            # What a second answer may cost is saved up first.
            assert ask(gateway, "hello").status == 200
        yield gateway, first, second


def ask(gateway: Gateway, text: str, *, stream: bool = False) -> Raw:
    return asyncio.run(talk(gateway.port, chat("m", text, stream=stream)))


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_answers_and_the_first_is_let_go(site: Any, stream: bool) -> None:
    gateway, first, second = site
    before, began = len(second.asked), time.monotonic()
    got = ask(gateway, "stall", stream=stream)
    assert (got.status, b"all of it" in got.body.replace(b"data: [DONE]", b"") or stream) == (200, True)
    assert time.monotonic() - began < 30
    assert len(second.asked) == before + 1
    record = gateway.record_of(got.id)
    tries = [(each["kind"], each["provider"], each["error_code"]) for each in record["attempts"]]
    assert sorted(tries) == [("first", "slow", "outrun"), ("hedge", "quick", "")]
    assert record["provider"] == "quick"
    assert record["cost_nanousd"] > 0
    until(lambda: idle(gateway))
    assert first.asked


def test_a_call_that_is_answered_in_time_is_asked_of_one(site: Any) -> None:
    gateway, _, second = site
    before = len(second.asked)
    got = ask(gateway, "hello")
    record = gateway.record_of(got.id)
    assert [each["kind"] for each in record["attempts"]] == ["first"]
    assert len(second.asked) == before


def test_a_client_that_leaves_leaves_both(site: Any) -> None:
    gateway, first, second = site
    asked, told = (len(first.asked), len(second.asked)), len(gateway.spooled())

    async def leave() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(chat("m", "stall at both")))
        await asyncio.to_thread(until, lambda: (len(first.asked), len(second.asked)) == (asked[0] + 1, asked[1] + 1))
        writer.close()

    asyncio.run(leave())
    (record,) = until(lambda: gateway.spooled()[told:])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    tries = [(each["kind"], each["provider"], each["error_code"]) for each in record["attempts"]]
    assert sorted(tries) == [("first", "slow", "client_closed"), ("hedge", "quick", "client_closed")]
    until(lambda: idle(gateway))
    assert [each for each in gateway.next_counts()["deployments"] if each["in_flight"]] == []
