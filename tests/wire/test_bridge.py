from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Began
from gateway.core.errors import InvalidAnswer, MalformedRequest, UnsupportedField
from gateway.core.exchange import Deployment
from gateway.wire.bridge import CODECS, KINDS, Bridge, Crossing, Kind, Spare, bridge_to
from gateway.wire.openai_chat.codec import CODEC
from tests.support.openai_script import chat, piece, said, usage_piece

TO = Deployment(provider="p", kind="openai", model="real", base_url="http://p.example/v1", credential=b"")
SPARE = Spare("spare-id", 77)
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def cross(document: Any = ASKED) -> Crossing:
    return Bridge(CODEC, CODEC).cross(document, "/v1/chat/completions", TO, SPARE)


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + orjson.dumps(document) + b"\n\n" for document in documents)


@pytest.mark.parametrize("kind", [kind for kind, spoken in KINDS.items() if spoken.target in CODECS])
@pytest.mark.parametrize("dialect", CODECS)
def test_every_dialect_of_conversations_reaches_every_kind_of_provider(kind: str, dialect: str) -> None:
    bridge = bridge_to(dialect, msgspec.structs.replace(TO, kind=kind))
    native = dialect in KINDS[kind].native
    assert (bridge is None) == native
    if bridge is not None:
        assert (bridge.client.name, bridge.provider.name) == (dialect, KINDS[kind].target)


def test_a_model_without_a_chat_interface_is_spoken_to_by_its_deployments_template() -> None:
    trt = msgspec.structs.replace(TO, kind="triton", model="ensemble", template="mistral")
    bridge = bridge_to("openai_chat", trt)
    assert bridge is not None
    wire = bridge.cross(ASKED, "/v1/chat/completions", trt, SPARE).wire
    assert wire.path == "/v2/models/ensemble/generate"
    assert wire.document["text_input"] == "[INST] hi[/INST]"


def test_the_table_names_what_there_is() -> None:
    assert {name: codec.name for name, codec in CODECS.items()} == {name: name for name in CODECS}
    assert all(kind.target in kind.native for kind in KINDS.values())


def test_what_has_no_way_across_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "foreign", Kind(frozenset({"elsewhere"}), "elsewhere"))
    foreign = msgspec.structs.replace(TO, kind="foreign")
    for dialect in ("openai_embeddings", "openai_completions", "openai_chat"):
        with pytest.raises(UnsupportedField):
            bridge_to(dialect, foreign)
    assert bridge_to("openai_models", foreign) is None
    assert bridge_to("passthrough", foreign) is None
    assert bridge_to("elsewhere", foreign) is None
    assert bridge_to("openai_chat", msgspec.structs.replace(foreign, credential=None)) is None
    assert bridge_to("openai_chat", msgspec.structs.replace(TO, kind="catalog")) is None


def test_a_request_is_written_for_the_provider() -> None:
    crossing = cross({**ASKED, "temperature": 0.5})
    assert crossing.wire.path == "/chat/completions"
    assert crossing.wire.document == {**ASKED, "model": "real", "temperature": 0.5}
    assert crossing.dropped == []
    with pytest.raises(MalformedRequest):
        cross({**ASKED, "temperature": "hot"})


def test_a_whole_answer_is_turned_and_its_usage_kept() -> None:
    crossing = cross()
    told = orjson.loads(crossing.answer(orjson.dumps(chat("hello"))))
    assert told["choices"][0]["message"]["content"] == "hello"
    assert (told["id"], told["created"]) == ("chatcmpl-7", 1_700_000_000)
    assert crossing.usage is not None
    assert (crossing.usage.cache_read_tokens, crossing.usage.reasoning_tokens) == (600, 120)


def test_what_an_answer_does_not_name_is_filled_in() -> None:
    bare = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}
    told = orjson.loads(cross().answer(orjson.dumps(bare)))
    assert (told["id"], told["model"], told["created"]) == ("spare-id", "m", 77)
    began = SPARE.began(Began(id="", model=""), ChatRequest(dialect="x", model="m", turns=()))
    assert (began.id, began.model, began.created_s) == ("spare-id", "m", 77)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"choices":[]}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        cross().answer(body)


def test_an_error_is_read_whatever_its_body_is() -> None:
    error = cross().error(429, {b"retry-after": b"7"}, b'{"error":{"message":"slow"}}')
    assert (error.status, error.public_message, error.retry_after_s) == (429, "slow", 7)
    assert cross().error(503, {}, b"<html>").status == 503


def test_a_stream_opens_with_something_of_the_answer() -> None:
    crossing = cross()
    stream = crossing.stream()
    assert stream.feed(sse(piece({"role": "assistant", "content": ""}))) == b""
    assert not stream.opened
    first = stream.feed(sse(piece({"content": "a"})))
    assert stream.opened
    assert first.count(b"data: ") == 2
    rest = stream.feed(sse(piece({}, "stop"), usage_piece()) + b"data: [DONE]\n\n")
    assert rest.endswith(b"data: [DONE]\n\n")
    assert stream.finish() == b""
    assert crossing.usage is not None
    assert crossing.usage.input_tokens == 1000


def test_an_empty_stream_is_an_answer_too() -> None:
    stream = cross().stream()
    told = stream.feed(sse(*said("a")[-1:])) + stream.finish()
    assert told.endswith(b"data: [DONE]\n\n")


PICTURED: list[dict[str, Any]] = [
    {"text": "Here it is."},
    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
]


@pytest.mark.parametrize(
    ("client", "lost"),
    [
        ("openai_chat", ["answer.image"]),
        ("anthropic_messages", ["answer.image"]),
        ("openai_responses", ["answer.image"]),
    ],
)
def test_a_picture_in_an_answer_that_has_no_place_is_named(client: str, lost: list[str]) -> None:
    bridge = bridge_to(client, msgspec.structs.replace(TO, kind="gemini"))
    assert bridge is not None
    asked: dict[str, Any] = {**ASKED, "max_tokens": 9}
    if client == "openai_responses":
        asked = {"model": "m", "input": "hi"}
    candidate = {"content": {"role": "model", "parts": PICTURED}, "finishReason": "STOP", "index": 0}
    crossing = bridge.cross(asked, "/v1/x", TO, SPARE)
    assert crossing.dropped == []
    assert b"Here it is." in crossing.answer(orjson.dumps({"candidates": [candidate]}))
    assert crossing.dropped == lost
    streamed = bridge.cross(asked, "/v1/x", TO, SPARE)
    out = streamed.stream()
    out.feed(sse({"candidates": [candidate]}))
    out.finish()
    assert streamed.dropped == lost


def test_sound_that_a_chat_client_is_given_is_no_loss() -> None:
    crossing = cross()
    audio = {"id": "a", "data": "AAAA", "transcript": "", "expires_at": 1}
    crossing.answer(orjson.dumps(chat(None, message={"audio": audio})))
    assert crossing.dropped == []
