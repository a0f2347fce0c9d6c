"""A real Envoy before us and behind us: official clients see what they see without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import orjson
import pytest

from tests.support import anthropic_script as of_anthropic
from tests.support import openai_script as of_openai
from tests.support.envoy import cluster, envoy, envoy_program, listener
from tests.support.gateway_run import Gateway, running, until
from tests.support.message_streams import message
from tests.support.provider import RESET, Asked, Step
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
KEY = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
CONFIG = """
version: 1
providers:
  near: {{kind: openai, base_url: "{near}/v1", api_key: env:PROVIDER_KEY}}
  far: {{kind: openai, base_url: "{far}/v1", api_key: env:PROVIDER_KEY}}
  claude-near: {{kind: anthropic, base_url: "{near}", api_key: env:PROVIDER_KEY}}
  claude-far: {{kind: anthropic, base_url: "{far}", api_key: env:PROVIDER_KEY}}
models:
  - {{alias: near, candidates: [{{provider: near, model: gpt-4o-mini}}]}}
  - {{alias: far, candidates: [{{provider: far, model: gpt-4o-mini}}]}}
  - {{alias: claude-near, candidates: [{{provider: claude-near, model: claude-haiku-4-5}}]}}
  - {{alias: claude-far, candidates: [{{provider: claude-far, model: claude-haiku-4-5}}]}}
policies: {{dir: rules, bundle: [words.yaml]}}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  keys: {use: secrets}
  word: {use: pattern, patterns: ["project osprey"]}
rules:
  - {id: no-keys, match: {direction: [request, response]}, when: keys, do: redact, mode: enforce}
  - {id: no-osprey, match: {direction: [request, response]}, when: word, do: block, mode: enforce}
tests:
  - {name: the word, given: {role: user, text: "project osprey"}, expect: {rule: no-osprey, action: block}}
"""
# By where Envoy stands: whether it is before us, and which of our providers is behind it.
WAYS = {"nowhere": (False, "near"), "before": (True, "near"), "behind": (False, "far"), "both": (True, "far")}


def play(asked: Asked) -> list[Step]:
    """Answer by what the last words are."""
    document: dict[str, Any] = orjson.loads(asked.body)
    words, streams = document["messages"][-1]["content"], bool(document.get("stream"))
    if "too much" in words:
        head = b"content-type: application/json\r\nretry-after: 7\r\nx-request-id: req_9\r\n"
        return of_openai.answer({"error": {"message": "Slow.", "code": "rate"}}, "429 Too Many Requests", head)
    text = f"it is {KEY} there" if "secret" in words else "about project osprey" if "bird" in words else "all is well"
    if asked.path.endswith("/messages"):
        if streams:
            return of_anthropic.stream(message(of_anthropic.words(0, text)))
        return of_anthropic.answer(of_anthropic.said(text))
    if "cut" in words:
        return [*of_openai.stream(*of_openai.said(text))[:4], RESET]
    if streams:
        return of_openai.stream(*of_openai.said(text))
    return of_openai.answer(of_openai.chat(text))


@dataclass
class Site:
    gateway: Gateway
    provider: ScriptedServer
    front: str

    def base(self, way: str) -> tuple[str, str]:
        before, provider = WAYS[way]
        return (self.front if before else f"http://127.0.0.1:{self.gateway.port}"), provider


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    envoy_program()
    home = tmp_path_factory.mktemp("around")
    (home / "rules").mkdir()
    (home / "rules" / "words.yaml").write_text(POLICY)
    with scripted_server() as provider:
        provider.script = play
        port = provider.provider.port
        # What never reached the provider may be tried again there; all else is ours to try.
        retry = {"retry_on": "connect-failure,refused-stream", "num_retries": 2}
        behind = listener("egress", "provider", route={"retry_policy": retry})
        with envoy(home / "behind", [cluster("provider", port)], [behind]) as far:
            config = CONFIG.format(near=f"http://127.0.0.1:{port}", far=far.url("egress"))
            with running(home, config=config, PROVIDER_KEY="sk-provider") as gateway:
                up = [cluster("gateway", gateway.port)]
                with envoy(home / "before", up, [listener("ingress", "gateway")]) as near:
                    yield Site(gateway, provider, near.url("ingress"))


def openai_told(site: Site, way: str, words: str, *, stream: bool) -> Any:
    """What a client of OpenAI's makes of an answer."""
    base, provider = site.base(way)
    told: list[Any] = []
    said: list[Any] = [{"role": "user", "content": words}]
    with openai.OpenAI(base_url=f"{base}/v1", api_key="sk-c", max_retries=0, timeout=60) as client:
        try:
            raw = client.chat.completions.with_raw_response.create(model=provider, messages=said, stream=stream)
            # How much of a stream was judged when its head went out is a matter of time.
            shown = ("x-request-id", "content-type", *([] if stream else ["x-weighbridge-verdict"]))
            told.append({name: raw.headers.get(name) for name in shown})
            got: Any = raw.parse()
            if stream:
                told += [event.model_dump() for event in got]
            else:
                told.append(got.model_dump())
        except openai.APIStatusError as error:
            told += [error.status_code, error.code, error.response.headers.get("retry-after")]
        except openai.APIError as error:
            told += [type(error).__name__, error.code]
    return told


def anthropic_told(site: Site, way: str, words: str, *, stream: bool) -> Any:
    """What a client of Anthropic's makes of an answer."""
    base, provider = site.base(way)
    model, told = f"claude-{provider}", list[Any]()
    said: list[Any] = [{"role": "user", "content": words}]
    with anthropic.Anthropic(base_url=base, api_key="sk-c", max_retries=0, timeout=60) as client:
        try:
            got: Any = client.messages.create(model=model, max_tokens=99, messages=said, stream=stream)
            told += [each.model_dump() for each in got] if stream else [got.model_dump()]
        except anthropic.APIStatusError as error:
            told += [error.status_code, orjson.loads(error.response.content)["error"]["type"]]
    return told


CASES = {
    "a call": ("hello", False),
    "a stream": ("hello", True),
    "a request that is turned back": ("project osprey", False),
    "a stream that is not begun": ("project osprey", True),
    "a request that is edited": (f"keep {KEY}", False),
    "an answer that is edited": ("a secret", False),
    "a stream that is edited": ("a secret", True),
    "an answer that is turned back": ("a bird", False),
    "a stream that is stopped": ("a bird", True),
    "a provider that wants rest": ("too much", False),
    "a stream that its provider cuts": ("cut", True),
}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "nowhere"])
@pytest.mark.parametrize("told", [openai_told, anthropic_told])
@pytest.mark.parametrize("case", sorted(CASES))
def test_clients_see_what_they_see_without_envoy(site: Site, way: str, told: Callable[..., Any], case: str) -> None:
    words, stream = CASES[case]
    if told is anthropic_told and words in ("cut", "too much"):
        pytest.skip("the script speaks OpenAI there")
    alone = told(site, "nowhere", words, stream=stream)
    given = site.provider.last.body if words.startswith("keep") else b""
    assert told(site, way, words, stream=stream) == alone
    if words.startswith("keep"):
        assert KEY.encode() not in given
        assert orjson.loads(site.provider.last.body)["messages"] == orjson.loads(given)["messages"]


def test_the_cases_are_what_they_are_called(site: Site) -> None:
    """Else two errors were equal as well."""
    whole = openai_told(site, "both", "hello", stream=False)
    assert whole[1]["choices"][0]["message"]["content"] == "all is well"
    assert openai_told(site, "both", "project osprey", stream=False)[:2] == [400, "policy_blocked"]
    edited = openai_told(site, "both", "a secret", stream=True)
    assert KEY not in str(edited)
    assert "there" in str(edited)
    stopped = openai_told(site, "both", "a bird", stream=True)
    assert stopped[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert openai_told(site, "both", "too much", stream=False) == [429, "rate", "7"]
    assert openai_told(site, "both", "cut", stream=True)[-2] == "APIError"
    assert anthropic_told(site, "both", "project osprey", stream=False)[0] == 400


def test_a_client_that_leaves_is_heard_of_behind_all_of_them(site: Site) -> None:
    base, provider = site.base("both")
    said: list[Any] = [{"role": "user", "content": "hello"}]
    usual = site.provider.script
    # Enough of it that rules let its beginning go.
    site.provider.script = [*of_openai.stream(*of_openai.said("all is well. " * 200))[:-3], 60.0]
    asked = len(site.provider.asked)
    try:
        with openai.OpenAI(base_url=f"{base}/v1", api_key="sk-c", max_retries=0, timeout=60) as client:
            got = client.chat.completions.create(model=provider, messages=said, stream=True)
            next(got)
            got.response.close()
        until(lambda: [each for each in site.gateway.spooled() if each["error_code"] == "client_closed"])
    finally:
        site.provider.script = usual
    assert len(site.provider.asked) == asked + 1
