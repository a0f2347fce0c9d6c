from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Request
from gateway.wire.anthropic_messages import request
from tests.support.incoming import incoming
from tests.support.message_streams import SEAL

HELLO: dict[str, Any] = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def parse(document: Any, query: str = "") -> Request:
    return request.parse(incoming("POST", "/v1/messages", query=query, body=orjson.dumps(document)), document)


def test_what_is_read() -> None:
    got = parse({**HELLO, "stream": True}, "beta=true")
    assert (got.dialect, got.operation, got.route) == ("anthropic_messages", "chat", "/v1/messages")
    assert (got.upstream_path, got.model, got.stream) == ("/messages?beta=true", "claude-x", True)
    assert (got.max_output_tokens, got.choices, got.wants_usage) == (9, 1, True)
    assert parse(HELLO).stream is False


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 1}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{}, "hi"]}, "messages[1]"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parse({**HELLO, **change})
    assert caught.value.param == param


def test_a_body_must_be_an_object() -> None:
    with pytest.raises(MalformedRequest):
        parse([])


def test_bytes_pass_but_for_the_model() -> None:
    body = b'{ "model":"alias", "max_tokens":9, "messages": [{"role":"user","content":"h\\u00e9"}], "new": 1.50 }'
    got = request.parse(incoming("POST", "/v1/messages", body=body), orjson.loads(body))
    assert request.upstream_body(got, got.document, "") is body
    assert request.upstream_body(got, got.document, "claude-x") == body.replace(b"alias", b"claude-x")
    edited = {**got.document, "new": 2}
    assert orjson.loads(request.upstream_body(got, edited, "claude-x")) == {**edited, "model": "claude-x"}


FULL: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "what weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hmm", "signature": SEAL},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]},
        {"role": "system", "content": "be brief"},
    ],
    "tools": [
        {
            "name": "weather",
            "description": "Weather in a city.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string", "description": "Which"}}},
        },
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "metadata": {"user_id": "u-1"},
    "stop_sequences": ["END"],
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object", "title": "T1"}}},
    "temperature": 0.5,
    "service_tier": "auto",
}


def test_every_text_with_who_said_it_and_which_tool_it_is_of() -> None:
    found = [(each.role, each.kind, each.text, each.tool) for each in request.segments(FULL)]
    assert found == [
        ("system", "text", "be kind", ""),
        ("user", "text", "what weather?", ""),
        ("assistant", "reasoning", "hmm", ""),
        ("assistant", "leaf", "toolu_1", ""),
        ("assistant", "tool_name", "weather", ""),
        ("assistant", "tool_argument", '{"city":"Rome"}', "weather"),
        ("tool", "leaf", "toolu_1", ""),
        ("tool", "tool_result", "sunny", "weather"),
        ("system", "text", "be brief", ""),
        ("", "tool_name", "weather", ""),
        ("", "tool_description", "Weather in a city.", ""),
        ("", "json_key", "city", ""),
        ("", "tool_description", "Which", ""),
        ("", "leaf", "web_search_20250305", ""),
        ("", "tool_name", "web_search", ""),
        ("", "tool_name", "weather", ""),
        ("", "leaf", "u-1", ""),
        ("", "leaf", "END", ""),
        ("", "tool_description", "T1", ""),
    ]


def test_no_string_of_a_request_is_overlooked() -> None:
    """Whatever nobody knows is walked: the only strings left out are words of the protocol, media and the model."""
    odd = {**HELLO, "new_field": {"deep": ["secret-1"]}, "thinking": {"type": "secret-2"},
           "messages": [{"role": "secret-3", "content": [{"type": "secret-4", "x": "secret-5"}]}]}  # fmt: skip
    texts = {each.text for each in request.segments(odd)}
    assert {f"secret-{n}" for n in range(1, 6)} <= texts
    assert "new_field" in texts


def test_documents_that_are_no_request_are_walked_too() -> None:
    assert [each.text for each in request.segments(["a"])] == ["a"]
