"""The official client and a configured provider: the credential that goes up is the gateway's, never the client's."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.openai_script import answer, chat, said, stream
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CLIENT_KEY = "sk-of-the-client-0123456789"
OWN_KEY = "sk-of-the-gateway-9876543210"
HELLO = [{"role": "user", "content": "hello"}]
CONFIG = """
version: 1
providers:
  house: {{kind: openai, base_url: "{url}", api_key: env:HOUSE_KEY}}
models:
  - alias: small
    candidates: [{{provider: house, model: llama-3.1-8b}}]
  - alias: "*"
    candidates: [{{provider: house, model: "{{model}}"}}]
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    running = GatewayProcess(
        tmp_path_factory.mktemp("configured"), config=CONFIG.format(url=provider.url), env={"HOUSE_KEY": OWN_KEY}
    )
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/moderations", "/providers/house/anything"])
def test_client_credential_never_goes_upstream(gateway, provider, header, path):
    provider.script = answer(chat("ok"))
    value = f"Bearer {CLIENT_KEY}" if header == "authorization" else CLIENT_KEY
    status, _, _ = gateway.post(path, {"model": "small", "messages": HELLO}, {header: value, "cookie": CLIENT_KEY})
    assert status == 200
    assert provider.last.headers["authorization"] == f"Bearer {OWN_KEY}"
    assert CLIENT_KEY.encode() not in provider.last.head + provider.last.body


def test_alias_becomes_the_providers_model_name(gateway, provider, connect):
    provider.script = answer(chat("ok"))
    raw = connect(gateway, CLIENT_KEY).chat.completions.with_raw_response.create(model="small", messages=HELLO)
    assert provider.last.body.count(b"llama-3.1-8b") == 1
    assert b"small" not in provider.last.body
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["alias"], record["model_requested"], record["deployment"]) == (
        "small",
        "small",
        "house/llama-3.1-8b",
    )


def test_stream_through_an_alias(gateway, provider, connect):
    provider.script = stream(*said("a b c"))
    with connect(gateway).chat.completions.create(model="small", messages=HELLO, stream=True) as got:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == "a b c"


def test_own_credential_shows_nowhere(gateway, provider, connect):
    provider.script = answer({"error": {"message": "Bad key.", "type": "x", "param": None, "code": None}}, "401 No")
    with pytest.raises(openai.AuthenticationError) as caught:
        connect(gateway).chat.completions.create(model="small", messages=HELLO)
    assert OWN_KEY not in str(caught.value.response.headers) + caught.value.response.text
    assert OWN_KEY not in gateway.stderr
    assert CLIENT_KEY not in gateway.stderr


def test_models_are_the_aliases_and_nothing_is_asked_of_the_provider(gateway, provider, connect):
    asked = len(provider.asked)
    names = [model.id for model in connect(gateway).models.list()]
    assert "small" in names
    assert "*" not in names
    assert len(provider.asked) == asked
