"""Three deployments, of which one fails every third call: it is left alone, never too many are, and it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import openai_script
from tests.support.gateway_run import Gateway, running, until
from tests.support.openai_script import answer
from tests.support.provider import Asked, Step, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      a: {{kind: openai, base_url: "{a}"}}
      b: {{kind: openai, base_url: "{b}"}}
      c: {{kind: openai, base_url: "{c}"}}
    models:
      - alias: m
        candidates: [{{provider: a, model: m}}, {{provider: b, model: m}}, {{provider: c, model: m}}]
        strategy: round_robin
        retry: {{attempts: 1}}
        breaker: {{consecutive: 1000, min_calls: 100000}}
        outlier: {{below: 20%, min_calls: 20, window: 60s, eject: {eject}, max_eject: {eject}, most: 34%}}
    capture: {{bodies: none}}
    policies: {{bundle: []}}
"""


class Deployment:
    """Fails one call of so many; none while ``fails`` is 0."""

    def __init__(self, fails: int) -> None:
        self.fails = fails
        self.asked = 0

    def __call__(self, _: Asked) -> list[Step]:
        self.asked += 1
        if self.fails and self.asked % self.fails == 0:
            return [whole(b"{}", "503 Service Unavailable")]
        return answer(openai_script.chat("all of it"))


def ejected(gateway: Gateway) -> list[str]:
    rows: list[dict[str, Any]] = gateway.ask_operator("/api/deployments").json()["deployments"]
    return sorted(row["provider"] for row in rows if row["ejected_s"])


def ask(gateway: Gateway, number: int) -> None:
    for _ in range(number):
        assert gateway.chat("m").status == 200


def test_one_that_stands_out_is_left_alone_and_is_the_only_one(tmp_path: Path) -> None:
    flaky, sound, third = Deployment(3), Deployment(0), Deployment(0)
    with provider_in_thread(flaky) as a, provider_in_thread(sound) as b, provider_in_thread(third) as c:
        config = CONFIG.format(a=a.url, b=b.url, c=c.url, eject="300s")
        with running(tmp_path, config=config, operator=True) as gateway:
            # Each gets a third of the calls; what it fails, another answers.
            until(lambda: ask(gateway, 30) or ejected(gateway) == ["a"])
            assert gateway.metric('weighbridge_deployment_ejected{provider="a",model="m"}') == 1
            before = flaky.asked
            # Another one as bad: no more than a third of three may be left alone.
            third.fails = 2
            ask(gateway, 120)
            assert flaky.asked == before
            assert third.asked > 60
            assert until(lambda: ejected(gateway)) == ["a"]


def test_one_that_was_left_alone_gets_calls_again(tmp_path: Path) -> None:
    flaky, sound, third = Deployment(2), Deployment(0), Deployment(0)
    with provider_in_thread(flaky) as a, provider_in_thread(sound) as b, provider_in_thread(third) as c:
        config = CONFIG.format(a=a.url, b=b.url, c=c.url, eject="5s")
        with running(tmp_path, config=config, operator=True) as gateway:
            until(lambda: ask(gateway, 30) or ejected(gateway) == ["a"])
            flaky.fails = 0
            before = flaky.asked
            until(lambda: ask(gateway, 10) or flaky.asked > before + 10)
            until(lambda: ejected(gateway) == [])
