from __future__ import annotations

import orjson
import pytest

from gateway.core.cache_rules import CacheRules
from gateway.core.exchange import Incoming
from tests.support.incoming import json_incoming
from tests.support.rooms import DONE, Rooms, event, rule, run, stream

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
LOGPROBS = {"content": [{"token": "hi", "logprob": -0.25, "bytes": [104, 105], "top_logprobs": []}]}


def told(index: int, **delta: object) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": None}
    return b"data: " + orjson.dumps({"id": "chatcmpl-1234", "model": "m-1", "choices": [choice]}) + b"\n\n"


def ended(index: int, reason: str) -> bytes:
    choice = {"index": index, "delta": {}, "finish_reason": reason}
    return b"data: " + orjson.dumps({"id": "chatcmpl-1234", "model": "m-1", "choices": [choice]}) + b"\n\n"


def asked(n: int = 1) -> Incoming:
    document = {"model": "m", "messages": [{"role": "user", "content": "q"}], "stream": True, "n": n, "logprobs": True}
    return json_incoming("/v1/chat/completions", document)


@pytest.mark.parametrize(
    "events",
    [
        (told(0, tool_calls=[CALL]), ended(0, "tool_calls"), DONE),
        (told(0, content="a"), told(1, content="b"), ended(1, "stop"), ended(0, "length"), DONE),
        (b": ping\n\n" + told(0, content="hi", logprobs=LOGPROBS), ended(0, "stop"), DONE),
    ],
    ids=["tool", "choices", "logprobs"],
)
def test_a_stream_keeps_all_that_is_in_it(events: tuple[bytes, ...]):
    async def test() -> None:
        rooms = Rooms(stream(*events), cache=CacheRules())
        first, second = await rooms.serve(asked(2)), await rooms.serve(asked(2))
        new = f"chatcmpl-{rooms.records[1].id.replace('-', '')}".encode()
        assert second.body == first.body.replace(b"chatcmpl-1234", new)
        assert rooms.records[1].cache == "hit-exact"

    run(test)


def test_a_stream_is_screened_when_it_is_given_again():
    async def test() -> None:
        events = (event("an osp"), event("rey here"), event(), DONE)
        rooms = Rooms(stream(*events), rule("osprey", "redact", "response", mode="audit"), cache=CacheRules())
        await rooms.serve(asked())
        await rooms.serve(asked())
        # What a rule would have taken out is not kept, whether it was in force or not.
        assert [each.cache for each in rooms.records] == ["miss", "miss"]
        assert [len(each.guard_events) for each in rooms.records] == [1, 1]
        seen = Rooms(stream(*events), rule("osprey", "annotate", "response"), cache=CacheRules())
        await seen.serve(asked())
        await seen.serve(asked())
        assert [(each.cache, each.verdict) for each in seen.records] == [
            ("miss", "annotate"),
            ("hit-exact", "annotate"),
        ]

    run(test)
