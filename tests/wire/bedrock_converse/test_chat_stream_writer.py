from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Citation, Opaque
from gateway.core.chat_events import Argued, Began, Called, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.chat_stream_writer import ConverseEventWriter
from gateway.wire.bedrock_converse.merge import assemble
from tests.support.bedrock_streams import ASKED, client_events

BEGAN, STOPPED, ENDED = Began(id="x", model="m"), Finished(choice=0, finish="stop"), Ended(usage=Usage(3, 0, 0, 4))


def written(*events: Any) -> bytes:
    writer = ConverseEventWriter(ASKED)
    return b"".join(writer.write([event]) for event in events)


def content(*events: Any) -> Any:
    return assemble([written(BEGAN, *events, STOPPED, ENDED)])["output"]["message"]["content"]


def test_words_become_a_block() -> None:
    names = [name for name, _ in client_events(written(BEGAN, Said(choice=0, text='é"'), STOPPED, ENDED))]
    assert names == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert content(Said(choice=0, text="a"), Said(choice=0, text="b"), Said(choice=1, text="no")) == [{"text": "ab"}]
    assert content(Said(choice=0, text="a", block=1), Said(choice=0, text="b", block=2)) == [
        {"text": "a"},
        {"text": "b"},
    ]


def test_the_tier_stands_beside_the_usage() -> None:
    events = client_events(
        written(Began(id="", model="", service_tier="priority"), Finished(choice=0, finish="stop"), Ended())
    )
    assert any(each == {"type": "priority"} for each in (body.get("serviceTier") for _, body in events))


def test_thoughts_keep_their_seal_where_it_is_one() -> None:
    own = {"choice": 0, "origin": "anthropic_messages"}
    sealed = [Thought(text="a", **own), Thought(signature="s", **own), Thought(encrypted="x", block=1, **own)]
    assert content(*sealed) == [
        {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "x"}},
    ]
    foreign = Thought(choice=0, text="a", signature="s", encrypted="x", origin="gemini")
    assert content(foreign) == [{"reasoningContent": {"reasoningText": {"text": "a"}}}]


def test_calls_that_come_interleaved_stay_open_until_they_are_whole() -> None:
    events = [
        Called(choice=0, call=0, id="", name="look"),
        Argued(choice=0, call=0, arguments='{"a":'),
        Called(choice=0, call=1, id="b", name="tell", custom=True),
        Argued(choice=0, call=1, arguments="ls"),
        Argued(choice=0, call=0, arguments="1}"),
    ]
    assert content(*events) == [
        {"toolUse": {"toolUseId": "call_0", "name": "look", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "b", "name": "tell", "input": {"input": "ls"}}},
    ]
    data = written(BEGAN, *events, STOPPED, ENDED)
    assert ("messageStop", {"stopReason": "tool_use"}) in client_events(data)


def test_a_call_that_was_cut_is_half_of_one_and_any_other_is_an_error() -> None:
    half = [Called(choice=0, call=0, id="a", name="n"), Argued(choice=0, call=0, arguments='{"a":')]
    assert written(BEGAN, *half, Finished(choice=0, finish="length"), ENDED)
    with pytest.raises(InvalidAnswer, match="'n'"):
        written(BEGAN, *half, STOPPED)
    with pytest.raises(InvalidAnswer):
        written(BEGAN, Argued(choice=0, call=3, arguments="x"))
    assert written(Argued(choice=0, call=3, arguments=" ")) == b""


def test_what_else_there_is() -> None:
    web = Said(choice=0, text="", citations=(Citation(kind="url", url="https://x.example"),))
    assert "citationsContent" in content(Said(choice=0, text="a"), web)[0]
    piece = Opaque(dialect="bedrock_converse", kind="image", document={"image": {}})
    assert content(Foreign(choice=0, piece=piece)) == [{"image": {}}]
    refused = client_events(written(BEGAN, Refused(choice=0, text="No."), STOPPED, ENDED))
    assert ("messageStop", {"stopReason": "content_filtered"}) in refused
    stopped = Finished(choice=0, finish="stop_sequence", stop_sequence="END")
    last = dict(client_events(written(BEGAN, stopped, Ended())))
    assert last["messageStop"]["additionalModelResponseFields"] == {"stop_sequence": "END"}
    assert last["metadata"]["usage"]["totalTokens"] == 0
    assert client_events(written(Said(choice=0, text="a")))[0][0] == "messageStart"
