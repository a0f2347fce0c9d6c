from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.node_clients import NodeClients, node_clients
from tests.support.scripted_server import ScriptedServer, scripted_server

CONFIG = """
version: 1
providers:
  gpt: {{kind: openai, base_url: "{gpt}", api_key: env:GPT_KEY}}
  claude: {{kind: anthropic, base_url: "{claude}", api_key: env:CLAUDE_KEY}}
models:
  - {{alias: "gpt-*", candidates: [{{provider: gpt}}]}}
  - {{alias: "text-*", candidates: [{{provider: gpt}}]}}
  - {{alias: "claude-*", candidates: [{{provider: claude}}]}}
policies: {{dir: policies, bundle: [guards.yaml]}}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: guards}
detectors:
  osprey: {use: pattern, patterns: ["osprey"]}
  falcon: {use: pattern, patterns: ["falcon"]}
rules:
  - {id: hide, match: {direction: response}, when: osprey, do: redact, mode: enforce}
  - {id: stop, match: {direction: response}, when: falcon, do: block, mode: enforce}
  - {id: ask, match: {direction: request}, when: falcon, do: block, mode: enforce}
"""


@pytest.fixture(scope="module")
def node() -> Iterator[NodeClients]:
    with node_clients() as running:
        yield running


@pytest.fixture(scope="module")
def gpt() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def claude() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    node: NodeClients, gpt: ScriptedServer, claude: ScriptedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("node")
    (home / "policies").mkdir()
    (home / "policies" / "guards.yaml").write_text(POLICY)
    env = {"GPT_KEY": "sk-gpt-0123456789", "CLAUDE_KEY": "sk-ant-0123456789"}
    running = GatewayProcess(home, config=CONFIG.format(gpt=gpt.url, claude=claude.url), env=env)
    yield running
    assert running.stop() == 0
