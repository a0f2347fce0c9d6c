"""A deployment that lets a call wait, and another that is asked beside it: over real sockets, by a real gateway."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.chaos.test_provider_faults import idle
from tests.support import openai_script
from tests.support.figures import measured
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.openai_script import answer, said
from tests.support.provider import CLOSE, EVENTS, Asked, ScriptedProvider, Step
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw, request, talk

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      slow: {{kind: openai, base_url: "{slow}"}}
      quick: {{kind: openai, base_url: "{quick}"}}
      tiny: {{kind: openai, base_url: "{quick}"}}
    models:
      - alias: m
        candidates: [{{provider: slow, model: m}}]
        fallback: [quick/m]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
        timeouts: {{first_token: 60s, idle: 60s, total: 60s}}
      - alias: brief
        candidates: [{{provider: slow, model: brief}}]
        fallback: [quick/brief]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
        timeouts: {{first_token: 60s, idle: 60s, total: 2s}}
      - alias: busy
        candidates: [{{provider: slow, model: busy}}]
        fallback: [quick/busy]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
      - alias: cut
        candidates: [{{provider: slow, model: cut}}]
        fallback: [quick/cut]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
        continue: true
      - alias: plain
        candidates: [{{provider: slow, model: tail}}]
        fallback: [quick/tail]
      - alias: tail
        candidates: [{{provider: slow, model: tail}}]
        fallback: [quick/tail]
        hedge: {{after: p90, max_extra_cost: 50%}}
      - alias: full
        candidates: [{{provider: slow, model: full}}]
        fallback: [tiny/full]
        hedge: {{after: 100ms, max_extra_cost: 50%}}
    limits:
      - {{scope: provider, match: {{provider: tiny}}, requests: {{max: 1, per: hour}}}}
    prices: {{overrides: prices.yaml}}
    capture: {{bodies: none}}
"""
PRICES = """
- {provider: slow, model: "*", input: 1, output: 1}
- {provider: quick, model: "*", input: 1, output: 1}
"""
BUSY = b"content-type: application/json\r\nretry-after: 30\r\n"
TURNS = itertools.count()
# Nobody ever sets them.
NEVER = {stream: asyncio.Event() for stream in (False, True)}
NEITHER = asyncio.Event()


def words(stream: bool) -> list[Step]:
    return list(openai_script.stream(*said("all of it")) if stream else answer(openai_script.chat("all of it")))


def slow(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    stream = bool(document.get("stream"))
    text = document["messages"][0]["content"]
    if text == "now and then":
        return [1.5, *words(stream)] if next(TURNS) % 20 == 19 else words(stream)
    if text.startswith("wait"):
        return [0.5, *words(stream)]
    if text.startswith("stall") and len(document["messages"]) == 1:
        return [EVENTS, NEVER[True]] if stream else [NEVER[False]]
    return words(stream)


def quick(asked: Asked) -> list[Step]:
    document = orjson.loads(asked.body)
    text = document["messages"][0]["content"]
    if text == "stall at both":
        return [NEITHER]
    if document["model"] == "busy" and text == "wait":
        return answer({"error": {"message": "busy"}}, "429 Too Many Requests", BUSY)
    if document["model"] == "busy":
        return answer({"error": {"message": "no", "code": 503}})
    if document["model"] == "cut":
        return [*openai_script.stream(*said("all of it"))[:-4], CLOSE]
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
        for model in ("m", "brief", "busy", "cut", "full"):
            for _ in range(5):
                # What a second answer may cost is saved up first.
                assert ask(gateway, "hello", model=model).status == 200
        yield gateway, first, second


def ask(gateway: Gateway, text: str, *, stream: bool = False, model: str = "m") -> Raw:
    return asyncio.run(talk(gateway.port, chat(model, text, stream=stream)))


def settled(gateway: Gateway) -> None:
    """Wait until nothing is held any more."""
    try:
        until(lambda: idle(gateway))
    except AssertionError:
        counts = gateway.counts()
        held = [each for each in counts["deployments"] if each["in_flight"]]
        pytest.fail(f"in flight: {counts['in_flight']}, upstream: {counts['upstream_connections']}, held: {held}")


def tries_of(gateway: Gateway, got: Raw) -> list[tuple[str, str, str]]:
    """Kind, provider and error of each try; nothing that they held is held any more."""
    record = gateway.record_of(got.id)
    settled(gateway)
    until(lambda: not [each for each in gateway.next_counts()["deployments"] if each["in_flight"]])
    return [(each["kind"], each["provider"], each["error_code"]) for each in record["attempts"]]


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
    settled(gateway)
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
    asked = (len(first.asked), len(second.asked))

    async def leave() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(request(chat("m", "stall at both"), tags="call=left"))
        await asyncio.to_thread(until, lambda: (len(first.asked), len(second.asked)) == (asked[0] + 1, asked[1] + 1))
        writer.close()

    asyncio.run(leave())
    (record,) = until(lambda: [each for each in gateway.spooled() if each["tags"] == {"call": "left"}])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    tries = [(each["kind"], each["provider"], each["error_code"]) for each in record["attempts"]]
    assert sorted(tries) == [("first", "slow", "client_closed"), ("hedge", "quick", "client_closed")]
    settled(gateway)
    until(lambda: not [each for each in gateway.next_counts()["deployments"] if each["in_flight"]])


def test_when_the_time_is_over_both_are_let_go(site: Any) -> None:
    gateway, first, second = site
    got = ask(gateway, "stall at both", model="brief")
    assert (got.status, orjson.loads(got.body)["error"]["code"]) == (504, "upstream_timeout")
    assert tries_of(gateway, got) == [("first", "slow", "upstream_timeout"), ("hedge", "quick", "upstream_timeout")]
    until(lambda: first.open + second.open == gateway.counts()["upstream_connections"].get("idle", 0))


def test_an_error_of_the_second_leaves_the_call_to_the_first_and_rest_is_given(site: Any) -> None:
    gateway, _, second = site
    for text, status in (("wait, wrongly", 200), ("wait", 429)):
        got = ask(gateway, text, model="busy")
        assert (got.status, b"all of it" in got.body) == (200, True)
        assert tries_of(gateway, got) == [("first", "slow", ""), ("hedge", "quick", "upstream_error")]
        assert gateway.record_of(got.id)["attempts"][1]["status"] == status
    before = len(second.asked)
    got = ask(gateway, "wait", model="busy")
    assert tries_of(gateway, got) == [("first", "slow", "")]
    assert len(second.asked) == before


def test_a_stream_that_the_second_won_and_that_is_cut_goes_on(site: Any) -> None:
    gateway, _, _ = site
    got = ask(gateway, "stall", model="cut", stream=True)
    assert got.body.rstrip().endswith(b"data: [DONE]")
    assert tries_of(gateway, got) == [
        ("first", "slow", "outrun"),
        ("hedge", "quick", "upstream_error"),
        ("continue", "slow", ""),
    ]
    record = gateway.record_of(got.id)
    assert record["cost_nanousd"] == sum(each["cost_nanousd"] for each in record["attempts"])


def test_where_the_second_has_no_room_the_first_is_waited_for(site: Any) -> None:
    gateway, _, second = site
    # Its only call of the hour.
    assert ask(gateway, "stall", model="full").status == 200
    before = len(second.asked)
    got = ask(gateway, "wait", model="full")
    assert got.status == 200
    assert tries_of(gateway, got) == [("first", "slow", "")]
    assert len(second.asked) == before


def test_what_is_late_now_and_then_is_late_no_more(site: Any) -> None:
    gateway, _, _ = site
    times: dict[str, list[float]] = {}
    for model in ("plain", "tail"):
        # Waits are learned from twenty calls on.
        for _ in range(100):
            began = time.monotonic()
            assert ask(gateway, "now and then", model=model).status == 200
            times.setdefault(model, []).append(time.monotonic() - began)
    plain, tail = (sorted(times[model]) for model in ("plain", "tail"))
    for name, taken in (("plain", plain), ("hedged", tail)):
        measured(f"{name}_p50_p96_max_ms", [round(taken[at] * 1000, 1) for at in (50, 96, 99)])
    # One of twenty is late; hedged, only the one among those from which waits are learned.
    assert [each > 1.4 for each in plain].count(True) >= 5
    assert [each > 1.4 for each in tail].count(True) <= 2
