"""What rules see beside conversations: what is embedded, counted or passed through; the same matrix, native only."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.parity.cells import ACTIONS, blocked_in, edited, planted, texts_sent
from tests.parity.speakers import MODEL, playing, upstream
from tests.support.incoming import json_incoming
from tests.support.rooms import Rooms, filed_once_and_in_time, run

TEXT = "The osprey flies."
GEMINI_PARTS = {"parts": [{"text": TEXT}]}
TENSOR = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": [TEXT]}
# Path, document, kind of provider, and whose form an error has.
ROUTES: dict[str, tuple[str, Any, str, str]] = {
    "embeddings": ("/v1/embeddings", {"input": TEXT}, "openai", "openai_chat"),
    "embeddings of a list": ("/v1/embeddings", {"input": ["a", TEXT]}, "openai", "openai_chat"),
    "embedContent": (f"/v1beta/models/{MODEL}:embedContent", {"content": GEMINI_PARTS}, "gemini", "gemini"),
    "countTokens": (f"/v1beta/models/{MODEL}:countTokens", {"contents": [GEMINI_PARTS]}, "gemini", "gemini"),
    "count_tokens": (
        "/v1/messages/count_tokens",
        {"messages": [{"role": "user", "content": TEXT}]},
        "anthropic",
        "anthropic_messages",
    ),
    "input_tokens": ("/v1/responses/input_tokens", {"input": TEXT}, "openai", "openai_responses"),
    "moderations": ("/v1/moderations", {"input": TEXT}, "openai", "openai_chat"),
    "infer": (f"/v2/models/{MODEL}/infer", {"inputs": [TENSOR]}, "triton", "triton"),
}
IN_PATH = frozenset(("embedContent", "countTokens", "infer"))


def asked(route: str) -> tuple[Any, str, str]:
    path, document, kind, dialect = ROUTES[route]
    return json_incoming(path, document if route in IN_PATH else {"model": MODEL, **document}), kind, dialect


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_word_in_a_request(route: str, action: Any) -> None:
    async def test() -> None:
        request, kind, dialect = asked(route)
        rooms = Rooms(playing(b"{}"), planted(action, "request"), aliases={MODEL: upstream(kind)})
        reply = await rooms.serve(request)
        filed_once_and_in_time(rooms.log)
        assert [event.action for event in rooms.record.guard_events] == [action]
        if action == "block":
            assert rooms.wires == []
            blocked_in(dialect, reply)
            return
        assert reply.status == 200
        sent = texts_sent(rooms)
        assert edited(TEXT, action, sent) in sent
        assert ("osprey" in sent) is (action == "annotate")

    run(test)


ANSWERS: dict[str, tuple[str, Any]] = {
    "moderations": ("moderations", {"results": [{"why": TEXT, "flagged": True}]}),
    "infer": ("infer", {"outputs": [{**TENSOR, "name": "text_output"}]}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("route", ANSWERS)
def test_a_word_in_an_answer(route: str, action: Any, stream: bool) -> None:
    async def test() -> None:
        name, document = ANSWERS[route]
        request, kind, dialect = asked(name)
        body = orjson.dumps(document)
        script = playing([b"data: " + body + b"\n\n", b"data: [DONE]\n\n"] if stream else body)
        rooms = Rooms(script, planted(action, "response"), aliases={MODEL: upstream(kind)})
        reply = await rooms.serve(request)
        filed_once_and_in_time(rooms.log)
        assert [event.action for event in rooms.record.guard_events] == [action]
        assert (b"osprey" in reply.body) is (action == "annotate")
        # Nobody knows what goes on in a stream of unknown shape: what would be edited in it is turned back.
        if action != "annotate" and (stream or action == "block"):
            assert not reply.started
            blocked_in(dialect, reply)
            return
        assert reply.status == 200
        assert edited(TEXT, action, reply.body.decode()).encode() in reply.body

    run(test)
