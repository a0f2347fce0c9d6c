from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Citation, Opaque, Part, Reasoning, Text, ToolCall
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.usage import Usage
from gateway.wire.openai_responses.chat_answer import write_answer
from gateway.wire.openai_responses.chat_stream_writer import ResponseEventWriter
from gateway.wire.openai_responses.merge import assemble
from tests.support.response_streams import documents, numbers

ASKED = ChatRequest(dialect="openai_responses", model="m", turns=())
BEGAN = Began(id="a", model="m-1", created_s=5)


def written(*events: ChatEvent, finish: Any = "stop") -> bytes:
    writer = ResponseEventWriter(ASKED)
    told = [writer.write([BEGAN]), *[writer.write([each]) for each in events]]
    return b"".join([*told, writer.write([Finished(choice=0, finish=finish), Ended(usage=Usage(3, 0, 0, 2))])])


PIECES = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3)
BLOCKS = st.lists(st.tuples(st.sampled_from(["text", "thought", "call", "custom"]), PIECES), max_size=6)


@given(BLOCKS, st.sampled_from(["stop", "tool_calls", "length", "content_filter"]))
def test_a_stream_of_another_dialect_adds_up_to_the_whole_answer(
    blocks: list[tuple[str, list[str]]], finish: Any
) -> None:
    parts: list[Part] = []
    events: list[ChatEvent] = []
    calls = 0
    for block, (kind, pieces) in enumerate(blocks):
        text = "".join(pieces)
        if kind == "text":
            parts.append(Text(text=text))
            events += [Said(choice=0, text=piece, block=block) for piece in pieces]
        elif kind == "thought":
            parts.append(Reasoning(text=text, origin="anthropic_messages", signature="s"))
            events += [Thought(choice=0, text=piece, block=block, origin="anthropic_messages") for piece in pieces]
            events.append(Thought(choice=0, block=block, origin="anthropic_messages", signature="s"))
        else:
            custom = kind == "custom"
            parts.append(ToolCall(id=f"c{calls}", name="f", arguments=text, custom=custom))
            events.append(Called(choice=0, call=calls, id=f"c{calls}", name="f", custom=custom))
            events += [Argued(choice=0, call=calls, arguments=piece) for piece in pieces]
            calls += 1
    data = written(*events, finish=finish)
    answer = ChatAnswer(
        id="a", model="m-1", created_s=5, choices=(Choice(index=0, parts=tuple(parts), finish=finish),),
        usage=Usage(3, 0, 0, 2),
    )  # fmt: skip
    assert assemble([data]) == write_answer(answer, ASKED)
    assert numbers(data) == list(range(len(numbers(data))))


def test_calls_whose_arguments_come_in_turns() -> None:
    data = written(
        Called(choice=0, call=0, id="a", name="f"),
        Called(choice=0, call=1, id="b", name="g"),
        Argued(choice=0, call=0, arguments='{"x"'),
        Argued(choice=0, call=1, arguments="{}"),
        Argued(choice=0, call=0, arguments=":1}"),
        finish="tool_calls",
    )
    assert [item["arguments"] for item in assemble([data])["output"]] == ['{"x":1}', "{}"]


def test_refusals_citations_and_pieces_of_its_own() -> None:
    cited = Citation(kind="url", url="https://a", title="A")
    data = written(
        Said(choice=0, text="See "),
        Said(choice=0, text="there", citations=(cited,)),
        Refused(choice=0, text="no"),
        Foreign(choice=0, piece=Opaque(dialect="openai_responses", kind="x", document={"type": "x", "id": "x_1"})),
        Foreign(choice=0, piece=Opaque(dialect="gemini", kind="y", document={"type": "y"})),
        Thought(choice=0, encrypted="seal", summary=True, origin="openai_responses"),
    )
    output = documents(data)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "x", "reasoning"]
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 9}
    assert output[0]["content"][0]["annotations"] == [note]
    assert output[0]["content"][1] == {"type": "refusal", "refusal": "no"}
    assert output[2]["encrypted_content"] == "seal"
