from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given

from gateway.core.chat import ChatRequest, Citation, Opaque
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.chat_stream_reader import MessageEventReader
from gateway.wire.anthropic_messages.chat_stream_writer import MessageEventWriter
from gateway.wire.anthropic_messages.merge import assemble
from gateway.wire.anthropic_messages.stream import plain_deltas
from tests.support.message_streams import MadeUp, client_events, client_texts, made_up_messages

ASKED = ChatRequest(dialect="anthropic_messages", model="asked", turns=())
BEGAN = Began(id="x", model="m")
END: tuple[ChatEvent, ...] = (Finished(choice=0, finish="stop"), Ended(usage=Usage(1, 2, 3, 4, 5)))


def write(*events: ChatEvent, end: Sequence[ChatEvent] = END) -> bytes:
    return MessageEventWriter(ASKED).write([BEGAN, *events, *end])


def message(*events: ChatEvent, end: Sequence[ChatEvent] = END) -> dict[str, Any]:
    return assemble([write(*events, end=end)])


def calls(*pieces: tuple[int, str]) -> list[ChatEvent]:
    return [Argued(choice=0, call=number, arguments=text) for number, text in pieces]


def called(number: int, **more: Any) -> Called:
    return Called(choice=0, call=number, id=f"call_{number}", name="t", **more)


def test_an_answer_of_others() -> None:
    got = message(
        Thought(choice=0, text="h", signature="s", origin="gemini"),
        Thought(choice=0, text="m"),
        Said(choice=0, text="so "),
        Said(choice=0, text="it is"),
        called(0),
        *calls((0, '{"a"'), (0, ":1}")),
        called(1),
        end=(Finished(choice=0, finish="tool_calls"), Ended(usage=Usage(1, 2, 3, 4, 5))),
    )
    assert got["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "so it is", "citations": None},
        {"type": "tool_use", "id": "call_0", "name": "t", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_1", "name": "t", "input": {}},
    ]
    assert (got["id"], got["model"], got["stop_reason"]) == ("x", "m", "tool_use")
    assert got["usage"]["cache_read_input_tokens"] == 2
    assert got["usage"]["output_tokens"] == 9


def test_blocks_follow_one_another() -> None:
    data = write(Said(choice=0, text="a"), called(0), *calls((0, "{}")), called(1), *calls((1, "{}")))
    kinds = [(each["type"], each.get("index")) for each in client_events(data)]
    assert kinds[1:-2] == [
        ("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0),
        ("content_block_start", 1), ("content_block_delta", 1), ("content_block_stop", 1),
        ("content_block_start", 2), ("content_block_delta", 2), ("content_block_stop", 2),
    ]  # fmt: skip


def test_calls_that_come_interleaved() -> None:
    got = message(called(0), *calls((0, '{"a":')), called(1), *calls((1, '{"b":'), (0, "1}"), (1, "2}")))
    assert [block["input"] for block in got["content"]] == [{"a": 1}, {"b": 2}]


def test_text_is_written_as_the_quick_reader_likes_it() -> None:
    data = MessageEventWriter(ASKED).write([BEGAN, Said(choice=0, text="a")])
    more = data.split(b"\n\n")[-2] + b"\n\n"
    assert plain_deltas(more) == 1
    assert client_texts(data) == {(0, "text"): "a"}


def test_only_the_first_choice_is_the_message() -> None:
    got = message(Said(choice=0, text="a"), Said(choice=1, text="b"), Thought(choice=1, text="c"))
    assert [block.get("text") for block in got["content"]] == ["a"]


def test_what_has_no_block_of_its_own() -> None:
    own = Opaque(dialect="anthropic_messages", kind="x", document={"type": "x"})
    got = message(
        Refused(choice=0, text="no"),
        Foreign(choice=0, piece=own),
        Foreign(choice=0, piece=Opaque(dialect="gemini", kind="x", document={})),
        Thought(choice=0, encrypted="e", origin="anthropic_messages"),
        Thought(choice=0, encrypted="e", origin="openai_responses"),
        Said(choice=0, text="", citations=(Citation(kind="url", url="u"),)),
    )
    assert [block["type"] for block in got["content"]] == ["text", "x", "redacted_thinking", "text"]
    assert got["content"][3]["citations"][0]["url"] == "u"
    assert got["stop_reason"] == "refusal"


def test_free_text_for_a_tool_is_wrapped() -> None:
    got = message(called(0, custom=True), *calls((0, "say "), (0, '"hi"')))
    assert got["content"][0]["input"] == {"input": 'say "hi"'}


def test_arguments_that_are_no_object() -> None:
    broken = (called(0), *calls((0, "[1")))
    with pytest.raises(InvalidAnswer, match="'t'"):
        write(*broken, Said(choice=0, text="x"))
    with pytest.raises(InvalidAnswer):
        write(called(0), *calls((0, "{}")), called(1), *calls((0, "x")))
    cut = (Finished(choice=0, finish="length"), Ended())
    assert message(*broken, end=cut)["stop_reason"] == "max_tokens"


def test_stop_sequences_and_answers_without_an_end() -> None:
    stopped = (Finished(choice=0, finish="stop_sequence", stop_sequence="E"), Ended())
    assert message(end=stopped)["stop_sequence"] == "E"
    assert message(end=(Ended(),))["stop_reason"] == "end_turn"
    assert client_events(MessageEventWriter(ASKED).write([Said(choice=0, text="a")]))[0]["message"]["model"] == "asked"


@given(made_up_messages())
def test_what_is_read_and_written_is_the_same_message(stream: MadeUp) -> None:
    reader, writer = MessageEventReader(), MessageEventWriter(ASKED)
    try:
        out = b"".join([*(writer.write(reader.feed(each)) for each in stream.events), writer.write(reader.finish())])
    except InvalidAnswer:
        # Made up calls may have arguments that are none.
        assert any(not isinstance(block.get("input", {}), dict) for block in assemble(stream.events)["content"])
        return
    said = [block for block in assemble(stream.events)["content"] if block.get("text", block.get("thinking", "x"))]
    written = assemble([out])["content"]
    assert [{**block, "citations": None} for block in written] == [{**block, "citations": None} for block in said]
