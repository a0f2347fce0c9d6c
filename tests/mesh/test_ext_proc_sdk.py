"""The official client's tests of policies, detectors and plugins once more, through an Envoy that asks the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from loadtests.ports import free_port
from tests.sdk import test_openai_guards as guards
from tests.sdk import test_openai_policy as policy
from tests.sdk.conftest import connect
from tests.sdk.test_openai_guards import (
    hook,
    provider,
    test_a_reference_through_a_redirector_is_taken_out_of_a_stream,
    test_a_webhook_has_its_say,
    test_a_webhook_that_is_down_blocks_or_not_as_the_policy_says,
    test_an_answer_must_have_the_form,
    test_calls_of_a_stream_are_judged_when_they_are_whole,
    test_detectors_of_plugins,
    test_forbidden_calls_are_blocked,
    test_forbidden_tools_are_not_offered,
    test_links_are_taken_out_of_answers_and_streams,
    test_requests_that_are_too_large,
)
from tests.support.envoy import envoy_program
from tests.support.ext_proc_envoy import asking
from tests.support.gateway_process import ROOT, GatewayProcess

__all__ = [
    "connect", "hook", "provider", "test_a_reference_through_a_redirector_is_taken_out_of_a_stream",
    "test_a_webhook_has_its_say", "test_a_webhook_that_is_down_blocks_or_not_as_the_policy_says",
    "test_an_answer_must_have_the_form", "test_calls_of_a_stream_are_judged_when_they_are_whole",
    "test_detectors_of_plugins", "test_forbidden_calls_are_blocked", "test_forbidden_tools_are_not_offered",
    "test_links_are_taken_out_of_answers_and_streams", "test_requests_that_are_too_large",
]  # fmt: skip
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["duplex", "piecewise"])
def gateway(
    request: pytest.FixtureRequest, provider: Any, hook: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    envoy_program()
    home = tmp_path_factory.mktemp("guards")
    (home / "policies").mkdir()
    (home / "policies" / "guards.yaml").write_text(guards.POLICY.replace("SERVICE", hook.url))
    folders = [ROOT, ROOT / "plugins" / "tickets", ROOT / "plugins" / "webhook"]
    env = {"PYTHONPATH": ":".join(map(str, folders)), "HOOK_KEY": "Bearer wh-secret"}
    yield from _through(home, provider, request.param, guards.CONFIG, env)


def _through(home: Path, provider: Any, way: str, config: str, env: dict[str, str]) -> Iterator[GatewayProcess]:
    port = free_port()
    words = ("--upstream", provider.url, "--ext-proc", f"127.0.0.1:{port}")
    running = GatewayProcess(home, *words, config=config, env=env)
    with asking(home / "envoy", port, provider.provider.port) as envoy:
        # Programs are told of Envoy alone.
        running.port, running.base_url = envoy.ports[way], f"{envoy.url(way)}/v1"
        yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway: GatewayProcess, connect: Any) -> OpenAI:
    return connect(gateway)


@pytest.fixture(scope="module", params=["duplex", "piecewise"])
def words(
    request: pytest.FixtureRequest, provider: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    envoy_program()
    home = tmp_path_factory.mktemp("words")
    (home / "policies").mkdir()
    (home / "policies" / "words.yaml").write_text(policy.POLICY)
    yield from _through(home, provider, request.param, policy.CONFIG, {})


def test_what_a_policy_turns_back_looks_as_through_the_proxy(
    words: GatewayProcess, connect: Any, provider: Any
) -> None:
    client = connect(words)
    for streamed in (False, True):
        policy.test_blocked_request_never_reaches_the_provider(client, words, provider, streamed)
    policy.test_blocked_answer_is_an_error_and_its_tokens_are_weighed(client, words, provider)
    policy.test_blocked_stream_ends_as_filtered_and_never_shows_the_words(client, words, provider)
    policy.test_stream_blocked_before_its_first_byte_is_an_error(client, words, provider)
    policy.test_what_the_policy_does_not_mind_passes(client, words, provider)
