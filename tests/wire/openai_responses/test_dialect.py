from __future__ import annotations

import orjson

from gateway.core.errors import RouteNotFound
from gateway.core.usage import Usage
from gateway.wire.openai_responses import DIALECT, STORED, dialect_of
from tests.support.incoming import incoming, json_incoming
from tests.support.response_streams import by_three, documents, message, response, streamed
from tests.support.streams import stream_request

WHOLE = response(message("Hello there."), instructions="be kind")


def test_a_request_is_read_and_its_texts_found() -> None:
    document = {"model": "m", "input": "hi"}
    assert DIALECT.parse(json_incoming("/v1/responses", document), document).model == "m"
    assert [segment.text for segment in DIALECT.segments(document)] == ["hi"]
    assert list(STORED.segments(None)) == []
    assert STORED.parse(incoming("GET", "/v1/responses/resp_1"), None).stored == "resp_1"


def test_an_answer_that_is_fetched_was_weighed_before() -> None:
    body = orjson.dumps(WHOLE)
    assert DIALECT.skim(body).usage == DIALECT.read_answer(WHOLE).usage == Usage(300, 600, 100, 180, 120)
    assert STORED.skim(body).usage is STORED.read_answer(WHOLE).usage is None
    assert STORED.skim(body).fetched == DIALECT.read_answer(WHOLE).usage
    assert STORED.stream_reader(stream_request(STORED, operation=""), None).facts.usage == Usage()


def test_text_of_an_answer_whole_or_streamed() -> None:
    data = streamed(WHOLE, by_three).data
    assert DIALECT.answer_text(WHOLE, []) == DIALECT.answer_text(None, [data]) == "Hello there."
    assert orjson.loads(DIALECT.stream_transcript([data])) == WHOLE
    assert documents(DIALECT.restream(WHOLE))[-1]["response"] == WHOLE


def test_errors_are_those_of_openai() -> None:
    assert orjson.loads(DIALECT.error_body(RouteNotFound("No."), "id"))["error"]["code"] == "not_found"
    assert documents(DIALECT.stream_error(RouteNotFound("No."), "id"))[0]["code"] == "not_found"


def test_which_paths_are_whose() -> None:
    assert dialect_of("/v1/responses/resp_1") is STORED
    assert dialect_of("/providers/p/responses") is DIALECT
    assert dialect_of("/v1/files") is None
