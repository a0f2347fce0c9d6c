from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import Blocked, InvalidAnswer
from gateway.core.exchange import AnswerFacts
from gateway.core.ports import Dialect
from gateway.wire.anthropic_messages import COUNTING, DIALECT
from tests.support.incoming import incoming
from tests.support.message_streams import client_events
from tests.support.streams import stream_request
from tests.wire.anthropic_messages.test_request import FULL, HELLO


def test_a_request_says_what_a_message_says_and_makes_nothing() -> None:
    dialect: Dialect = COUNTING
    request = dialect.parse(incoming("POST", "/v1/messages/count_tokens", body=orjson.dumps(HELLO)), HELLO)
    assert (request.dialect, request.operation, request.route) == (
        "anthropic_count_tokens", "", "/v1/messages/count_tokens",
    )  # fmt: skip
    assert request.upstream_path == "/messages/count_tokens"
    assert list(dialect.segments(FULL)) == list(DIALECT.segments(FULL))
    assert dialect.upstream_body(request, HELLO, "") is request.body


def test_an_answer_is_a_number_that_nobody_pays() -> None:
    answer = {"input_tokens": 2_095, "context_management": {"original_input_tokens": 9}}
    assert list(COUNTING.answer_segments(answer)) == []
    assert [each.text for each in COUNTING.answer_segments({"x": "y"})] == ["x", "y"]
    assert COUNTING.read_answer(answer) == COUNTING.skim(orjson.dumps(answer)) == AnswerFacts()
    with pytest.raises(InvalidAnswer):
        COUNTING.stream_reader(stream_request(COUNTING), None)


def test_errors_are_anthropics() -> None:
    body = orjson.loads(COUNTING.error_body(Blocked("r"), "x"))
    assert body["type"] == "error"
    assert client_events(COUNTING.stream_error(Blocked("r"), "x")) == [body]
