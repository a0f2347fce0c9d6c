"""A stream that is cut after its first byte, and goes on elsewhere: what its client sees, and what is booked."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.errors import (
    ConnectFailed,
    IdleTimeout,
    InvalidAnswer,
    StreamBroken,
    TotalTimeout,
)
from gateway.core.exchange import ContinueRule, Deployment, RoutePolicy
from gateway.wire.aws_eventstream import encode
from tests.support.cut_streams import NATIVE, TARGETS, TOLD, asking, documents, pieces, playing, read, text_of
from tests.support.rooms import (
    DONE,
    PROVIDER,
    Script,
    chat,
    event,
    failing,
    filed_once_and_in_time,
    run,
    stream,
)
from tests.test_travel import _Scripted

POLICY = RoutePolicy(continues=ContinueRule())
CUT = StreamBroken("cut")
BEGINNING = ["Once upon a time there ", "was a fox who lived ", "in a wood "]
# As the next model says it: from the last words that it is to repeat.
REST = ["was a fox who lived ", "in a wood and ", "kept a diary."]
STORY = "Once upon a time there was a fox who lived in a wood and kept a diary."


def at(name: str, kind: str, model: str = "model-x") -> Deployment:
    return msgspec.structs.replace(
        PROVIDER, provider=name, kind=kind, base_url=f"http://{name}.example", model=model, credential=b"x-key: k\r\n"
    )


def scripted(*scripts: Script, **more: Any) -> _Scripted:
    return _Scripted(*scripts, policy=more.pop("policy", POLICY), **more)


def body_of(rooms: _Scripted, number: int) -> Any:
    return orjson.loads(rooms.wires[number].sent.partition(b"\r\n\r\n")[2])


# The client's dialect, whether who begins speaks another one, and the kind of who goes on. Completions go to OpenAI's
# interface only.
WAYS = [
    (dialect, crossed, second)
    for dialect in NATIVE
    for crossed in (False, True)
    for second in TARGETS
    if dialect != "openai_completions" or (second == "openai" and not crossed)
]


@pytest.mark.parametrize(("dialect", "crossed", "second"), WAYS)
def test_a_stream_goes_on_in_every_dialect_at_every_kind_of_provider(dialect: str, crossed: bool, second: str):
    native = NATIVE[dialect]
    first = next(kind for kind in TARGETS if kind != native) if crossed else native

    async def test() -> None:
        begins = TARGETS[first] if crossed else dialect
        goes_on = dialect if second == native else TARGETS[second]
        # A prompt has no order to repeat anything.
        rest = ["and ", "kept a diary."] if dialect in ("openai_completions", "triton") or second == "triton" else REST
        rooms = scripted(
            playing(begins, *pieces(begins, BEGINNING, whole=False), CUT),
            playing(goes_on, *pieces(goes_on, rest, name="two")),
            to=(at("p", first), at("q", second)),
        )
        reply = await rooms.serve(asking(dialect))
        events = read(dialect, reply.body)
        assert text_of(events) == STORY
        assert [type(each).__name__ for each in events].count("Finished") == 1
        assert [each[:3] for each in rooms.tries] == [(1, "first", "p"), (2, "continue", "q")]
        consistent(dialect, reply.body)
        parts = rooms.record.attempts
        assert [part.output_tokens for part in parts[1:]] == [TOLD.output_tokens if goes_on != "triton" else None] or (
            goes_on == "triton" and parts[1].output_tokens
        )
        assert parts[0].output_tokens
        assert rooms.record.output_tokens == sum(part.output_tokens or 0 for part in parts)
        assert rooms.record.usage_source == "estimated"
        assert rooms.record.finish_reason or dialect == "triton"
        filed_once_and_in_time(rooms.log)

    run(test)


def consistent(dialect: str, body: bytes) -> None:
    """Ids, numbers and blocks go on where they stood."""
    told = documents(dialect, body)
    if dialect in ("openai_chat", "openai_completions"):
        assert len({each["id"] for each in told}) == len({each["model"] for each in told}) == 1
        assert body.endswith(DONE)
    elif dialect == "openai_responses":
        assert [each["sequence_number"] for each in told] == list(range(len(told)))
        assert len({each["item_id"] for each in told if "item_id" in each}) == 1
        assert told[-1]["response"]["output"][0]["content"][0]["text"] == STORY
        assert told[-1]["response"]["id"] == told[0]["response"]["id"]
    elif dialect == "gemini":
        assert len({each["responseId"] for each in told}) == 1
    elif dialect in ("anthropic_messages", "bedrock_converse"):
        kinds = [each["type"] for each in told]
        starts = [kind for kind in kinds if "elta" not in kind or "message" in kind]
        assert len(starts) == len(set(starts))
        assert {each.get("index", each.get("contentBlockIndex", 0)) for each in told} == {0}


@pytest.mark.parametrize(
    "how",
    [
        stream(event("Once "), StreamBroken("cut")),
        stream(event("Once "), ConnectFailed("reset")),
        stream(event("Once "), IdleTimeout("silent")),
        stream(event("Once "), InvalidAnswer("garbage")),
        stream(event("Once ")),
        stream(event("Once "), event("more")[:-9]),
        stream(event("Once "), b'data: {"error":{"message":"overloaded","code":529}}\n\n'),
        stream(event("Once "), b"data: {oops\n\n"),
    ],
)
def test_however_it_is_cut(how: Script):
    async def test() -> None:
        rooms = scripted(how, stream(event("Once upon"), event(), DONE))
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "Once upon"
        assert rooms.record.error_code == ""
        assert rooms.record.attempts[0].error_code in ("upstream_error", "upstream_timeout")

    run(test)


@pytest.mark.parametrize(
    "how",
    [
        stream(event("Once "), TotalTimeout("over")),
        stream(event("Once "), b'data: {"error":{"message":"no","code":400}}\n\n'),
        stream(event("Once "), event(), ConnectFailed("reset")),
    ],
)
def test_what_another_deployment_would_not_mend_ends_the_stream(how: Script):
    async def test() -> None:
        rooms = scripted(how)
        reply = await rooms.serve(chat(stream=True))
        assert b"[DONE]" not in reply.body
        assert b'"error"' in reply.body
        assert len(rooms.wires) == 1

    run(test)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"n": 2},
        {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}},
    ],
)
def test_only_one_plain_text_is_gone_on_with(more: dict[str, Any]):
    async def test() -> None:
        rooms = scripted(stream(event("Once "), CUT))
        reply = await rooms.serve(chat(stream=True, **more))
        assert b'"error"' in reply.body
        assert b"[DONE]" not in reply.body
        assert len(rooms.wires) == 1

    run(test)


def test_a_call_of_a_tool_that_nobody_announced_is_not_gone_on_with():
    async def test() -> None:
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}
        odd = (
            b"data: " + orjson.dumps({"id": "1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}) + b"\n\n"
        )
        rooms = scripted(stream(event("Once "), odd, CUT))
        await rooms.serve(chat(stream=True))
        assert len(rooms.wires) == 1

    run(test)


def test_without_being_asked_for_nothing_is_gone_on_with():
    async def test() -> None:
        rooms = scripted(stream(event("Once "), CUT), policy=RoutePolicy())
        reply = await rooms.serve(chat(stream=True))
        assert b'"error"' in reply.body
        assert len(rooms.wires) == 1
        assert rooms.record.output_tokens

    run(test)


def test_the_providers_own_error_ends_a_bedrock_stream_that_nobody_goes_on_with():
    async def test() -> None:
        broken = encode(
            {":message-type": "exception", ":exception-type": "internalServerException"}, b'{"message":"x"}'
        )
        begun = pieces("bedrock_converse", BEGINNING, whole=False)
        rooms = scripted(
            playing("bedrock_converse", *begun, broken),
            failing(ConnectFailed("down")),
            failing(ConnectFailed("down")),
            to=(at("p", "bedrock"), at("q", "bedrock")),
        )
        reply = await rooms.serve(asking("bedrock_converse"))
        assert b"internalServerException" in reply.body
        assert len(rooms.record.attempts) == 3

    run(test)


def test_a_block_that_has_ended_is_not_gone_on_with():
    async def test() -> None:
        for dialect in ("anthropic_messages", "bedrock_converse", "openai_responses"):
            data = b"".join(pieces(dialect, BEGINNING))
            stops = {"anthropic_messages": b"event: message_delta", "openai_responses": b"event: response.completed"}
            end = data.find(stops[dialect]) if dialect in stops else _before_stop(data)
            rooms = scripted(playing(dialect, data[:end], CUT), to=(at("p", NATIVE[dialect]), at("q", NATIVE[dialect])))
            await rooms.serve(asking(dialect))
            assert len(rooms.wires) == 1
            assert rooms.record.error_code == "upstream_error"

    run(test)


def _before_stop(data: bytes) -> int:
    """Where the frame that ends a message begins."""
    at_name = data.find(b"messageStop")
    before = data.find(b"contentBlockStop")
    while True:
        nearer = data.find(b"\x0b:event-type", before + 1, at_name)
        if nearer < 0:
            break
        before = nearer
    return before - 12
