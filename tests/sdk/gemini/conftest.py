"""A gateway before a provider that answers as Google does, and Google's official client before the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types

from tests.support.gateway_process import GatewayProcess
from tests.support.gemini_streams import KEY
from tests.support.google_account import key_file
from tests.support.scripted_server import ScriptedServer, scripted_server

CONFIG = """
version: 1
providers:
  google: {kind: gemini, base_url: "SERVER", api_key: env:GOOGLE_KEY}
  cloud: {kind: vertex, base_url: "SERVER", credentials: "file:sa.json", location: europe-west4}
models:
  - {alias: flash, candidates: [{provider: google, model: gemini-2.5-flash}]}
  - {alias: "gemini-*", candidates: [{provider: google}]}
  - {alias: "text-*", candidates: [{provider: google}]}
  - {alias: pro, candidates: [{provider: cloud, model: gemini-2.5-pro}]}
identity:
  mode: keys
  keys: [{id: app, key: env:APP_KEY, team: red, tags: {guard: "yes"}}]
policies: {dir: policies, bundle: [ours.yaml]}
prices: {overrides: prices.yaml}
limits:
  - {scope: team, match: {team: red}, budget: {usd: 1000, per: month, zone: Europe/Berlin}}
"""
PRICES = "- {provider: google, model: gemini-2.5-flash, input: 0.30, output: 2.50, cached_input: 0.075}\n"
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: ours, owner: secops}
detectors:
  keys: {use: secrets}
  ids: {use: pii, entities: [EMAIL]}
  words: {use: pattern, patterns: ["(?i)project osprey"]}
  tools: {use: tools, deny: [shell]}
rules:
  - {id: no-keys, match: {direction: [request, response]}, when: keys, do: redact, mode: enforce}
  - {id: mask, match: {direction: request}, when: ids, do: {mask: {restore_in: [assistant_text]}}, mode: enforce}
  - {id: osprey, match: {direction: [request, response]}, when: words, do: block, mode: enforce}
  - {id: offer, match: {direction: request}, when: tools, do: {rewrite: remove}, mode: enforce}
  - {id: calls, match: {direction: response}, when: tools, do: block, mode: enforce}
"""
Client = Callable[..., genai.Client]


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("gemini")
    (home / "policies").mkdir()
    (home / "policies" / "ours.yaml").write_text(POLICY)
    (home / "prices.yaml").write_text(PRICES)
    (home / "sa.json").write_text(key_file(provider.url.removesuffix("/v1") + "/token"))
    config = CONFIG.replace("SERVER", provider.url.removesuffix("/v1"))
    running = GatewayProcess(home, config=config, env={"GOOGLE_KEY": "AIza-ours", "APP_KEY": KEY})
    yield running
    assert running.stop() == 0
    assert "AIza-ours" not in running.stderr
    assert KEY not in running.stderr


@pytest.fixture
def connect(gateway) -> Iterator[Client]:
    # A client that nobody holds closes itself under the feet of its own parts.
    made: list[genai.Client] = []

    def client(key: str = KEY, path: str = "", **options: Any) -> genai.Client:
        url = gateway.base_url.removesuffix("/v1") + path
        options = {"retry_options": types.HttpRetryOptions(attempts=1), **options}
        http_options = types.HttpOptions(base_url=url, timeout=60_000, **options)
        made.append(genai.Client(api_key=key, http_options=http_options))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def client(connect) -> genai.Client:
    return connect()
