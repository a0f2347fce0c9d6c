"""The official client of Anthropic under a policy: what rules do to its messages, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import orjson
import pytest
from anthropic import Anthropic

from tests.support.anthropic_script import MODEL, WEATHER, answer, said, stream, words
from tests.support.gateway_process import GatewayProcess
from tests.support.message_streams import SEAL, call, message, text, thought
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
# Written so that nobody takes it for one of anybody's.
KEY = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
CONFIG = """
version: 1
providers:
  claude: {{kind: anthropic, base_url: "{url}"}}
policies: {{dir: policies, bundle: [guards.yaml]}}
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: guards, owner: secops}
detectors:
  keys: {use: secrets}
  osprey: {use: pattern, patterns: ["(?i)project osprey"]}
  mail: {use: pii, entities: [EMAIL]}
  tools:
    use: tools
    default: deny
    allow: [{tool: weather, args: {city: {enum: [Rome, Oslo]}}}]
rules:
  - {id: no-keys, match: {direction: [request, response]}, when: keys, do: redact, mode: enforce}
  - {id: no-osprey, match: {direction: response}, when: osprey, do: block, mode: enforce}
  - {id: mask, match: {direction: request}, when: mail, do: {mask: {restore_in: [assistant_text]}}, mode: enforce}
  - {id: offer, match: {direction: request}, when: tools, do: {rewrite: remove}, mode: enforce}
  - {id: calls, match: {direction: response}, when: tools, do: block, mode: enforce}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("anthropic-guards")
    (home / "policies").mkdir()
    (home / "policies" / "guards.yaml").write_text(POLICY)
    running = GatewayProcess(home, config=CONFIG.format(url=provider.url))
    yield running
    assert running.stop() == 0
    assert KEY not in running.stderr


@pytest.fixture
def client(gateway) -> Iterator[Anthropic]:
    base_url = gateway.base_url.removesuffix("/v1")
    with Anthropic(base_url=base_url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


def ask(client: Anthropic, **options: Any) -> Any:
    return client.messages.create(**{"model": MODEL, "max_tokens": 100, "messages": HELLO, **options})


def streamed(client: Anthropic, **options: Any) -> Any:
    with client.messages.stream(**{"model": MODEL, "max_tokens": 100, "messages": HELLO, **options}) as got:
        return got.get_final_message()


def stopped(client: Anthropic, provider: ScriptedServer, events: list[bytes], **options: Any) -> Any:
    """The message of a stream that a rule stops after its client has seen that it begins."""
    go_on = asyncio.Event()
    head, *rest = stream(events)
    provider.script = [head, *rest[:2], go_on, *rest[2:]]
    with client.messages.stream(**{"model": MODEL, "max_tokens": 100, "messages": HELLO, **options}) as got:
        assert next(iter(got)).type == "message_start"
        provider.signal(go_on)
        return got.get_final_message()


def sent(provider: ScriptedServer) -> Any:
    return orjson.loads(provider.last.body)


def cut(sentence: str, size: int) -> list[str]:
    return [sentence[at : at + size] for at in range(0, len(sentence), size)]


def rule_of(caught: Any, gateway: GatewayProcess) -> str:
    error = caught.value
    assert (error.status_code, error.error_code) == (400, "policy_blocked")
    record = gateway.exchange(error.response.headers["x-weighbridge-id"])
    assert record["verdict"] == "block"
    return error.api_message.split("'")[1]


def test_requests_are_redacted_wherever_the_text_stands(client, provider):
    provider.script = answer(said("ok"))
    spoken = [
        {"role": "user", "content": f"my key is {KEY}"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"k": [KEY, 1]}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": f"found {KEY}"}]},
    ]
    ask(client, messages=spoken, system=f"never say {KEY}")
    assert KEY not in provider.last.body.decode()
    call_again = sent(provider)["messages"][1]["content"][0]
    # Still JSON of the same shape.
    assert call_again["input"]["k"][1] == 1
    assert call_again["input"]["k"][0].startswith("[")


def test_answers_are_redacted_whole_and_streamed_however_they_are_cut(client, provider):
    provider.script = answer(said(f"it is {KEY} there"))
    shown = ask(client).content[0].text
    assert KEY not in shown
    for size in (1, 7, 1000):
        provider.script = stream(message(text(0, *cut(f"it is {KEY} there", size))))
        assert streamed(client).content[0].text == shown


def test_the_input_of_a_tool_is_redacted_and_stays_json(client, provider):
    given = orjson.dumps({"city": "Rome", "note": f"say {KEY}"}).decode()
    provider.script = answer(said({"type": "tool_use", "id": "t", "name": "weather", "input": orjson.loads(given)}))
    shown = ask(client, tools=[WEATHER]).content[0].input
    assert shown["city"] == "Rome"
    assert KEY not in shown["note"]
    for size in (3, 1000):
        provider.script = stream(message(call(0, *cut(given, size), name="weather"), reason="tool_use"))
        final = streamed(client, tools=[WEATHER])
        assert (final.content[0].input, final.stop_reason) == (shown, "tool_use")


def test_a_stream_that_a_rule_stops_ends_as_a_refusal(client, gateway, provider):
    go_on = asyncio.Event()
    head, *rest = stream(message(words(0, "this is about project osprey and more")))
    provider.script = [head, *rest[:2], go_on, *rest[2:]]
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HELLO, stream=True)
    with raw.parse() as got:
        events = [next(got)]
        provider.signal(go_on)
        events += got
    assert [each.type for each in events][-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[-2].delta.stop_reason == "refusal"
    said_so_far = "".join(each.delta.text for each in events if each.type == "content_block_delta")
    assert "this is about ".startswith(said_so_far)
    assert gateway.exchange(raw.headers["x-weighbridge-id"])["verdict"] == "block"
    provider.script = answer(said("about project osprey"))
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client)
    assert rule_of(caught, gateway) == "no-osprey"


def test_a_signed_thought_is_never_edited(client, gateway, provider):
    signed = {"type": "thinking", "thinking": f"the key {KEY}", "signature": SEAL}
    provider.script = answer(said(signed, "so"))
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client)
    assert rule_of(caught, gateway) == "no-keys"
    final = stopped(client, provider, message(thought(0, *cut(f"the key {KEY}", 5)), text(1, "so")))
    assert (final.stop_reason, final.content[0].signature, len(final.content)) == ("refusal", "", 1)
    assert KEY not in final.content[0].thinking
    asked = len(provider.asked)
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client, messages=[*HELLO, {"role": "assistant", "content": [signed]}, *HELLO])
    assert rule_of(caught, gateway) == "no-keys"
    assert len(provider.asked) == asked
    fine = {**signed, "thinking": "nothing"}
    provider.script = answer(said(fine, "so"))
    ask(client, messages=[*HELLO, {"role": "assistant", "content": [fine]}, *HELLO])
    assert sent(provider)["messages"][1]["content"] == [fine]


def test_what_was_masked_comes_back_in_text_and_not_in_thoughts(client, provider):
    def script(asked: Any) -> Any:
        mask = orjson.loads(asked.body)["messages"][0]["content"].split(" ")[-1]
        assert "@" not in mask
        return stream(message(thought(0, f"write to {mask}"), text(1, *cut(f"I write to {mask} now", 4))))

    provider.script = script
    final = streamed(client, messages=[{"role": "user", "content": "write to ann@acme.example"}])
    assert final.content[1].text == "I write to ann@acme.example now"
    assert "ann@acme.example" not in final.content[0].thinking
    assert final.content[0].signature == SEAL


def test_tools_that_may_not_be_offered_or_called(client, gateway, provider):
    provider.script = answer(said("ok"))
    ask(client, tools=[WEATHER, {**WEATHER, "name": "shell"}])
    assert [tool["name"] for tool in sent(provider)["tools"]] == ["weather"]
    for name, given in (("shell", "{}"), ("weather", '{"city":"Paris"}')):
        block = {"type": "tool_use", "id": "t", "name": name, "input": orjson.loads(given)}
        provider.script = answer(said(block, reason="tool_use"))
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(client, tools=[WEATHER])
        assert rule_of(caught, gateway) == "calls"
        events = message(text(0, "I do. "), call(1, given, name=name), reason="tool_use")
        final = stopped(client, provider, events, tools=[WEATHER])
        assert (final.stop_reason, [each.type for each in final.content]) == ("refusal", ["text"])
    provider.script = stream(message(call(0, '{"city":"Oslo"}', name="weather"), reason="tool_use"))
    assert streamed(client, tools=[WEATHER]).content[0].input == {"city": "Oslo"}


def test_what_is_counted_is_looked_at_too(client, provider):
    provider.script = answer({"input_tokens": 5})
    got = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": f"key {KEY}"}])
    assert got.input_tokens == 5
    assert KEY not in provider.last.body.decode()
