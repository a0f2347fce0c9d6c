"""Between a real Envoy and us tries are not multiplied; traces go through, what proxies tell each other does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import openai_script as of_openai
from tests.support.envoy import Envoy, cluster, envoy, envoy_program, listener
from tests.support.gateway_run import CHAT, Answer, Gateway, ask, chat, running
from tests.support.provider import Asked, Step, whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
CONFIG = """
version: 1
policies: {{bundle: []}}
providers:
  near: {{kind: openai, base_url: "{near}/v1", api_key: env:PROVIDER_KEY}}
  far: {{kind: openai, base_url: "{far}/v1", api_key: env:PROVIDER_KEY}}
models:
  - {{alias: ours, candidates: [{{provider: near}}], retry: {{attempts: 2, on: [5xx, timeout]}}}}
  - {{alias: ours-far, candidates: [{{provider: far}}], retry: {{attempts: 2, on: [5xx, timeout]}}}}
  - {{alias: theirs, candidates: [{{provider: near}}]}}
"""
FAILED = whole(b'{"error":{"message":"Out of order.","code":"broken"}}', "503 Service Unavailable")
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Site:
    gateway: Gateway
    provider: ScriptedServer
    front: Envoy
    behind: Envoy

    def ask(self, way: str, model: str, **headers: Any) -> tuple[Answer, list[Asked]]:
        """Make a call; gives the answer and what the provider was asked for it."""
        before, port = len(self.provider.asked), self.front.ports[way] if way else self.gateway.port
        answer = ask(port, CHAT, chat(model), **headers)
        return answer, self.provider.asked[before:]

    def retries(self) -> int:
        return self.front.stat("cluster.gateway.upstream_rq_retry")


def ingress(name: str, **policy: object) -> dict[str, object]:
    retry = {"retry_on": "5xx,reset", "num_retries": 3, **policy}
    return listener(
        name, "gateway", route={"retry_policy": retry}, host={"include_request_attempt_count": True},
        manager={"use_remote_address": True},
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    envoy_program()
    home = tmp_path_factory.mktemp("retries")
    with scripted_server() as provider:
        port = provider.provider.port
        retry = {"retry_on": "connect-failure,refused-stream", "num_retries": 3}
        egress = listener("egress", "provider", route={"retry_policy": retry})
        with envoy(home / "behind", [cluster("provider", port)], [egress]) as behind:
            config = CONFIG.format(near=f"http://127.0.0.1:{port}", far=behind.url("egress"))
            with running(home, config=config, PROVIDER_KEY="sk-provider") as gateway:
                ways = [ingress("usual"), ingress("hasty", per_try_timeout="2s")]
                with envoy(home / "front", [cluster("gateway", gateway.port)], ways) as front:
                    yield Site(gateway, provider, front, behind)


def test_where_we_try_again_the_proxy_does_not(site: Site) -> None:
    site.provider.script = [FAILED]
    before = site.retries()
    answer, asked = site.ask("usual", "ours")
    assert answer.status == 503
    assert answer.headers["x-weighbridge-attempts"] == "3"
    assert (len(asked), site.retries()) == (3, before)


def test_where_we_do_not_the_proxys_tries_are_the_only_ones(site: Site) -> None:
    site.provider.script = [FAILED]
    before = site.retries()
    answer, asked = site.ask("usual", "theirs")
    assert (answer.status, len(asked), site.retries() - before) == (503, 4, 3)
    assert "x-envoy-ratelimited" not in answer.headers


def test_a_try_that_the_proxy_repeats_gets_one_of_ours(site: Site) -> None:
    """It gave up waiting; what it asks then is not tried three times again."""
    asked: list[Asked] = []

    def play(one: Asked) -> list[Step]:
        asked.append(one)
        return [60.0] if len(asked) == 1 else [FAILED]

    site.provider.script = play
    before = site.retries()
    answer, _ = site.ask("hasty", "ours")
    assert (answer.status, len(asked), site.retries() - before) == (503, 2, 1)
    assert answer.headers["x-weighbridge-attempts"] == "1"


def test_a_proxy_behind_us_does_not_repeat_what_has_reached_the_provider(site: Site) -> None:
    site.provider.script = [FAILED]
    answer, asked = site.ask("", "ours-far")
    assert (answer.status, len(asked)) == (503, 3)
    assert site.behind.stat("cluster.provider.upstream_rq_retry") == 0


def test_a_client_without_a_proxy_is_told_nothing_of_it(site: Site) -> None:
    site.provider.script = [FAILED]
    answer, asked = site.ask("", "ours")
    assert (answer.status, len(asked)) == (503, 3)
    assert "x-envoy-ratelimited" not in answer.headers


def test_traces_go_through_and_where_a_call_came_from_does_not(site: Site) -> None:
    site.provider.script = of_openai.answer(of_openai.chat("hi"))
    headers: dict[str, Any] = {
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "tracestate": "a=b",
        "baggage": "user=1",
    }
    answer, (asked,) = site.ask("usual", "ours-far", **headers)
    assert answer.status == 200
    assert site.gateway.record_of(answer.id)["trace_id"] == TRACE
    got = asked.headers
    assert (got["traceparent"].split("-")[1], got["tracestate"], got["baggage"]) == (TRACE, "a=b", "user=1")
    # Envoy's own name of the call, by which its logs are found.
    assert len(got["x-request-id"]) == 36
    # The proxy behind us says for itself what it says; nothing of the one before us is in it.
    assert "x-envoy-attempt-count" not in got
    assert "x-forwarded-for" not in got
    direct, _ = site.ask("", "ours-far")
    assert not [name for name in direct.headers if name.lower().startswith("x-envoy-")]
    _, (asked,) = site.ask("usual", "ours")
    told = [name for name in asked.headers if name.startswith(("x-envoy-", "x-forwarded-"))]
    assert not told
