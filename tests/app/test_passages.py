"""Calls through Envoy with real rooms behind them: what goes on, what is answered at once, and what is recorded."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from gateway.app.passages import Passages
from gateway.config.settings import Settings
from gateway.core.errors import Bug
from gateway.core.exchange import Incoming
from gateway.core.verdict import Match, RuleSpec, Step, When
from tests.support import ext_proc_messages as envoy
from tests.support.rooms import USAGE, Rooms, answer, chat, rule, run
from tests.support.settings import good, load
from tests.support.sinks import ListReply
from tests.support.through_envoy import BUFFERED, DUPLEX, PIECEWISE, Through, through

CONFIG = """
version: 1
providers:
  house: {kind: openai, base_url: "https://llm.example/api/v1", api_key: env:KEY}
  claude: {kind: anthropic, api_key: env:KEY}
"""
MODES = pytest.mark.parametrize("modes", [DUPLEX, BUFFERED, PIECEWISE], ids=["duplex", "buffered", "piecewise"])
EVENTS = "text/event-stream"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return good(load(tmp_path_factory.mktemp("passages"), CONFIG, KEY="our-key"))


def said(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def event(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    document = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % orjson.dumps(document)


END = event("", finish_reason="stop") + b"data: [DONE]\n\n"


@MODES
def test_a_call_passes_and_is_recorded(settings: Settings, modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        rooms = Rooms(None)
        call = through(rooms, settings, modes)
        call.ask(said("hello"), x_weighbridge_tags="a=b", authorization="Bearer theirs")
        head = call.said[-1].request_body if modes[0] == envoy.BUFFERED else call.said[0].request_headers
        mutation = head.response.header_mutation
        assert envoy.put(mutation) == {"accept-encoding": "identity"}
        assert list(mutation.remove_headers) == ["x-weighbridge-tags"]
        if modes[0] == envoy.FULL_DUPLEX:
            assert orjson.loads(call.sent("request_body")) == said("hello")
        else:
            # Nothing was changed, so nothing is sent back.
            assert not head.response.HasField("body_mutation")
        body = answer(usage=USAGE)
        call.answer(body)
        await call.over()
        assert call.sent("response_body") in (body, b"")
        told = next(each for each in call.said if b"x-weighbridge-id" in each.SerializeToString())
        lines = envoy.put(
            (
                told.response_headers.response if told.HasField("response_headers") else told.response_body.response
            ).header_mutation
        )
        assert lines["x-weighbridge-id"] == rooms.records[0].id
        assert "x-request-id" not in lines
        record = rooms.records[0]
        assert (record.status, record.provider, record.tags, record.verdict) == (200, "openai", {"a": "b"}, "allow")
        assert record.input_tokens == USAGE["prompt_tokens"]
        assert call.committed

    run(test)


@MODES
def test_what_a_rule_turns_back_is_answered_at_once(settings: Settings, modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        rooms = Rooms(None, rule("osprey", "block", "request"), rule("falcon", "block", "response"))
        call = through(rooms, settings, modes)
        call.ask(said("an osprey"))
        told = call.said[-1].immediate_response
        error = orjson.loads(told.body)["error"]
        assert (told.status.code, error["code"]) == (400, "policy_blocked")
        assert envoy.put(told.headers)["x-weighbridge-verdict"] == "block"
        assert call.sent("request_body") == b""
        other = through(rooms, settings, modes)
        other.ask(said("hello"))
        other.answer(answer("a falcon"))
        await other.over()
        told = other.said[-1].immediate_response
        assert orjson.loads(told.body)["error"]["code"] == "policy_blocked"
        assert b"falcon" not in b"".join(each.SerializeToString() for each in other.said).replace(b"block-falcon", b"")
        assert [each.verdict for each in rooms.records] == ["block", "block"]

    run(test)


@MODES
def test_bodies_that_rules_edit_are_replaced(settings: Settings, modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        rooms = Rooms(None, rule("osprey", "redact", "request"), rule("falcon", "redact", "response"))
        call = through(rooms, settings, modes)
        call.ask(said("an osprey"))
        assert orjson.loads(call.sent("request_body"))["messages"][0]["content"] == "an [OSPREY]"
        call.answer(answer("a falcon"))
        await call.over()
        assert orjson.loads(call.sent("response_body"))["choices"][0]["message"]["content"] == "a [FALCON]"

    run(test)


@MODES
def test_a_stream_goes_through_the_stream_guard(settings: Settings, modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        rooms = Rooms(None, rule("falcon", "redact", "response"), rule("osprey", "block", "response"))
        call = through(rooms, settings, modes)
        call.ask(said("hello") | {"stream": True})
        pieces = [event("a fal"), event("con and "), event("more"), END]
        if modes[1] == envoy.BUFFERED:
            pieces = [b"".join(pieces)]
        call.tell(envoy.head("response_headers", {":status": "200", "content-type": EVENTS}))
        for piece in pieces:
            call.tell(envoy.body("response_body", piece, last=piece.endswith(END)))
        await call.over()
        out = call.sent("response_body")
        assert b"[FALCON]" in out
        assert b"fal" not in out.lower().replace(b"[falcon]", b"")
        assert out.endswith(b"data: [DONE]\n\n")
        if modes[1] == envoy.STREAMED:
            assert call.kinds.count("response_body") == len(pieces)
        stopped = through(rooms, settings, modes)
        stopped.ask(said("hello") | {"stream": True})
        stopped.tell(envoy.head("response_headers", {":status": "200", "content-type": EVENTS}))
        for piece in (
            [event("well, "), event("an osprey "), event("more"), END]
            if modes[1] != envoy.BUFFERED
            else [event("well, ") + event("an osprey ") + END]
        ):
            stopped.tell(envoy.body("response_body", piece, last=piece.endswith(END)))
        await stopped.over()
        out = stopped.sent("response_body")
        assert b"osprey" not in out
        assert b'"content_filter"' in out
        assert out.endswith(b"data: [DONE]\n\n")
        if modes[1] == envoy.STREAMED:
            assert stopped.kinds.count("response_body") == len(pieces)
        assert [each.verdict for each in rooms.records] == ["edit", "block"]

    run(test)


def test_a_stream_leaves_as_it_comes(settings: Settings) -> None:
    async def test() -> None:
        call = through(Rooms(None), settings)
        call.ask(said("hello") | {"stream": True})
        call.tell(envoy.head("response_headers", {":status": "200", "content-type": EVENTS}))
        assert "response_headers" not in call.kinds
        call.tell(envoy.body("response_body", event("one"), last=False))
        assert call.kinds[-2:] == ["response_headers", "response_body"]
        assert call.sent("response_body") == event("one")
        call.tell(envoy.body("response_body", END, last=False))
        # The end marker waits for the end, as with every transport.
        call.tell(envoy.body("response_body", b"", last=True))
        await call.over()
        assert call.sent("response_body") == event("one") + END
        assert call.said[-1].response_body.response.body_mutation.streamed_response.end_of_stream

    run(test)


def test_an_answer_in_another_coding_is_read(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(None, rule("falcon", "redact", "response"))
        call = through(rooms, settings)
        call.ask(said("hello"))
        lines = {":status": "200", "content-type": "application/json", "content-encoding": "gzip"}
        call.tell(envoy.head("response_headers", lines))
        call.tell(envoy.body("response_body", gzip.compress(answer("a falcon")), last=True))
        await call.over()
        mutation = next(each for each in call.said if each.HasField("response_headers")).response_headers.response
        assert "content-encoding" in mutation.header_mutation.remove_headers
        assert b"[FALCON]" in call.sent("response_body")

    run(test)


@pytest.mark.parametrize(
    ("named", "authority", "path", "provider", "dialect"),
    [
        ("house", "anything", "/v1/chat/completions", "house", "openai_chat"),
        ("house", "anything", "/api/v1/chat/completions", "house", "openai_chat"),
        ("", "llm.example", "/api/v1/chat/completions", "house", "openai_chat"),
        ("", "api.groq.com", "/openai/v1/chat/completions", "groq", "openai_chat"),
        ("", "api.groq.com:443", "/openai/v1/chat/completions", "groq", "openai_chat"),
        ("", "llm.mesh:8080", "/v1/chat/completions", "openai", "openai_chat"),
        ("", "llm.mesh", "/v1/messages", "anthropic", "anthropic_messages"),
        ("claude", "llm.mesh", "/v1/messages", "claude", "anthropic_messages"),
        ("", "llm.mesh", "/v1/vector_stores", "openai", "passthrough"),
        ("", "llm.mesh:99999", "/v1/vector_stores", "openai", "passthrough"),
    ],
)  # fmt: skip
def test_who_serves_a_call_is_found(
    settings: Settings, named: str, authority: str, path: str, provider: str, dialect: str
) -> None:
    async def test() -> None:
        rooms = Rooms(None)
        call = through(rooms, settings, named=named)
        lines = {":method": "POST", ":path": path, ":authority": authority, "content-type": "application/json"}
        call.tell(envoy.head("request_headers", lines, modes=DUPLEX))
        call.tell(envoy.body("request_body", orjson.dumps(said("hello") | {"max_tokens": 5}), last=True))
        # It goes on where it went.
        assert ":path" not in envoy.put(call.said[0].request_headers.response.header_mutation)
        call.answer(answer())
        await call.over()
        assert [(each.provider, each.dialect) for each in rooms.records] == [(provider, dialect)]

    run(test)


def test_a_provider_that_nobody_knows_is_a_fault_and_nothing_passes(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(None)
        call = through(rooms, settings, named="nobody")
        call.ask(said("hello"))
        assert call.kinds == ["immediate_response"]
        assert call.said[0].immediate_response.status.code == 500
        assert rooms.records[0].error_code == "misconfigured"

    run(test)


def test_a_rule_that_sends_calls_elsewhere_keeps_them_from_going_on(settings: Settings) -> None:
    async def test() -> None:
        match, when = Match(direction=("request",)), When(op="detector", name="osprey")
        away = Step(action="route", route="pool")
        rooms = Rooms(None, RuleSpec(id="away", match=match, when=when, steps=(away,), mode="enforce"))
        call = through(rooms, settings)
        call.ask(said("an osprey"))
        assert call.kinds == ["immediate_response"]
        assert call.said[0].immediate_response.status.code == 501
        assert rooms.records[0].error_code == "not_yet_available"

    run(test)


def test_sessions_do_not_pass(settings: Settings) -> None:
    async def test() -> None:
        call = through(Rooms(None), settings)
        lines = {":method": "GET", ":path": "/v1/realtime?model=m", ":authority": "a", "upgrade": "websocket"}
        call.tell(envoy.head("request_headers", lines, last=True, modes=DUPLEX))
        assert call.said[0].immediate_response.status.code == 501

    run(test)


def test_a_reload_is_felt(settings: Settings) -> None:
    async def test() -> None:
        rooms, blocked = Rooms(None), Rooms(None, rule("osprey", "block", "request"))
        present = [rooms.pipeline]
        passages = Passages(lambda: (settings, present[0]), rooms.clock)
        first = Through(passages.handle)
        first.ask(said("an osprey"))
        present[0] = blocked.pipeline
        second = Through(passages.handle)
        second.ask(said("an osprey"))
        assert (first.kinds[0], second.kinds[0]) == ("request_headers", "immediate_response")

    run(test)


def test_it_is_for_envoys_only(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(None)
        passages = Passages(lambda: (settings, rooms.pipeline), rooms.clock)
        with pytest.raises(Bug):
            await passages.handle(chat(), ListReply())

    run(test)


def test_what_never_was_a_request_is_refused(settings: Settings) -> None:
    async def test() -> None:
        rooms = Rooms(None)
        passages = Passages(lambda: (settings, rooms.pipeline), rooms.clock)

        async def refused(incoming: Incoming, reply: Any) -> None:
            passages.refuse(incoming, reply, Bug("The gateway failed."))

        call = Through(refused)
        call.ask(said("hello"))
        assert call.said[0].immediate_response.status.code == 500

    run(test)
