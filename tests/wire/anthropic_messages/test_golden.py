"""Recorded requests, answers, errors and streams of this dialect, and what becomes of each in the others.

Files: ``CASE.json`` is a request, an answer or an error (with status and headers), ``CASE.sse`` a stream; beside it
``CASE.TARGET.json`` or ``CASE.TARGET.sse`` is what it becomes. WEIGHBRIDGE_UPDATE_GOLDEN=1 writes those anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.chat import ChatRequest
from gateway.core.codec import ChatCodec
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages import CODEC, DIALECT
from gateway.wire.openai_chat.codec import CODEC as OPENAI
from gateway.wire.openai_errors import error_body
from tests.support.streams import GOLDEN, single_bytes

FOLDER = GOLDEN / "anthropic_messages"
TARGETS: dict[str, ChatCodec] = {"openai_chat": OPENAI}
CASES = sorted(path for path in FOLDER.iterdir() if path.name.count(".") == 1)
DOCUMENTS = {path.stem: orjson.loads(path.read_bytes()) for path in CASES if path.suffix == ".json"}
REQUESTS = {name: document for name, document in DOCUMENTS.items() if "messages" in document}
ANSWERS = {name: document for name, document in DOCUMENTS.items() if document.get("type") == "message"}
ERRORS = {name: document for name, document in DOCUMENTS.items() if "status" in document}
STREAMS = {path.stem: path.read_bytes() for path in CASES if path.suffix == ".sse"}
ASKED = ChatRequest(dialect="anthropic_messages", model="m", turns=())


def agrees(path: Path, got: bytes) -> None:
    if os.environ.get("WEIGHBRIDGE_UPDATE_GOLDEN") == "1":
        path.write_bytes(got)
    assert path.read_bytes() == got


def shown(document: Any) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def through(codec: ChatCodec, data: list[bytes], writer: ChatCodec) -> bytes:
    reader, out = codec.reader(), writer.writer(ASKED)
    return b"".join([*(out.write(reader.feed(piece)) for piece in data), out.write(reader.finish())])


def test_there_are_enough() -> None:
    assert len(CASES) >= 25
    assert set(DOCUMENTS) == {*REQUESTS, *ANSWERS, *ERRORS}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_what_is_written_down(name: str, target: str) -> None:
    chat = CODEC.read_request(REQUESTS[name], "/v1/messages")
    losses = Losses(chat.names, target, "drop")
    wire = TARGETS[target].write_request(chat, "their-model", losses)
    try:
        refused = None
        TARGETS[target].write_request(chat, "their-model", Losses(chat.names, target))
    except UnsupportedField as error:
        refused = error.public_message
    got = {"path": wire.path, "document": wire.document, "dropped": losses.fields, "refused": refused}
    agrees(FOLDER / f"{name}.{target}.json", shown(got))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_becomes_what_is_written_down(name: str, target: str) -> None:
    answer = CODEC.read_answer(ANSWERS[name])
    agrees(FOLDER / f"{name}.{target}.json", shown(TARGETS[target].write_answer(answer, ASKED)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_becomes_what_is_written_down_for_every_cut(name: str, target: str) -> None:
    whole = through(CODEC, [STREAMS[name]], TARGETS[target])
    assert b"".join([whole]) == through(CODEC, single_bytes(STREAMS[name]), TARGETS[target])
    agrees(FOLDER / f"{name}.{target}.sse", whole)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_becomes_what_is_written_down(name: str) -> None:
    case = ERRORS[name]
    headers = {key.encode(): value.encode() for key, value in case["headers"].items()}
    error = CODEC.read_error(case["status"], headers, case["body"])
    got = {
        "status": error.status,
        "retryable": error.retryable,
        "retry_after_s": error.retry_after_s,
        "openai": orjson.loads(error_body(error, "x")),
        "anthropic": orjson.loads(DIALECT.error_body(error, "x")),
    }
    agrees(FOLDER / f"{name}.errors.json", shown(got))
    assert got["anthropic"]["error"]["type"] == case["body"]["error"]["type"]


def same(request: dict[str, Any]) -> dict[str, Any]:
    """A request in the one way of several in which the writer writes it."""
    system = request.get("system")
    if isinstance(system, str):
        request = {**request, "system": [{"type": "text", "text": system}]}
    messages = json.loads(json.dumps(request["messages"]))
    for message in messages:
        content = message["content"]
        for block in content if isinstance(content, list) else ():
            inner = block.get("content")
            if block["type"] == "tool_result" and isinstance(inner, list) and len(inner) == 1:
                block["content"] = inner[0]["text"]
    return {**request, "messages": messages}


# A search result becomes a document.
@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - {"search_result"}))
def test_a_request_comes_out_as_it_went_in(name: str) -> None:
    chat = CODEC.read_request(REQUESTS[name], "/v1/messages")
    losses = Losses(chat.names, "anthropic_messages")
    assert CODEC.write_request(chat, "", losses).document == same(REQUESTS[name])
    assert losses.fields == ()


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"answer_refused"}))
def test_an_answer_comes_out_as_it_went_in(name: str) -> None:
    assert CODEC.write_answer(CODEC.read_answer(ANSWERS[name]), ASKED) == ANSWERS[name]


@pytest.mark.parametrize("name", sorted(STREAMS.keys() - {"stream_refused"}))
def test_a_stream_comes_out_as_it_went_in(name: str) -> None:
    through_ours = through(CODEC, [STREAMS[name]], CODEC)
    before, after = (orjson.loads(DIALECT.stream_transcript([each])) for each in (STREAMS[name], through_ours))
    for each in (before, after):
        for block in each["content"]:
            block.setdefault("citations", None)
            block["citations"] = block["citations"] or None
    assert after == before
