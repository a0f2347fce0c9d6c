"""Which form a body of ``invoke`` is in."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.losses import Losses
from gateway.wire.anthropic_messages import CODEC as ANTHROPIC
from gateway.wire.bedrock_converse import CODEC as CONVERSE
from gateway.wire.invoked import CODEC, UNKNOWN, dialect_of, holds_chat, holds_messages, holds_turns
from gateway.wire.openai_chat.codec import CODEC as OPENAI
from tests.support.bedrock_script import invoked
from tests.support.streams import stream_request

PATH = "/model/m/invoke"
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "messages": []}
NOVA = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
GPT = {"messages": [{"role": "user", "content": "hello"}]}
PARTS = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (CLAUDE, "messages"),
        (NOVA, "turns"),
        ({"schemaVersion": "messages-v1", "messages": []}, "turns"),
        ({"inferenceConfig": {}, "messages": []}, "turns"),
        (GPT, "chat"),
        (PARTS, "chat"),
        ({"messages": []}, "chat"),
        ({"anthropic_version": "2026-10-21", "messages": []}, "messages"),
        ({"anthropic_version": 1, "messages": []}, ""),
        ({"anthropic_version": "bedrock-2023-05-31"}, ""),
        ({"messages": 1}, ""),
        ({"prompt": "hello"}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_a_body_is_in_one_form_at_most(body: Any, form: str) -> None:
    found = {"messages": holds_messages(body), "turns": holds_turns(body), "chat": holds_chat(body)}
    assert [name for name, held in found.items() if held] == ([form] if form else [])
    assert (dialect_of(body) is UNKNOWN) is not bool(form)


def test_what_amazons_models_call_otherwise() -> None:
    config: dict[str, Any] = {
        "max_new_tokens": 9, "top_p": 0.5, "topK": 4, "stop_sequences": ["END"], "temperature": 0.1,
        "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"},
    }  # fmt: skip
    body = {**NOVA, "inferenceConfig": config}
    chat = CODEC.read_request(body, PATH)
    sampling = chat.sampling
    assert (sampling.max_tokens, sampling.top_p, sampling.top_k, sampling.stop) == (9, 0.5, 4, ("END",))
    assert chat.thinking is not None
    assert (chat.thinking.effort, chat.thinking.budget_tokens, chat.extras) == ("low", -1, {})
    off = CODEC.read_request({**NOVA, "inferenceConfig": {"reasoningConfig": {"type": "disabled"}}}, PATH)
    assert off.thinking is not None
    assert off.thinking.budget_tokens == 0
    assert body["inferenceConfig"] is config
    assert "reasoningConfig" in config


def test_what_is_asked_of_anthropics_models_beside_their_version_is_a_header_there() -> None:
    body = {**CLAUDE, "max_tokens": 9, **GPT, "anthropic_beta": ["context-1m", "other"]}
    chat = CODEC.read_request(body, PATH)
    wire = ANTHROPIC.write_request(chat, "claude-x", Losses(chat.names, ANTHROPIC.name))
    assert wire.headers[b"anthropic-beta"] == b"context-1m,other"
    assert wire.document == {
        "model": "claude-x",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello"}],
    }
    for codec in (OPENAI, CONVERSE):
        losses = Losses(chat.names, codec.name)
        assert "beta" not in str(codec.write_request(chat, "m", losses))
        assert losses.fields == ("anthropic_beta",)


@pytest.mark.parametrize(
    ("body", "said", "known"),
    [
        (NOVA, {"messageStart": {"role": "assistant"}}, True),
        (NOVA, {"metadata": {}, "amazon-bedrock-invocationMetrics": {}}, True),
        (NOVA, {"generation": "Su"}, False),
        (GPT, {"choices": [{"index": 0, "delta": {"content": "Su"}, "finish_reason": None}]}, True),
        (GPT, {"choices": []}, True),
        (GPT, {"choices": [{"index": 0, "message": {"content": "Su"}, "stop_reason": None}]}, False),
        (GPT, {"outputs": [{"text": "Su"}]}, False),
    ],
)
def test_some_models_answer_in_another_form_than_they_are_asked_in(body: Any, said: Any, known: bool) -> None:
    dialect = dialect_of(body)
    reader: Any = dialect.stream_reader(stream_request(dialect), None)
    (raw,) = invoked(said)
    told = reader.feed(raw)
    assert reader.known is known
    if not known:
        assert told == raw
        assert orjson.loads(orjson.dumps(said)) == said
        assert reader.finish() == b""
