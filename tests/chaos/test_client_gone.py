"""Clients of every dialect that leave, whatever their call is at: slots and providers are left, what came is booked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.chaos.test_provider_faults import idle
from tests.support.chaos import BEGUN, DIALECTS, asking, spoken_by, told, wanted
from tests.support.figures import BUSY, measured
from tests.support.gateway_run import Gateway, chat, running, until
from tests.support.provider import Asked, Step, chunk
from tests.support.raw_client import talk
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
version: 1
providers:
  openai: {kind: openai, base_url: "URL/v1", api_key: env:KEY}
  anthropic: {kind: anthropic, base_url: "URL/v1", api_key: env:KEY}
  gemini: {kind: gemini, base_url: "URL/v1beta", api_key: env:KEY}
  bedrock: {kind: bedrock, base_url: "URL", region: eu-west-1, api_key: env:KEY}
  triton: {kind: triton, base_url: "URL", on_unsupported: drop}
limits:
  - {scope: provider, concurrency: 64}
prices: {overrides: prices.yaml}
policies: {dir: policies, bundle: [held.yaml]}
capture: {bodies: none}
models:
"""
ALIASES = """
  - {alias: home_DIALECT, candidates: [{provider: HOME, model: home-DIALECT, concurrency: 4}]}
  - {alias: abroad_DIALECT, candidates: [{provider: ABROAD, model: abroad-DIALECT, concurrency: 4}]}
  - {alias: held_DIALECT, candidates: [{provider: HOME, model: held-DIALECT, concurrency: 4}]}
"""
HELD = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: held}
detectors:
  form: {use: json_schema, schema: {type: object}}
rules:
  - {id: form, match: {direction: response, model: "held_*"}, when: form, do: block, mode: enforce}
"""
HOMES = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
    "bedrock_converse": "bedrock",
    "triton": "triton",
}
PRICES = "".join(f'- {{provider: {name}, model: "*", input: 1.0, output: 2.0}}\n' for name in set(HOMES.values()))


class Left(NamedTuple):
    """What a call is at when its client goes.

    Attributes:
        alias: Who answers, and under which rules.
        stream: The form of the answer.
        seen: Its client has had the first words.
        begun: Its provider has sent them.
    """

    alias: str
    stream: bool
    seen: bool
    begun: bool


STATES = {
    "waiting for a head": Left("home", stream=True, seen=False, begun=False),
    "waiting for a whole answer": Left("home", stream=False, seen=False, begun=False),
    "in the middle of a stream": Left("home", stream=True, seen=True, begun=True),
    "in the middle of a translated stream": Left("abroad", stream=True, seen=True, begun=True),
    "held until it is judged": Left("held", stream=True, seen=False, begun=True),
}


class Site(NamedTuple):
    """A gateway, and a provider that says a little and then nothing."""

    gateway: Gateway
    provider: ScriptedServer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("gone")
    (home / "prices.yaml").write_text(PRICES)
    (home / "policies").mkdir()
    (home / "policies" / "held.yaml").write_text(HELD)

    def hesitate(asked: Asked) -> list[Step]:
        fault, _, form = wanted(asked)
        spoken = spoken_by(asked)
        begun = [spoken.head, chunk(spoken.begun)] if fault == "begun" and form == "stream" else []
        return [*begun, asyncio.Event()]

    with scripted_server() as provider:
        provider.script = hesitate
        text = CONFIG.replace("URL", provider.url.removesuffix("/v1"))
        for dialect, kind in HOMES.items():
            abroad = "anthropic" if kind == "openai" else "openai"
            text += ALIASES.replace("DIALECT", dialect).replace("HOME", kind).replace("ABROAD", abroad)
        with running(home, config=text, KEY="sk-0123456789") as gateway:
            yield Site(gateway, provider)


async def come_and_go(site: Site, dialect: str, left: Left, tag: str) -> float:
    """Call, wait until the call is where it is to be left, and leave; gives when."""
    before, seen = len(site.provider.asked), asyncio.Event()
    asked = asking(dialect, f"{left.alias}_{dialect}", "begun" if left.begun else "silence", stream=left.stream)
    call = asyncio.create_task(told(site.gateway.port, asked, seen.set, tags=f"call={tag}"))
    if left.seen:
        await seen.wait()
    else:
        await asyncio.to_thread(until, lambda: len(site.provider.asked) > before)
        if left.begun:
            # By the time that others have been answered, what was sent has come to the gateway, which keeps it.
            for _ in range(5):
                await talk(site.gateway.port, chat())
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    return time.monotonic()


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_leaves_leaves_nothing_behind(site: Site, dialect: str, name: str) -> None:
    gateway, left = site.gateway, STATES[name]
    until(lambda: idle(gateway) and site.provider.open == 0)
    tag = f"{dialect}-{name.replace(' ', '-')}"
    gone_at = asyncio.run(come_and_go(site, dialect, left, tag))
    until(lambda: site.provider.open == 0, 1.0 * BUSY)
    measured("left_ms", (time.monotonic() - gone_at) * 1000)
    (record,) = until(lambda: [each for each in gateway.spooled() if each["tags"] == {"call": tag}])
    assert (record["status"], record["error_code"]) == (499, "client_closed")
    assert [(each["kind"], each["error_code"]) for each in record["attempts"]] == [("first", "client_closed")]
    booked(record, left)
    until(lambda: idle(gateway))
    until(lambda: not [each for each in gateway.next_counts()["deployments"] if each["in_flight"]])


def booked(record: dict[str, Any], left: Left) -> None:
    """What had come is paid for; what had not, nobody knows."""
    if left.begun:
        assert record["usage_source"] == "estimated"
        # What a rule still holds was said as well; what a provider makes of the rest of it, nobody knows.
        assert record["output_tokens"] >= len(BEGUN.split())
        assert record["cost_nanousd"] > 0
    else:
        assert record["output_tokens"] in (None, 0)
