from __future__ import annotations

import orjson

from gateway.core.errors import Blocked
from gateway.core.ports import Dialect
from gateway.wire.anthropic_messages import DIALECT
from gateway.wire.anthropic_messages.screened import ScreenedReader
from gateway.wire.anthropic_messages.stream import PassReader
from tests.support.incoming import incoming
from tests.support.message_streams import call, client_events, message, text
from tests.support.streams import OpenScreen, stream_request
from tests.wire.anthropic_messages.test_answer import ANSWER
from tests.wire.anthropic_messages.test_request import FULL, HELLO


def test_it_is_a_dialect() -> None:
    dialect: Dialect = DIALECT
    body = orjson.dumps(HELLO)
    request = dialect.parse(incoming("POST", "/v1/messages", body=body), HELLO)
    assert dialect.name == request.dialect == "anthropic_messages"
    assert dialect.upstream_body(request, HELLO, "") is request.body
    assert len(list(dialect.segments(FULL))) > 10
    assert len(list(dialect.answer_segments(ANSWER))) == 5
    assert dialect.read_answer(ANSWER) == dialect.skim(orjson.dumps(ANSWER))
    assert dialect.strip_repeats(ANSWER, {("content", 1, "text")}) is ANSWER


def test_a_reader_for_who_is_guarded_and_who_is_not() -> None:
    request = stream_request(DIALECT)
    assert isinstance(DIALECT.stream_reader(request, None), PassReader)
    assert isinstance(DIALECT.stream_reader(request, OpenScreen()), ScreenedReader)


def test_what_was_written_whole_and_streamed() -> None:
    stream = message(text(0, "a b"), call(1, '{"q":1}'))
    assert DIALECT.answer_text(None, stream) == 'a b\nlook\n{"q":1}'
    assert DIALECT.answer_text(ANSWER, []).startswith("hmm\nIt is")
    assert orjson.loads(DIALECT.stream_transcript(stream))["stop_reason"] == "end_turn"
    assert client_events(DIALECT.restream(ANSWER))[-1] == {"type": "message_stop"}
    assert DIALECT.restream([]) == b""


def test_errors() -> None:
    body = orjson.loads(DIALECT.error_body(Blocked("r"), "x"))
    assert body["error"]["details"] == {"error_code": "policy_blocked"}
    assert client_events(DIALECT.stream_error(Blocked("r"), "x")) == [body]
