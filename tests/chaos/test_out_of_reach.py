"""Providers that cannot be reached, clients that half-close; and those that are well meanwhile."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.chaos.test_provider_faults import idle
from tests.support.chaos import DIALECTS, asking, is_error, says_all, spoken_by, told
from tests.support.figures import BUSY, SOAK, measured
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.provider import Asked, Step
from tests.support.provider_thread import provider_in_thread
from tests.support.raw_client import Raw, request, talk
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
version: 1
providers:
  good: {kind: openai, base_url: "GOOD/v1", api_key: env:KEY}
  good-claude: {kind: anthropic, base_url: "GOOD/v1", api_key: env:KEY}
  scripted: {kind: openai, base_url: "BAD/v1"}
REACHED
capture: {bodies: none}
models:
  - {alias: well, candidates: [{provider: good, model: m}]}
  - {alias: scripted, candidates: [{provider: scripted, model: m}]}
"""
KINDS = {
    "openai_chat": ("openai", "/v1", ", api_key: env:KEY"),
    "anthropic_messages": ("anthropic", "/v1", ", api_key: env:KEY"),
    "gemini": ("gemini", "/v1beta", ", api_key: env:KEY"),
    "bedrock_converse": ("bedrock", "", ", region: eu-west-1, api_key: env:KEY"),
    "triton": ("triton", "", ", on_unsupported: drop"),
}
# What cannot be reached, and how the client is told.
OUT_OF_REACH = {
    "refused": (502, "upstream_error"),
    "unnamed": (502, "upstream_error"),
    "silent": (504, "upstream_timeout"),
}
HANGING = 50


@dataclass
class Site:
    gateway: Gateway
    bad: ScriptedServer


def behave(asked: Asked) -> list[Step]:
    return spoken_by(asked).well(stream=b'"stream":true' in asked.body or "stream" in asked.path)


def reached(addresses: dict[str, str]) -> tuple[str, str]:
    """Providers of every kind at each address, and aliases alone and with somebody behind them."""
    providers, models = "", ""
    for name, address in addresses.items():
        for dialect in DIALECTS:
            kind, path, more = KINDS.get(dialect, KINDS["openai_chat"])
            other = "good-claude" if kind == "openai" else "good"
            providers += f'  {name}-{dialect}: {{kind: {kind}, base_url: "{address}{path}"{more}}}\n'
            timeouts = "timeouts: {connect: 1s}"
            first = f"candidates: [{{provider: {name}-{dialect}, model: m}}], {timeouts}"
            models += f"  - {{alias: {name}_{dialect}, {first}}}\n"
            models += f"  - {{alias: {name}_pair_{dialect}, {first}, fallback: [{other}/m]}}\n"
    return providers, models


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # Somebody who listens, and never says a word.
    with (
        closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as silent,
        scripted_server() as bad,
        provider_in_thread(behave) as good,
    ):
        plain = good.url.removesuffix("/v1")
        providers, models = reached(
            {
                "refused": "http://127.0.0.1:1",
                "unnamed": "http://no-such-host.invalid",
                "silent": f"https://127.0.0.1:{silent.getsockname()[1]}",
            }
        )
        config = CONFIG.replace("GOOD", plain).replace("BAD", bad.url.removesuffix("/v1"))
        config = config.replace("REACHED\n", providers) + models
        with running(tmp_path_factory.mktemp("reach"), config=config, KEY="sk-0123456789") as gateway:
            yield Site(gateway, bad)


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_who_cannot_be_reached_is_told_of_and_gone_around_in_every_dialect(site: Site, name: str) -> None:
    status, code = OUT_OF_REACH[name]

    async def ask(alias: str, dialect: str, *, stream: bool) -> Raw:
        asked = asking(dialect, f"{alias}_{dialect}", "no one is there", stream=stream)
        return await told(site.gateway.port, asked, lambda: None)

    cases = [(dialect, stream) for dialect in DIALECTS for stream in (False, True)]

    async def every(alias: str) -> list[Raw]:
        return await asyncio.gather(*(ask(alias, dialect, stream=stream) for dialect, stream in cases))

    alone_all, pair_all = asyncio.run(every(name)), asyncio.run(every(f"{name}_pair"))
    for (dialect, stream), alone, pair in zip(cases, alone_all, pair_all, strict=True):
        assert (alone.status, is_error(dialect, alone)) == (status, True), dialect
        record = site.gateway.record_of(alone.id)
        assert (record["error_code"], record["usage_source"], record["cost_nanousd"]) == (code, "missing", None)
        assert [each["error_code"] for each in record["attempts"]] == [code]
        assert says_all(dialect, pair, stream=stream), (dialect, stream)
        # Once it is left alone, nobody is kept waiting for it.
        tries = [(each["kind"], each["error_code"]) for each in site.gateway.record_of(pair.id)["attempts"]]
        assert tries in ([("first", code), ("fallback", "")], [("first", "")])
    until(lambda: idle(site.gateway))


def test_a_client_that_closes_its_half_has_gone(site: Site) -> None:
    site.bad.script = [asyncio.Event()]
    before = len(site.bad.asked)

    async def leave() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
        writer.write(request(chat("scripted", "hello", stream=True), tags="call=half"))
        await asyncio.to_thread(until, lambda: len(site.bad.asked) > before)
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(leave()) == b""
    (record,) = until(lambda: [each for each in site.gateway.spooled() if each["tags"] == {"call": "half"}])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    until(lambda: idle(site.gateway))


def test_those_that_are_well_are_not_slowed_by_those_that_are_not(site: Site) -> None:
    """Calls to one deployment, while many others hang, trickle, and are refused."""
    drops: list[Step] = [step for _ in range(1000) for step in (b"x", 0.25)]
    site.bad.script = [b"HTTP/1.1 200 OK\r\nx-long: ", *drops]
    rounds, calls = (10, 200) if SOAK else (3, 30)

    async def pace(overheads: list[float]) -> None:
        for _ in range(calls):
            began = time.perf_counter()
            got = await talk(site.gateway.port, chat("well", "hello"))
            overheads.append((time.perf_counter() - began) * 1000)
            assert got.status == 200
            await asyncio.sleep(0.002)

    async def refused(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await talk(site.gateway.port, chat("refused_openai_chat", "hello"))
            await asyncio.sleep(0.01)

    async def main() -> tuple[list[float], list[float]]:
        quiet: list[float] = []
        storm: list[float] = []
        for _ in range(rounds):
            await pace(quiet)
            stop, before = asyncio.Event(), len(site.bad.asked)
            hanging = [
                asyncio.ensure_future(talk(site.gateway.port, chat("scripted", "hello"), 60)) for _ in range(HANGING)
            ]
            await asyncio.to_thread(until, lambda full=before + HANGING: len(site.bad.asked) == full)
            knocking = asyncio.ensure_future(refused(stop))
            await pace(storm)
            stop.set()
            await knocking
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            await asyncio.to_thread(until, lambda: idle(site.gateway))
        return quiet, storm

    quiet, storm = asyncio.run(main())
    added_ms = statistics.median(storm) - statistics.median(quiet)
    tail_ms = statistics.quantiles(storm, n=100)[98] - statistics.quantiles(quiet, n=100)[98]
    measured("added latency of a healthy deployment, median, ms", f"{added_ms:.2f}")
    measured("added latency of a healthy deployment, 99th percentile, ms", f"{tail_ms:.2f}")
    assert added_ms <= 5 * BUSY
    if SOAK:
        assert tail_ms <= 5
    until(lambda: idle(site.gateway))
