"""Every way in which a provider fails, in every dialect: what its client is told, what is booked, who is asked again.

All of it at once, and against providers that speak the client's dialect and others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from gateway.core.exchange import Incoming
from tests.chaos.test_provider_faults import idle
from tests.support.chaos import DIALECTS, asking, begins, ends_in_error, is_error, says_all, spoken_by, told, wanted
from tests.support.faults import FAULTS
from tests.support.figures import SOAK
from tests.support.gateway_run import Gateway, open_files, running, until
from tests.support.provider import Asked, Step
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

# How many calls a provider may have at once: a seat that is not given back is missed by the last of so many.
SEATS = 48
CONFIG = """
version: 1
providers:
  openai: {kind: openai, base_url: "BAD/v1", api_key: env:KEY}
  anthropic: {kind: anthropic, base_url: "BAD/v1", api_key: env:KEY}
  gemini: {kind: gemini, base_url: "BAD/v1beta", api_key: env:KEY}
  bedrock: {kind: bedrock, base_url: "BAD", region: eu-west-1, api_key: env:KEY}
  triton: {kind: triton, base_url: "BAD", on_unsupported: drop}
  good-openai: {kind: openai, base_url: "GOOD/v1", api_key: env:KEY}
  good-anthropic: {kind: anthropic, base_url: "GOOD/v1", api_key: env:KEY}
limits:
  - {scope: provider, concurrency: SEATS}
prices: {overrides: prices.yaml}
capture: {bodies: none}
models:
"""
# Alone, with somebody of another dialect behind it, and itself of another dialect. Timers run out only for those who
# wait for that, and the breaker has no say here.
ALIASES = """
  - {alias: aloneSPEED_DIALECT, candidates: [{provider: HOME, model: m}], timeouts: TIMERS}
  - {alias: abroadSPEED_DIALECT, candidates: [{provider: ABROAD, model: m}], timeouts: TIMERS}
  - alias: pairSPEED_DIALECT
    candidates: [{provider: HOME, model: m}]
    fallback: [good-ABROAD/m]
    timeouts: TIMERS
    breaker: {consecutive: 1000, min_calls: 100000}
"""
TIMERS = {
    "": "{connect: 60s, first_token: 60s, idle: 60s, total: 60s}",
    "_brief": "{connect: 60s, first_token: 1500ms, idle: 1500ms, total: 60s}",
    "_ending": "{connect: 60s, first_token: 60s, idle: 60s, total: 2s}",
}
HOMES = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
    "bedrock_converse": "bedrock",
    "triton": "triton",
}
PRICES = "".join(
    f"- {{provider: {prefix}{name}, model: m, input: 1.0, output: 2.0}}\n"
    for name in sorted(set(HOMES.values()))
    for prefix in ("", "good-")
)
# A provider that wants to be left alone is left alone by all that come after.
ALONE = ("status 429, retry after",)
BOOKED = ("usage_source", "input_tokens", "output_tokens", "cost_nanousd")
# Where a connection may have died before the call was sent on it, so that it is sent again on another.
RESENT = ("reset before the head", "closed before the head", "half-closed before the head")


class Call(NamedTuple):
    """Where it goes, what goes wrong, and the form of the answer."""

    alias: str
    fault: str
    stream: bool


@dataclass
class Site:
    """A gateway, a provider that does what it is told to, and one that is well.

    Attributes:
        tasks: Of a worker that nobody has asked for anything.
        seen: What the provider waits for before it goes on, by what it was asked.
    """

    gateway: Gateway
    bad: ScriptedServer
    tasks: int
    seen: dict[tuple[str, str, str], asyncio.Event]


def behave(asked: Asked) -> list[Step]:
    return spoken_by(asked).well(stream=wanted(asked)[2] == "stream")


def configured(bad: str, good: str) -> str:
    text = CONFIG.replace("BAD", bad).replace("GOOD", good).replace("SEATS", str(SEATS))
    for dialect, home in HOMES.items():
        abroad = "anthropic" if home == "openai" else "openai"
        for speed, timers in TIMERS.items():
            aliases = ALIASES.replace("SPEED", speed).replace("TIMERS", timers).replace("DIALECT", dialect)
            text += aliases.replace("HOME", home).replace("ABROAD", abroad)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("dialects")
    (home / "prices.yaml").write_text(PRICES)
    events: dict[tuple[str, str, str], asyncio.Event] = {}

    def misbehave(asked: Asked) -> list[Step]:
        fault, _, form = key = wanted(asked)
        events[key] = asyncio.Event()
        return FAULTS[fault].play(spoken_by(asked), form == "stream", events[key])

    with scripted_server() as bad, provider_in_thread(behave) as good:
        bad.script = misbehave
        config = configured(bad.url.removesuffix("/v1"), good.url.removesuffix("/v1"))
        with running(home, config=config, KEY="sk-0123456789") as gateway:
            yield Site(gateway, bad, gateway.next_counts()["tasks"], events)


def let_go(counts: dict[str, Any]) -> bool:
    """Whether nobody is there any more, and nothing is held for anybody."""
    busy = counts["in_flight"] or counts["upstream_connections"].get("busy", 0) or counts["client_connections"]
    return not busy and not any(each["in_flight"] for each in counts["deployments"])


def play_all(site: Site, dialect: str) -> dict[Call, tuple[Raw, dict[str, Any]]]:
    """Ask for every fault in every form at every alias, side by side; gives the answers and their records."""
    aliases = ("alone", "pair", "abroad")
    calls = [Call(alias, name, form) for alias in aliases for name, fault in FAULTS.items() for form in fault.forms]
    calls = [call for call in calls if dialect not in FAULTS[call.fault].spares]
    calls = [call for call in calls if call.alias != "pair" or call.fault not in ALONE]

    async def every() -> list[Raw]:
        seats = asyncio.Semaphore(SEATS)

        async def one(call: Call) -> Raw:
            model = f"{call.alias}{FAULTS[call.fault].speed}_{dialect}"
            key = (call.fault, model, "stream" if call.stream else "whole")
            async with seats:
                return await told(
                    site.gateway.port,
                    asking(dialect, model, call.fault, stream=call.stream),
                    lambda: site.bad.signal(site.seen[key]),
                )

        return await asyncio.gather(*map(one, calls))

    answers = asyncio.run(every())
    records = {record["id"]: record for record in site.gateway.spooled()}
    return {call: (answer, records[answer.id]) for call, answer in zip(calls, answers, strict=True)}


def seen(dialect: str, call: Call, answer: Raw) -> str:
    """What an answer is to its client."""
    if answer.status != 200:
        return f"error {answer.status}" if is_error(dialect, answer) else "no error of this dialect"
    if says_all(dialect, answer, stream=call.stream):
        return "all"
    return "cut" if answer.whole and begins(answer) and ends_in_error(dialect, answer) else "nothing of this dialect"


def due(call: Call, answer: Raw) -> tuple[str, str, list[tuple[str, str]]]:
    """What the client should see, the code on the record, and the tries with theirs."""
    fault = FAULTS[call.fault]
    first = ("first", fault.code)
    if fault.begun:
        return "cut", fault.code, [first]
    if not fault.code:
        return "all", "", [first]
    if call.alias == "pair":
        return "all", "", [first, ("fallback", "")]
    return f"error {fault.status or answer.status}", fault.code, [first]


def books(call: Call, outcome: str, record: dict[str, Any]) -> bool:
    """Whether what is booked is what was used, as far as the provider has told."""
    source, tokens, cost = record["usage_source"], record["output_tokens"], record["cost_nanousd"]
    if outcome == "all":
        return source in ("reported", "estimated") and tokens > 0 and cost > 0
    if outcome == "cut":
        # Some of the seven tokens that the whole answer has.
        return source == "estimated" and 0 < tokens < 7 and cost > 0
    return (source, tokens, cost) == ("missing", None, None)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_a_provider_does_its_client_is_told_and_it_is_booked(site: Site, dialect: str) -> None:
    asked_before = len(site.bad.asked)
    wrong: dict[Call, Any] = {}
    for call, (answer, record) in play_all(site, dialect).items():
        tries = [(each["kind"], each["error_code"]) for each in record["attempts"]]
        found, expected = (seen(dialect, call, answer), record["error_code"], tries), due(call, answer)
        if found != expected:
            wrong[call] = found, expected
        elif not books(call, found[0], record):
            wrong[call] = found[0], {name: record[name] for name in BOOKED}
    assert not wrong, "\n".join(f"{call}: {what}" for call, what in wrong.items())
    # Nothing was asked twice of a provider that had it.
    times = Counter(wanted(asked) for asked in site.bad.asked[asked_before:])
    assert {key: count for key, count in times.items() if count > 1 and key[0] not in RESENT} == {}
    assert max(times.values()) <= 2
    until(lambda: idle(site.gateway) and site.gateway.counts()["tasks"] == site.tasks)


@pytest.mark.parametrize("dialect", DIALECTS if SOAK else ("openai_chat", "bedrock_converse"))
def test_clients_that_leave_and_providers_that_fail_keep_nothing(site: Site, dialect: str) -> None:
    gateway, bad = site.gateway, site.bad
    silent = asking(dialect, f"alone_{dialect}", "silence before the head", stream=True)
    well = asking(dialect, f"alone_{dialect}", "a stream by drips", stream=True)

    async def call(asked: Incoming) -> Raw:
        return await told(gateway.port, asked, lambda: None)

    async def fill() -> Raw:
        """Take every seat of a provider, ask once more, and leave."""
        before = len(bad.asked)
        calls = [asyncio.ensure_future(call(silent)) for _ in range(SEATS)]
        await asyncio.to_thread(until, lambda: len(bad.asked) == before + SEATS)
        refused = await call(silent)
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return refused

    until(lambda: idle(gateway))
    rounds: list[tuple[int, int]] = []
    for _ in range(2):
        refused = asyncio.run(fill())
        assert (refused.status, is_error(dialect, refused)) == (429, True)
        # By counts that were made after they have left: older ones say what was before they came.
        until(lambda: let_go(gateway.next_counts()))
        assert says_all(dialect, asyncio.run(call(well)), stream=True)
        until(lambda: idle(gateway))
        counts = gateway.next_counts()
        assert [each for each in counts["deployments"] if each["in_flight"]] == []
        rounds.append((counts["tasks"], open_files(counts["pid"]) - counts["upstream_connections"]["idle"]))
    assert [tasks for tasks, _ in rounds] == [site.tasks] * 2
    # A file or two come and go by themselves; a leak is one a call.
    assert abs(rounds[1][1] - rounds[0][1]) < SEATS // 4
