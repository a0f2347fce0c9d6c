"""Providers that storm, that half-close what they kept open, that die and come back: in every dialect they speak."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
import pytest

from loadtests.ports import free_port
from tests.chaos.test_provider_faults import idle
from tests.support.chaos import DIALECTS, asking, is_error, says_all, spoken_by, told, wanted
from tests.support.faults import TYPES
from tests.support.gateway_run import Gateway, running, until
from tests.support.provider import HALF, Asked, Step, scripted, whole
from tests.support.provider_errors import BODIES
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw
from tests.support.scripted_server import Script, ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
version: 1
capture: {bodies: none}
prices: {overrides: prices.yaml}
providers:
  good: {kind: openai, base_url: "GOOD/v1", api_key: env:KEY}
"""
KINDS = {
    "openai_chat": ("openai", "/v1", ", api_key: env:KEY"),
    "openai_responses": ("openai", "/v1", ", api_key: env:KEY"),
    "anthropic_messages": ("anthropic", "/v1", ", api_key: env:KEY"),
    "gemini": ("gemini", "/v1beta", ", api_key: env:KEY"),
    "bedrock_converse": ("bedrock", "", ", region: eu-west-1, api_key: env:KEY"),
    "triton": ("triton", "", ", on_unsupported: drop"),
}
# A model for each alias, so that what befalls one is not told of another.
ALIASES = """
  - {alias: again_D, candidates: [{provider: bad-D, model: again}], retry: {attempts: 2}, breaker: BREAKER}
  - {alias: pair_D, candidates: [{provider: bad-D, model: pair}], fallback: [good/m], breaker: BREAKER}
  - {alias: rests_D, candidates: [{provider: bad-D, model: rests}], retry: {attempts: 2}}
  - {alias: restspair_D, candidates: [{provider: bad-D, model: restspair}], fallback: [good/m]}
  - {alias: kept_D, candidates: [{provider: bad-D, model: kept}], retry: {attempts: 1}}
  - alias: mortal_D
    candidates: [{provider: mortal-D, model: m}, {provider: good, model: m}]
    breaker: {open: 300ms, max_open: 300ms}
"""
BREAKER = "{consecutive: 1000, min_calls: 100000}"
CALLS = 40


@dataclass
class Site:
    gateway: Gateway
    bad: ScriptedServer
    mortal_port: int

    def ask(self, alias: str, dialects: Sequence[str], *, stream: bool = False) -> list[Raw]:
        """Call an alias once in each of these dialects, side by side; gives the answers in their order."""
        return asyncio.run(self.calls(alias, dialects, stream=stream))

    async def calls(self, alias: str, dialects: Sequence[str], *, stream: bool = False) -> list[Raw]:
        asked = [asking(each, f"{alias}_{each}", "storm", stream=stream) for each in dialects]
        return await asyncio.gather(*(told(self.gateway.port, each, lambda: None) for each in asked))

    def times(self, alias: str) -> list[int]:
        """How often the provider was asked for an alias, by dialect."""
        times = Counter(wanted(each)[1] for each in self.bad.asked)
        return [times[f"{alias}_{each}"] for each in DIALECTS]


def storm(headers: bytes = b"") -> Script:
    """A provider that says in its own words that it has had enough."""
    head = b"content-type: application/json\r\n" + TYPES + headers
    return lambda asked: [whole(orjson.dumps(BODIES[spoken_by(asked).dialect](429)), "429 Too Many Requests", head)]


def behave(asked: Asked) -> list[Step]:
    return spoken_by(asked).well(stream=wanted(asked)[2] == "stream")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with scripted_server() as bad:
        mortal_port = free_port()
        addresses = {"bad": bad.url.removesuffix("/v1"), "mortal": f"http://127.0.0.1:{mortal_port}"}
        with provider_in_thread(behave) as good:
            config = CONFIG.replace("GOOD", good.url.removesuffix("/v1"))
            for dialect, (kind, path, more) in KINDS.items():
                for name, address in addresses.items():
                    config += f'  {name}-{dialect}: {{kind: {kind}, base_url: "{address}{path}"{more}}}\n'
            aliases = "".join(ALIASES.replace("D,", f"{dialect},").replace("D\n", f"{dialect}\n") for dialect in KINDS)
            config += "models:" + aliases.replace("BREAKER", BREAKER)
            home = tmp_path_factory.mktemp("storms")
            prices = "".join(
                f"- {{provider: bad-{dialect}, model: kept, input: 1.0, output: 2.0}}\n" for dialect in KINDS
            )
            (home / "prices.yaml").write_text(prices)
            with running(home, config=config, KEY="sk-0123456789") as gateway:
                yield Site(gateway, bad, mortal_port)


def test_a_storm_of_429_is_weathered_by_the_others_and_does_not_grow_by_retries(site: Site) -> None:
    """Without ``retry-after``: the provider is full, not at fault, and each call asks it once."""
    site.bad.script = storm()
    many = [dialect for dialect in DIALECTS for _ in range(CALLS)]
    assert all(says_all(dialect, got, stream=False) for dialect, got in zip(many, site.ask("pair", many), strict=True))
    assert site.times("pair") == [CALLS] * len(DIALECTS)
    answers = site.ask("again", many)
    assert {(got.status, is_error(dialect, got)) for dialect, got in zip(many, answers, strict=True)} == {(429, True)}
    # A tenth more, and the ten that those have who make few calls; a few come by as time goes.
    assert all(CALLS < times <= CALLS * 1.1 + 12 for times in site.times("again"))
    for got in answers[::CALLS]:
        record = site.gateway.record_of(got.id)
        booked = record["error_code"], record["usage_source"], record["cost_nanousd"]
        assert booked == ("upstream_error", "missing", None)
    until(lambda: idle(site.gateway))
    stormed = [each for each in site.gateway.next_counts()["deployments"] if each["model"] in ("again", "pair")]
    assert len(stormed) == 2 * len(DIALECTS)
    assert {(each["breaker"], each["in_flight"]) for each in stormed} == {("closed", 0)}


def test_who_says_when_is_left_alone_until_then(site: Site) -> None:
    site.bad.script = storm(b"retry-after: 30\r\n")
    every: list[str] = [*DIALECTS]
    # The provider's own answer, then ours: both say when.
    for dialect, got in zip(every, site.ask("rests", every), strict=True):
        assert (got.status, got.headers["retry-after"], is_error(dialect, got)) == (429, "30", True)
    for dialect, got in zip(every * 5, site.ask("rests", every * 5), strict=True):
        assert (got.status, is_error(dialect, got)) == (503, True), dialect
        assert 20 <= int(got.headers["retry-after"]) <= 30
        assert site.gateway.record_of(got.id)["error_code"] == "upstream_overloaded"
    assert site.times("rests") == [1] * len(every)
    for _ in range(3):
        answers = site.ask("restspair", every, stream=True)
        assert all(says_all(dialect, got, stream=True) for dialect, got in zip(every, answers, strict=True))
    assert site.times("restspair") == [1] * len(every)


def test_kept_connections_that_their_provider_has_half_closed_cost_no_call(site: Site) -> None:
    site.bad.script = lambda asked: [whole(spoken_by(asked).body), HALF]
    for _ in range(6):
        for dialect, got in zip(DIALECTS, site.ask("kept", DIALECTS), strict=True):
            assert says_all(dialect, got, stream=False), dialect
            record = site.gateway.record_of(got.id)
            assert len(record["attempts"]) == 1
            assert record["cost_nanousd"] > 0
    until(lambda: idle(site.gateway))


def test_one_that_dies_and_returns_costs_no_call_and_has_its_share_again(site: Site) -> None:
    async def well(dialects: Sequence[str]) -> None:
        answers = await site.calls("mortal", dialects)
        assert all(says_all(dialect, got, stream=False) for dialect, got in zip(dialects, answers, strict=True))

    async def main() -> None:
        for _ in range(2):
            async with scripted(behave, port=site.mortal_port) as provider:

                def seen() -> Counter[str]:
                    return Counter(wanted(each)[1].removeprefix("mortal_") for each in provider.asked)

                # It is asked again when its time is over, and has half of the calls when that went well.
                while unseen := [dialect for dialect in DIALECTS if not seen()[dialect]]:
                    await well(unseen)
                before = seen()
                for _ in range(20):
                    await well(DIALECTS)
                assert {dialect: seen()[dialect] - before[dialect] for dialect in DIALECTS} == dict.fromkeys(
                    DIALECTS, 10
                )
            for _ in range(10):
                await well(DIALECTS)

    asyncio.run(main())
    until(lambda: idle(site.gateway))
