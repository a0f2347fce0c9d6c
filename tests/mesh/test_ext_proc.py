"""Calls through a real Envoy that asks the gateway: what comes of each is what comes of it through the proxy."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from gateway.config.shipped import shipped_policies_dir
from gateway.policy.cases import PolicyTest
from gateway.policy.load import load_bundle
from loadtests.ports import free_port
from tests.support.envoy import Envoy, envoy_program
from tests.support.ext_proc_envoy import WAYS, asking
from tests.support.gateway_run import CHAT, Gateway, ask, running, until
from tests.support.openai_script import answer, chat, piece, said, stream
from tests.support.provider import RESET
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
PACKS = ("agents", "pii-eu", "pii-us", "secrets", "strict")
CONFIG = """
version: 1
policies: {{dir: policies, bundle: [{bundle}, words.yaml]}}
identity: {{mode: open}}
listen: {{max_body_bytes: 1MiB}}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words, owner: secops}
detectors:
  words: {use: pattern, patterns: ['(?i)project\\s+osprey']}
rules:
  - {id: osprey, match: {direction: [request, response]}, when: words, do: block, mode: enforce}
"""
# What a record says of what was asked, judged, used and answered; times and names of the exchange are its own.
TOLD = (
    "dialect", "route", "provider", "model_requested", "model_served", "stream", "status", "error_code",
    "finish_reason", "verdict", "policy_revision", "usage_source", "input_tokens", "output_tokens", "coverage", "tags",
    "session_id",
)  # fmt: skip
EVENT = ("rule", "detector", "action", "mode", "direction", "path")


def cases(pack: str) -> list[PolicyTest]:
    """The tests of a shipped pack, and of those that it extends."""
    path = shipped_policies_dir() / f"{pack}.yaml"
    return list(load_bundle([(path.name, path)]).tests)


@dataclass
class Site:
    gateway: Gateway
    provider: ScriptedServer
    envoy: Envoy

    def base(self, way: str) -> str:
        return f"http://127.0.0.1:{self.gateway.port}" if way == "proxy" else self.envoy.url(way)

    def port(self, way: str) -> int:
        return self.gateway.port if way == "proxy" else self.envoy.ports[way]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    envoy_program()
    home = tmp_path_factory.mktemp("ext_proc")
    folder = home / "policies"
    folder.mkdir()
    (folder / "words.yaml").write_text(POLICY)
    config = CONFIG.format(bundle=", ".join(f"{name}.yaml" for name in PACKS))
    port = free_port()
    with scripted_server() as provider:
        words = ("--upstream", provider.url, "--ext-proc", f"127.0.0.1:{port}")
        asks = asking(home / "envoy", port, provider.provider.port)
        with running(home, *words, config=config) as gateway, asks as envoy:
            yield Site(gateway, provider, envoy)


def outcome(site: Site, way: str, case: PolicyTest) -> dict[str, Any]:
    """What a client, the provider and the record see of a case."""
    site.provider.script = _script(case)
    asked_before = len(site.provider.asked)
    headers = {"x-weighbridge-tags": ",".join(f"{name}={value}" for name, value in case.facts.tags.items())}
    headers |= {"x-weighbridge-session": case.facts.session} if case.facts.session else {}
    headers |= {"x-weighbridge-policy": "strict"} if case.facts.strict else {}
    seen: dict[str, Any] = {}
    with openai.OpenAI(base_url=f"{site.base(way)}/v1", api_key="sk-c", max_retries=0, timeout=60) as client:
        try:
            raw: Any = client.chat.completions.with_raw_response.create(**case.request, extra_headers=headers)
            answered = raw.headers
            if case.stream:
                chunks = [each for each in raw.parse() if each.choices]
                seen["text"] = "".join(each.choices[0].delta.content or "" for each in chunks)
                seen["finish"] = [each.choices[0].finish_reason for each in chunks][-1:]
            else:
                seen["answer"] = raw.parse().model_dump()
        except openai.APIStatusError as error:
            seen["error"] = (error.status_code, error.body)
            answered = error.response.headers
    record = site.gateway.record_of(answered["x-weighbridge-id"])
    seen["record"] = {name: record.get(name) for name in TOLD}
    seen["events"] = [{name: each.get(name) for name in EVENT} for each in record.get("guard_events", [])]
    seen["sent"] = [orjson.loads(each.body) for each in site.provider.asked[asked_before:]]
    seen["headers"] = {
        name: value
        for name, value in answered.items()
        if name.startswith(("x-weighbridge-", "x-ratelimit", "x-request")) and name not in _ITS_OWN
    }
    # How much of a stream was judged when its head went out is a matter of time.
    if case.stream:
        seen["headers"].pop("x-weighbridge-verdict")
    # Placeholders of each call have a name of their own.
    return orjson.loads(_PLACEHOLDER.sub(rb"\1:name]", orjson.dumps(seen)))


_PLACEHOLDER = re.compile(rb"(\[[A-Z_]+_\d+):[a-z0-9]+\]")
_ITS_OWN = {"x-weighbridge-id", "x-weighbridge-overhead-ms"}


def _script(case: PolicyTest) -> Any:
    if case.stream:
        pieces = [piece({"role": "assistant", "content": ""}), *(piece({"content": text}) for text in case.stream)]
        return stream(*pieces, piece({}, "stop"))
    return answer(chat("All is well.") if case.answer is None else chat(None) | case.answer)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pack", PACKS)
def test_a_shipped_packs_tests_come_to_the_same(site: Site, pack: str) -> None:
    """The heart of it: the same verdicts, on every way."""
    verdicts: set[str] = set()
    for case in cases(pack):
        wanted = outcome(site, "proxy", case)
        for way in WAYS:
            assert outcome(site, way, case) == wanted, (way, case.name)
        verdicts.add(wanted["record"]["verdict"])
    # They are about something.
    assert verdicts & {"edit", "block"}


@pytest.mark.parametrize("way", ["proxy", *WAYS])
def test_headers_of_ours_and_of_others(site: Site, way: str) -> None:
    """The provider gets no header of ours, and the client cannot be told lies in our name."""
    lies = b"x-weighbridge-verdict: block\r\nx-weighbridge-lie: 1\r\n"
    site.provider.script = answer(chat("ok"), head=b"content-type: application/json\r\nx-request-id: r\r\n" + lies)
    document = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    sent: dict[str, Any] = {"x-weighbridge-tags": "a=b", "authorization": "Bearer sk-theirs", "traceparent": trace}
    got = ask(site.port(way), CHAT, document, **sent)
    assert (got.status, got.headers["x-weighbridge-lie"], got.headers["x-request-id"]) == (200, None, "r")
    assert got.headers.get_all("x-weighbridge-verdict") == ["allow"]
    headers = site.provider.last.headers
    assert (headers["authorization"], headers["traceparent"]) == ("Bearer sk-theirs", trace)
    assert not [name for name in headers if name.startswith("x-weighbridge-")]
    assert orjson.loads(site.provider.last.body) == document


@pytest.mark.parametrize("way", ["proxy", *WAYS])
def test_a_large_body_passes_and_a_larger_one_does_not(site: Site, way: str) -> None:
    site.provider.script = answer(chat("y" * 300_000))
    for size, status in ((500_000, 200), (1_100_000, 413)):
        got = ask(site.port(way), CHAT, {"model": "m", "messages": [{"role": "user", "content": "x " * (size // 2)}]})
        if got.status == 413 and not got.id:
            # Envoy's own limit on what it gathers is smaller than ours.
            assert way in {"gathered", "piecewise"}
            continue
        assert got.status == status, (way, got.body[:200])
    if way in {"proxy", "duplex"}:
        assert orjson.loads(got.body)["error"]["code"] == "request_too_large"


def test_a_stream_arrives_event_by_event(site: Site) -> None:
    """What the provider has said reaches the client before it says more."""
    for way in ("proxy", "duplex", "piecewise"):
        more = asyncio.Event()
        first, *rest = stream(*said("one. two. three."))
        site.provider.script = [first, rest[0], rest[1], more, *rest[2:]]
        with openai.OpenAI(base_url=f"{site.base(way)}/v1", api_key="sk-c", max_retries=0, timeout=60) as client:
            got = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], stream=True
            )
            chunks = iter(got)
            shown = [next(chunks)]
            site.provider.signal(more)
            shown += chunks
        assert "".join(each.choices[0].delta.content or "" for each in shown if each.choices) == "one. two. three."


@pytest.mark.parametrize("way", ["proxy", "duplex"])
def test_a_block_in_a_stream_stops_the_provider(site: Site, way: str) -> None:
    never = asyncio.Event()
    site.provider.script = [*stream(*said("well. then. project osprey. and more. and more."))[:-2], never]
    before = site.provider.open
    document = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    got = ask(site.port(way), CHAT, document)
    assert got.body.endswith(b"data: [DONE]\n\n")
    assert b'"content_filter"' in got.body
    assert b"osprey" not in got.body
    until(lambda: site.provider.open <= before or None)
    assert site.gateway.record_of(got.id)["error_code"] == "policy_blocked"


@pytest.mark.parametrize("way", ["proxy", *WAYS])
def test_a_client_that_leaves_ends_the_call(site: Site, way: str) -> None:
    never = asyncio.Event()
    site.provider.script = [never]
    asked, opened = len(site.provider.asked), site.provider.open
    tag = f"left-{way}"
    document = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    connection = http.client.HTTPConnection("127.0.0.1", site.port(way), timeout=60)
    headers = {"content-type": "application/json", "x-weighbridge-tags": f"case={tag}"}
    connection.request("POST", CHAT, orjson.dumps(document), headers)
    until(lambda: len(site.provider.asked) > asked or None)
    connection.close()
    until(lambda: site.provider.open <= opened or None)
    (record,) = until(lambda: [each for each in site.gateway.spooled() if each["tags"].get("case") == tag])
    assert (record["status"], record["error_code"]) == (499, "client_closed")


@pytest.mark.parametrize("way", ["proxy", "duplex", "piecewise"])
def test_a_stream_that_its_provider_cuts_never_looks_whole(site: Site, way: str) -> None:
    cut = asyncio.Event()
    site.provider.script = [*stream(*said("one. two. three."))[:4], cut, RESET]
    with openai.OpenAI(base_url=f"{site.base(way)}/v1", api_key="sk-c", max_retries=0, timeout=60) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        chunks = iter(raw.parse())
        next(chunks)
        site.provider.signal(cut)
        with pytest.raises(openai.APIError):
            list(chunks)
    record = site.gateway.record_of(raw.headers["x-weighbridge-id"])
    # Envoy does not say which end has gone.
    assert record["error_code"] == ("upstream_error" if way == "proxy" else "client_closed")


@pytest.mark.parametrize("way", WAYS)
def test_a_provider_that_is_not_there_is_an_error_of_its_own(site: Site, way: str) -> None:
    site.provider.script = [RESET]
    got = ask(site.port(way), CHAT, {"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    assert got.status == 503
    record = site.gateway.record_of(got.id)
    assert (record["status"], record["error_code"]) == (503, "upstream_error")


@pytest.mark.parametrize("way", WAYS)
def test_requests_without_a_body_pass(site: Site, way: str) -> None:
    site.provider.script = answer({"object": "list", "data": []})
    got = ask(site.port(way), "/v1/models")
    assert (got.status, got.json()["data"]) == (200, [])
    assert site.provider.last.path == "/v1/models"
    assert site.gateway.record_of(got.id)["status"] == 200


def test_no_answer_of_the_gateways_is_no_pass(site: Site, tmp_path: Path) -> None:
    """An Envoy that cannot ask lets nothing through, unless it is told to."""
    with asking(tmp_path / "closed", free_port(), site.provider.provider.port) as envoy:
        asked = len(site.provider.asked)
        got = ask(envoy.ports["duplex"], CHAT, {"model": "m", "messages": []})
        assert (got.status, len(site.provider.asked)) == (500, asked)
