"""What a stream used of which rules hold something back when its client leaves, or its provider cuts it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gateway.core.errors import StreamBroken
from gateway.core.record import ExchangeRecord
from gateway.core.verdict import When
from gateway.upstream.attempt import MAX_COUNTED_BYTES, Attempt
from tests.support.cut_streams import FRAMES, NATIVE, TARGETS, asking, pieces
from tests.support.rooms import EVENTS, Rooms, chat, event, rule, run
from tests.support.sinks import ListReply
from tests.test_continuing import at

REDACTED = rule("osprey", "redact", "response")
BLOCKED = rule("osprey", "block", "response")
# Judged when the text is whole: until then nothing of it leaves.
BOTH = When(op="all", parts=(BLOCKED.when, rule("falcon", "block", "response").when))
WHOLE = msgspec.structs.replace(BLOCKED, id="late", when=BOTH)
TEXT = ["Once upon a time there was an ", "osprey that lived on fish ", "and in a nest by the sea, an osp"]
WAYS = [(dialect, NATIVE[dialect]) for dialect in NATIVE] + [("openai_chat", "anthropic"), ("gemini", "openai")]


async def left(dialect: str, kind: str, *rules: Any, cut: bool = False) -> tuple[ExchangeRecord, bytes]:
    """A provider of a kind says something, and the client leaves; or the provider does."""
    spoken = dialect if kind == NATIVE[dialect] else TARGETS[kind]
    rooms = Rooms(None, *rules, aliases={"m": at("p", kind, "m")})
    reply = ListReply(rooms.log)
    drive = rooms.begin(asking(dialect), reply)
    while not rooms.wires:
        await asyncio.sleep(0)
    sink = rooms.wires[0].sink
    sink.on_head(200, {b"content-type": FRAMES if spoken == "bedrock_converse" else EVENTS[b"content-type"]})
    for piece in pieces(spoken, TEXT, whole=False):
        sink.on_data(piece)
    if cut:
        sink.on_fail(StreamBroken("cut"))
    elif not drive.ended:
        reply.gone = True
        drive.cancel()
    await drive.wait()
    await rooms.ended()
    assert rooms.bugs == []
    return rooms.record, reply.body


@pytest.mark.parametrize(("dialect", "kind"), WAYS)
def test_what_rules_hold_back_or_take_out_was_used_all_the_same(dialect: str, kind: str):
    async def test() -> None:
        plain, body = await left(dialect, kind)
        assert b"nest" in body
        assert plain.output_tokens
        for rules in ((REDACTED,), (WHOLE,)):
            held, body = await left(dialect, kind, *rules)
            assert b"an osp" not in body
            assert (b"nest" in body) == (rules == (REDACTED,))
            assert (held.output_tokens, held.cost_nanousd) == (plain.output_tokens, plain.cost_nanousd)
            assert (held.usage_source, held.error_code) == ("estimated", "client_closed")

    run(test)


def test_what_was_said_before_a_cut_is_paid_though_nobody_saw_it():
    async def test() -> None:
        plain, _ = await left("openai_chat", "openai", cut=True)
        held, body = await left("openai_chat", "openai", WHOLE, cut=True)
        assert b"nest" not in body
        assert (held.output_tokens, held.usage_source) == (plain.output_tokens, "estimated")

    run(test)


def test_what_a_rule_turned_back_was_said():
    async def test() -> None:
        plain, _ = await left("openai_chat", "openai")
        blocked, body = await left("openai_chat", "openai", BLOCKED)
        assert blocked.verdict == "block"
        assert b"osprey" not in body
        # Its provider was stopped at the word, which it had said.
        assert 8 < (blocked.output_tokens or 0) < (plain.output_tokens or 0)

    run(test)


def test_of_a_long_stream_the_beginning_is_kept():
    async def test() -> None:
        rooms = Rooms(None, REDACTED)
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat("hello", stream=True), reply)
        while not rooms.wires:
            await asyncio.sleep(0)
        sink = rooms.wires[0].sink
        sink.on_head(200, dict(EVENTS))
        for _ in range(12):
            sink.on_data(event("a word " * 5000))
        assert isinstance(sink, Attempt)
        kept = sum(len(piece) for piece in sink.received)
        assert MAX_COUNTED_BYTES // 2 < kept <= MAX_COUNTED_BYTES
        reply.gone = True
        drive.cancel()
        await drive.wait()
        await rooms.ended()

    run(test)
