"""The official client with virtual keys and limits of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import anthropic
import openai
import pytest

from tests.support.gateway_process import GatewayProcess

pytestmark = pytest.mark.integration
SUPPORT, RESEARCH, LIMITED = (
    "wb-support-0123456789abcdef",
    "wb-research-0123456789abcdef",
    "wb-limited-0123456789abcdef",
)
CONFIG = """
version: 1
models:
  - {alias: "sim/*", candidates: [{provider: sim, model: "{model}"}]}
identity:
  mode: keys
  keys:
    - {id: k-support, key: env:KEY_SUPPORT, team: support, tags: {cc: "42"}}
    - {id: k-research, key: env:KEY_RESEARCH, team: research, models: [sim/embed]}
    - {id: k-limited, key: env:KEY_LIMITED, team: limited}
limits:
  - {scope: team, match: {team: limited}, requests: {max: 2, per: hour}}
"""
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    env = {"KEY_SUPPORT": SUPPORT, "KEY_RESEARCH": RESEARCH, "KEY_LIMITED": LIMITED}
    running = GatewayProcess(tmp_path_factory.mktemp("keys"), config=CONFIG, env=env)
    yield running
    assert running.stop() == 0
    assert not [key for key in env.values() if key in running.stderr]


def test_key_says_whose_call_it_is(gateway, connect):
    raw = connect(gateway, SUPPORT).chat.completions.with_raw_response.create(
        model="sim/echo", messages=HELLO, extra_headers={"x-weighbridge-tags": "cc=forged,env=test"}
    )
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert (record["key_id"], record["team"]) == ("k-support", "support")
    assert record["tags"] == {"cc": "42", "env": "test"}


@pytest.mark.parametrize("key", ["wb-nobody", "sk-something", "wb-support-0123456789abcdeF"])
def test_unknown_key_is_an_authentication_error(gateway, connect, key):
    with pytest.raises(openai.AuthenticationError) as caught:
        connect(gateway, key).chat.completions.create(model="sim/echo", messages=HELLO)
    assert caught.value.code == "invalid_api_key"
    assert key not in caught.value.response.text
    record = gateway.exchange(caught.value.response.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"], record["key_id"]) == (401, "invalid_api_key", "")


def test_no_key_is_401(gateway):
    assert gateway.post("/v1/chat/completions", {"model": "sim/echo", "messages": HELLO})[0] == 401


def test_key_for_some_models_may_not_use_others(gateway, connect):
    client = connect(gateway, RESEARCH)
    assert client.embeddings.create(model="sim/embed", input="x").data
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="sim/echo", messages=HELLO)
    assert caught.value.code == "permission_denied"


def test_limit_is_a_rate_limit_error_with_a_time_to_wait(gateway, connect):
    client = connect(gateway, LIMITED)
    for left in (1, 0):
        raw = client.chat.completions.with_raw_response.create(model="sim/echo", messages=HELLO)
        assert raw.headers["x-ratelimit-limit-requests"] == "2"
        assert raw.headers["x-ratelimit-remaining-requests"] == str(left)
        assert re.fullmatch(r"(59m[\d.]+s|1h\dm[\d.]+s)", raw.headers["x-ratelimit-reset-requests"])
        assert "x-ratelimit-limit-tokens" not in raw.headers
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="sim/echo", messages=HELLO)
    assert caught.value.code == "rate_limited"
    # An hour is counted in slots: the last one may have to pass whole.
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 3960
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    claude = anthropic.Anthropic(base_url=gateway.base_url.removesuffix("/v1"), api_key=LIMITED, max_retries=0)
    with claude, pytest.raises(anthropic.RateLimitError) as refused:
        claude.messages.create(model="sim/echo", max_tokens=9, messages=[{"role": "user", "content": "hello"}])
    told = refused.value.response.headers
    assert (told["anthropic-ratelimit-requests-limit"], told["anthropic-ratelimit-requests-remaining"]) == ("2", "0")
    assert datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"]) > datetime.now(UTC)
    record = gateway.exchange(caught.value.response.headers["x-weighbridge-id"])
    assert (record["status"], record["error_code"], record["team"]) == (429, "rate_limited", "limited")
