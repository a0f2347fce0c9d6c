from __future__ import annotations

import orjson

from gateway.core.errors import RateLimited, StreamBroken
from gateway.core.ports import Dialect
from gateway.wire.gemini import ARRAY, DIALECT
from gateway.wire.gemini.screen import ScreenedReader
from gateway.wire.gemini.stream import ArrayReader, PassReader
from tests.support.gemini_streams import answer_of, said
from tests.support.incoming import json_incoming
from tests.support.streams import OpenScreen, stream_request


def test_dialect_keeps_the_contract() -> None:
    for dialect in (DIALECT, ARRAY):
        kept: Dialect = dialect
        assert kept.name == "gemini"


def test_request_goes_through_unchanged() -> None:
    document = {"contents": [{"parts": [{"text": "hi"}]}]}
    request = DIALECT.parse(json_incoming("/v1beta/models/alias:generateContent", document), document)
    assert DIALECT.upstream_body(request, document, "real") is request.body
    assert [segment.text for segment in DIALECT.segments(document)] == ["hi"]


def test_whole_answer_is_read() -> None:
    whole = answer_of({"text": "a"})
    assert DIALECT.read_answer(whole) == DIALECT.skim(orjson.dumps(whole))
    assert DIALECT.skim(b"no json").usage is None
    assert [segment.text for segment in DIALECT.answer_segments(whole)] == ["a"]
    assert DIALECT.answer_text(whole, []) == "a"
    assert DIALECT.strip_repeats(whole, set()) is whole
    assert DIALECT.restream(whole).startswith(b"data: {")


def test_stream_is_read_by_the_reader_that_rules_and_client_call_for() -> None:
    request = stream_request(DIALECT)
    assert isinstance(DIALECT.stream_reader(request, None), PassReader)
    assert isinstance(DIALECT.stream_reader(request, OpenScreen()), ScreenedReader)
    array = ARRAY.stream_reader(request, OpenScreen())
    assert isinstance(array, ArrayReader)
    assert isinstance(array.inner, ScreenedReader)


def test_streamed_answer_is_put_together() -> None:
    kept = said("a ", "b")
    assert DIALECT.answer_text(None, kept) == "a b"
    assert orjson.loads(DIALECT.stream_transcript(kept))["candidates"][0]["content"]["parts"] == [{"text": "a b"}]


def test_errors_are_googles_whole_streamed_and_in_an_array() -> None:
    error = StreamBroken("It broke.")
    body = DIALECT.error_body(error, "x")
    assert DIALECT.stream_error(error, "x") == b"data: " + body + b"\n\n"
    assert ARRAY.stream_error(error, "x") == b",\n" + body + b"\n]"
    assert orjson.loads(ARRAY.error_body(RateLimited("Slow."), "x"))["error"]["code"] == 429
