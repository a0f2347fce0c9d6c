from __future__ import annotations

import pytest

from gateway.core.chat import Opaque
from gateway.core.chat_events import Argued, Began, Called, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Apart, Usage
from gateway.wire.openai_responses.chat_stream_reader import ResponseEventReader
from tests.support.response_streams import Stream, call, event, message, reasoning, response, streamed

OWN = "openai_responses"


def test_events_of_an_answer() -> None:
    search = {"type": "web_search_call", "id": "ws_1"}
    whole = response(reasoning("hm"), search, message("Hi", refusal="no"), call("f", "{}"))
    reader = ResponseEventReader()
    assert [*reader.feed(streamed(whole).data), *reader.finish()] == [
        Began(id="resp_0123456789abcdef", model="gpt-m-2026", created_s=1_700_000_000),
        Thought(choice=0, text="hm", block=0, summary=True, origin=OWN),
        Foreign(choice=0, piece=Opaque(dialect=OWN, kind="web_search_call", document=search)),
        Said(choice=0, text="Hi", block=1),
        Refused(choice=0, text="no"),
        Called(choice=0, call=0, id="call_0", name="f"),
        Argued(choice=0, call=0, arguments="{}"),
        Finished(choice=0, finish="tool_calls"),
        Ended(usage=Usage(300, 600, 100, 180, 120, apart=Apart(tool_calls=(("web_search", 1),)))),
    ]
    assert reader.feed(b"data: {}\n\n") == []


def test_a_call_in_one_piece_is_read_whole() -> None:
    stream = Stream()
    stream.begin(response())
    stream.add("response.output_item.done", output_index=0, item=call("f", '{"a":1}'))
    assert list(ResponseEventReader().feed(stream.data))[1:] == [
        Called(choice=0, call=0, id="call_0", name="f"),
        Argued(choice=0, call=0, arguments='{"a":1}'),
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (event({"type": "error", "message": "x", "code": "server_error"}), StreamFailed),
        (event({"type": "response.failed", "response": {"error": {"message": "x"}}}), StreamFailed),
        (event({"type": "response.created"}), InvalidAnswer),
        (event({"type": "response.function_call_arguments.delta", "delta": "x"}), InvalidAnswer),
        (b"data: nonsense\n\n", InvalidAnswer),
    ],
)
def test_what_is_no_such_stream(data: bytes, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        ResponseEventReader().feed(data)


def test_a_stream_that_was_cut_is_not_whole() -> None:
    reader = ResponseEventReader()
    reader.feed(b"".join(streamed(response(message("hi"))).events[:-1]))
    with pytest.raises(StreamBroken):
        reader.finish()
