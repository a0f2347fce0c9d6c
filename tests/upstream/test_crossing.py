from __future__ import annotations

import zlib
from typing import Any

import orjson
import pytest

from gateway.core.errors import ConnectFailed, GatewayError
from gateway.core.exchange import Deployment, Headers
from gateway.upstream import crossing as module
from gateway.upstream.crossing import CrossingSink
from gateway.wire.bridge import Bridge, Spare
from gateway.wire.openai_chat import DIALECT
from gateway.wire.openai_chat.codec import CODEC
from tests.support.openai_script import chat, piece

TO = Deployment(provider="p", kind="foreign", model="real", base_url="http://p.example", credential=b"")
JSON = {b"content-type": b"application/json", b"request-id": b"r1", b"server": b"x"}
EVENTS = {b"content-type": b"text/event-stream"}


class Listening:
    """What an attempt is to its sink: it writes down what it is told, and may have ended."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.status = 0
        self.headers: Headers = {}
        self.ended_ns = 0
        self.running = self
        self.cancelled = False
        self.error: GatewayError | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.told)

    def on_head(self, status: int, headers: Headers) -> None:
        assert not self.status
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        assert self.status
        self.told.append(data)

    def on_end(self) -> None:
        assert self.status
        self.ended_ns = 1

    def on_fail(self, error: GatewayError) -> None:
        self.error = error
        self.ended_ns = 1

    def cancel(self) -> None:
        self.cancelled = True


def sink() -> tuple[Any, Listening]:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    listening: Any = Listening()
    made = Bridge(CODEC, CODEC).cross(asked, "/v1/chat/completions", TO, Spare("spare", 7))
    return CrossingSink(listening, made, DIALECT), listening


def event(delta: Any, finish: str | None = None) -> bytes:
    return b"data: " + orjson.dumps(piece(delta, finish)) + b"\n\n"


def test_a_whole_answer_arrives_in_the_clients_dialect() -> None:
    to, told = sink()
    to.on_whole(200, dict(JSON), b"", orjson.dumps(chat("hello")))
    assert orjson.loads(told.body)["choices"][0]["message"]["content"] == "hello"
    assert told.headers == {b"content-type": b"application/json", b"request-id": b"r1", b"x-request-id": b"r1"}
    assert told.ended_ns


def test_an_answer_in_pieces_and_compressed_arrives_too() -> None:
    to, told = sink()
    packed = zlib.compress(orjson.dumps(chat("hello")))
    to.on_head(200, {**JSON, b"content-encoding": b"deflate"})
    for at in range(0, len(packed), 7):
        to.on_data(packed[at : at + 7])
    to.on_end()
    assert orjson.loads(told.body)["choices"][0]["message"]["content"] == "hello"
    assert b"content-encoding" not in told.headers
    other, failed = sink()
    other.on_head(200, {**JSON, b"content-encoding": b"br"})
    assert failed.error is not None
    assert failed.cancelled


def test_a_stream_arrives_as_it_comes() -> None:
    to, told = sink()
    to.on_head(200, dict(EVENTS))
    assert not told.status
    to.on_data(event({"role": "assistant", "content": ""}))
    assert not told.status
    to.on_data(event({"content": "a"}))
    assert told.status == 200
    assert told.headers[b"content-type"].startswith(b"text/event-stream")
    seen = len(told.body)
    to.on_data(event({}, "stop"))
    assert len(told.body) > seen
    to.on_end()
    assert told.body.endswith(b"data: [DONE]\n\n")
    assert told.ended_ns


def test_an_error_answer_keeps_its_status_and_when_to_come_back() -> None:
    to, told = sink()
    headers = {**JSON, b"retry-after": b"9", b"anthropic-ratelimit-requests-remaining": b"0"}
    to.on_whole(429, headers, b"", b'{"error":{"message":"slow down","code":"too_fast"}}')
    assert told.status == 429
    assert orjson.loads(told.body)["error"] == {
        "message": "slow down", "type": "rate_limit_error", "param": None, "code": "too_fast",
    }  # fmt: skip
    assert told.headers[b"retry-after"] == b"9"
    assert told.headers[b"anthropic-ratelimit-requests-remaining"] == b"0"
    assert told.ended_ns


def test_an_error_before_the_first_content_becomes_a_status() -> None:
    to, told = sink()
    to.on_head(200, dict(EVENTS))
    to.on_data(event({"role": "assistant", "content": ""}))
    to.on_data(b'data: {"error":{"message":"busy","code":529}}\n\n')
    assert (told.status, told.error, told.cancelled) == (529, None, True)
    assert orjson.loads(told.body)["error"]["message"] == "busy"
    to.on_data(event({"content": "late"}))
    to.on_end()
    assert len(told.told) == 1


def test_an_error_after_it_ends_the_stream_as_the_dialect_says() -> None:
    to, told = sink()
    to.on_head(200, dict(EVENTS))
    to.on_data(event({"content": "a"}))
    to.on_data(b'data: {"error":{"message":"busy","code":529}}\n\n')
    assert told.status == 200
    assert told.cancelled
    assert told.error is not None
    assert (told.error.public_message, told.error.status) == ("busy", 529)


def test_what_came_before_an_error_is_shown_however_the_bytes_were_cut() -> None:
    to, told = sink()
    to.on_head(200, dict(EVENTS))
    to.on_data(event({"content": "a"}) + b'data: {"error":{"message":"busy","code":529}}\n\n')
    assert told.status == 200
    assert b'{"content":"a"}' in told.body
    assert told.error is not None
    assert told.error.released == b""


def test_a_stream_that_is_cut_or_breaks_its_dialect_fails() -> None:
    for data in (b"", event({"content": "a"}), b"data: {\n\n"):
        to, told = sink()
        to.on_head(200, dict(EVENTS))
        to.on_data(data)
        to.on_end()
        assert told.error is not None
    to, told = sink()
    to.on_fail(ConnectFailed("no"))
    assert told.error is not None


def test_what_is_no_answer_fails_and_what_is_too_long_too(monkeypatch: pytest.MonkeyPatch) -> None:
    to, told = sink()
    to.on_whole(200, dict(JSON), b"", b"{}")
    assert told.error is not None
    monkeypatch.setattr(module, "MAX_ERROR_BYTES", 10)
    to, told = sink()
    to.on_whole(500, dict(JSON), b"", b"x" * 11)
    assert told.error is not None
