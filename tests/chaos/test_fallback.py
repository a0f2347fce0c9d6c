"""Two deployments, one of them at fault in every way there is: what the client sees, what is recorded, what is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.chaos.test_provider_faults import FAULTS, idle
from tests.support import openai_script
from tests.support.figures import measured
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.openai_script import USAGE, answer, said
from tests.support.provider import END, EVENTS, Asked, ScriptedProvider, Step, chunk, whole
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw, talk

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      bad: {{kind: openai, base_url: "{bad}"}}
      good: {{kind: openai, base_url: "{good}"}}
      nowhere: {{kind: openai, base_url: "http://127.0.0.1:1/v1"}}
      nobody: {{kind: openai, base_url: "http://no-such-host.invalid/v1"}}
    models:
      - alias: m
        candidates: [{{provider: bad, model: m}}]
        fallback: [good/m]
        timeouts: {{connect: 1s, first_token: 500ms, idle: 500ms, total: 5s}}
        breaker: {{consecutive: 1000, min_calls: 100000}}
      - alias: refused
        candidates: [{{provider: nowhere, model: m}}]
        fallback: [good/m]
      - alias: unnamed
        candidates: [{{provider: nobody, model: m}}]
        fallback: [good/m]
      - alias: fair
        candidates: [{{provider: bad, model: m}}, {{provider: good, model: m}}]
        breaker: {{consecutive: 1000, min_calls: 100000}}
      - alias: down
        candidates: [{{provider: nowhere, model: down}}, {{provider: good, model: m}}]
    capture: {{bodies: none}}
"""
STORM = b'{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limited"}}'
STATUSES: dict[str, tuple[list[Step], bool, int, str]] = {
    "429": ([whole(STORM, "429 Too Many Requests")], False, 429, ""),
    "429 for a stream": ([whole(STORM, "429 Too Many Requests")], True, 429, ""),
    "503": ([whole(b"{}", "503 Service Unavailable")], False, 503, ""),
    "error in a stream, first of all": (
        [EVENTS, chunk(b'data: {"error":{"message":"busy","type":"server_error","code":"overloaded"}}\n\n'), END],
        True,
        502,
        "",
    ),
}
# Each with events of its own: one belongs to the loop that first waits for it.
SCRIPTS = {
    name: [asyncio.Event() if isinstance(step, asyncio.Event) else step for step in script]
    for name, (script, *_) in (FAULTS | STATUSES).items()
}
# What the client has seen a part of.
BEGUN = {name for name, (_, stream, status, _) in FAULTS.items() if stream and status == 200}


def words(stream: bool) -> list[Step]:
    return list(openai_script.stream(*said("all of it")) if stream else answer(openai_script.chat("all of it")))


CHANCE = random.Random(11)


def by_chance(document: dict[str, Any]) -> list[Step]:
    """One call in five fails before its first byte."""
    return [whole(b"{}", "503 Service Unavailable")] if CHANCE.random() < 0.2 else words(document["stream"])


def bad(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    name = document["messages"][0]["content"]
    return list(SCRIPTS[name]) if name in SCRIPTS else by_chance(document)


def good(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    return by_chance(document) if document["messages"][0]["content"] == "chance" else words(document["stream"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, ScriptedProvider, ScriptedProvider]]:
    with provider_in_thread(bad) as faulty, provider_in_thread(good) as sound:
        config = CONFIG.format(bad=faulty.url, good=sound.url)
        with running(tmp_path_factory.mktemp("fallback"), config=config) as gateway:
            yield gateway, faulty, sound


def ask(gateway: Gateway, model: str, text: str, *, stream: bool = False) -> Raw:
    return asyncio.run(talk(gateway.port, chat(model, text, stream=stream)))


@pytest.mark.parametrize("name", FAULTS | STATUSES)
def test_a_fault_before_the_first_byte_is_never_seen(site: Any, name: str) -> None:
    gateway, _, _ = site
    _, stream, _, code = (FAULTS | STATUSES)[name]
    got = ask(gateway, "m", name, stream=stream)
    record = gateway.record_of(got.id)
    tries = [(each["number"], each["kind"], each["provider"]) for each in record["attempts"]]
    if name in BEGUN:
        assert (tries, record["error_code"]) == ([(1, "first", "bad")], code)
        assert b"[DONE]" not in got.body
    else:
        end = b"data: [DONE]" if stream else b"all of it"
        assert (got.status, end in got.body, b"so far" in got.body) == (200, True, False)
        assert tries == [(1, "first", "bad"), (2, "fallback", "good")]
        assert (record["provider"], record["usage_source"]) == ("good", "reported")
        assert (record["attempts"][0]["error_code"], record["attempts"][1]["error_code"]) == (
            code or "upstream_error",
            "",
        )
        assert record["input_tokens"] == USAGE["prompt_tokens"]
    until(lambda: idle(gateway))


@pytest.mark.parametrize("model", ["refused", "unnamed"])
def test_one_that_cannot_be_reached_costs_nobody_a_call(site: Any, model: str) -> None:
    gateway, _, _ = site
    for _ in range(5):
        assert ask(gateway, model, "hello").status == 200
    until(lambda: idle(gateway))


def test_with_one_call_in_five_failing_at_both_nearly_all_succeed(site: Any) -> None:
    gateway, faulty, sound = site
    before = len(faulty.asked) + len(sound.asked)

    async def many() -> list[int]:
        gate = asyncio.Semaphore(8)

        async def one(number: int) -> int:
            async with gate:
                return (await talk(gateway.port, chat("fair", "chance", stream=number % 3 == 0))).status

        return await asyncio.gather(*(one(number) for number in range(1000)))

    statuses = asyncio.run(many())
    share = statuses.count(200) / len(statuses)
    measured("succeeded_share", share)
    measured("tries_a_call", (len(faulty.asked) + len(sound.asked) - before) / len(statuses))
    assert share >= 0.985
    until(lambda: idle(gateway))


def test_one_that_is_down_hard_is_asked_three_times_and_then_left_alone(site: Any) -> None:
    gateway, _, _ = site
    statuses, tried = [], 0
    for _ in range(60):
        got = ask(gateway, "down", "hello")
        statuses.append(got.status)
        tried += got.headers["x-weighbridge-attempts"] == "2"
    assert set(statuses) == {200}
    # It is asked again from time to time, by one call each: how often depends on how long this takes.
    assert 3 <= tried <= 8
