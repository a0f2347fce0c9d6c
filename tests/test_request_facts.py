"""What conditions may ask of a request, in every dialect in which clients speak."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import Labels, Principal
from gateway.request_facts import RequestFacts
from gateway.wire.select import select
from tests.support.incoming import json_incoming

WHO = Principal(key_id="k", team="support", tenant="t", tags={"tier": "paid"})
GERMAN = "Wie kann ich das für meine Rechnung bezahlen?"
PNG = "iVBORw0KGgo="
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "m", "max_tokens": 64, "user": "u-1", "response_format": {"type": "json_object"},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "text", "text": GERMAN},
            ]},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {}}}],
    },
    "/v1/responses": {
        "model": "m", "max_output_tokens": 64, "user": "u-1", "instructions": "Be brief.",
        "text": {"format": {"type": "json_object"}},
        "input": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": [
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                {"type": "input_text", "text": GERMAN},
            ]},
        ],
        "tools": [{"type": "function", "name": "look", "description": "Looks.", "parameters": {}}],
    },
    "/v1/messages": {
        "model": "m", "max_tokens": 64, "metadata": {"user_id": "u-1"}, "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "text", "text": GERMAN},
            ]},
        ],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
    },
    "/v1beta/models/m:generateContent": {
        "generationConfig": {"maxOutputTokens": 64, "responseMimeType": "application/json"},
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hello."}]},
            {"role": "model", "parts": [{"text": "Hello!"}]},
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}, {"text": GERMAN}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "look", "description": "Looks."}]}],
    },
    "/bedrock/model/m/converse": {
        "inferenceConfig": {"maxTokens": 64},
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Hello."}]},
            {"role": "assistant", "content": [{"text": "Hello!"}]},
            {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": GERMAN}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}]},
    },
}  # fmt: skip


def facts(path: str, body: dict[str, Any], labels: Labels | None = None) -> RequestFacts:
    incoming = json_incoming(path, body)
    dialect, request = select(incoming)
    return RequestFacts(dialect, request, WHO, labels, path)


@pytest.mark.parametrize("path", BODIES)
def test_the_same_conversation_has_the_same_facts_in_every_dialect(path: str) -> None:
    known = facts(path, BODIES[path])
    assert (known.tools, known.tool, known.media, known.language) == (True, ("look",), ("image",), "de")
    assert (known.turns, known.max_output_tokens, known.stream) == (3, 64, False)
    assert known.chars == len("Be brief.Hello.Hello!" + GERMAN)
    assert known.json is ("responseMimeType" in str(BODIES[path]) or "json_object" in str(BODIES[path]))
    # The picture counts as nothing: what it comes to, only its provider knows.
    assert 30 <= known.input_tokens <= 75
    assert known.user == ("u-1" if "u-1" in str(BODIES[path]) else "")


def test_who_calls_and_what_it_says_of_itself() -> None:
    labels = Labels(tags={"tier": "free", "env": "prod"}, session_id="s")
    known = facts("/v1/chat/completions", {"model": "m", "messages": []}, labels)
    assert (known.key, known.team, known.tenant, known.session) == ("k", "support", "t", "s")
    # A key's own tags cannot be talked away.
    assert known.tags == {"tier": "paid", "env": "prod"}
    assert (known.language, known.turns, known.chars, known.input_tokens, known.max_output_tokens) == (
        "",
        0,
        0,
        0,
        None,
    )


def test_dialects_without_conversations_have_sizes_and_no_tools() -> None:
    known = facts("/v1/embeddings", {"model": "m", "input": ["what is that in the sea", "and this"], "user": "u"})
    assert (known.chars, known.tools, known.media, known.json, known.user) == (31, False, (), False, "u")
    assert facts("/v1/completions", {"model": "m", "prompt": "x" * 400}).input_tokens >= 100


def test_what_is_no_request_of_its_dialect_has_no_tools() -> None:
    body = {"model": "m", "messages": [{"role": "nobody", "content": 5}], "tools": "x", "user": 5}
    known = facts("/v1/chat/completions", body)
    assert (known.tools, known.media, known.user) == (False, (), "")


def test_sizes_go_by_bytes_in_every_script() -> None:
    def tokens(text: str) -> int:
        return facts(
            "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": text}]}
        ).input_tokens

    assert tokens("x" * 4000) == 1004
    assert tokens("海" * 1000) == 754


@pytest.mark.parametrize("path", BODIES)
def test_the_size_is_never_more_than_the_bytes_say(path: str) -> None:
    known = facts(path, BODIES[path])
    assert known.tokens_needed == known.input_tokens + 64 <= known.most_tokens


@given(st.lists(st.text(max_size=30), max_size=20), st.integers(1, 9))
def test_many_short_messages_are_no_more_than_their_bytes(texts: list[str], most: int) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    known = facts("/v1/chat/completions", {"model": "m", "max_tokens": most, "messages": messages})
    assert known.tokens_needed <= known.most_tokens


def test_what_is_not_answered_in_words_needs_no_room() -> None:
    many = {"model": "m", "input": ["word " * 1000] * 50}
    assert facts("/v1/embeddings", many).most_tokens == 0
