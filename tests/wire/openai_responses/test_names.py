from __future__ import annotations

from typing import Any

import orjson

from gateway.core.exchange import Request
from gateway.wire.openai_responses import DIALECT
from gateway.wire.openai_responses.names import sealed, sealed_event
from tests.support.response_streams import by_three, documents, message, response, streamed
from tests.support.streams import ToyScreen, relay, single_bytes, stream_request


def request(**more: Any) -> Request:
    return stream_request(DIALECT, seal=lambda name: name + ".seal", **more)


def test_an_answer_goes_out_under_its_sealed_name() -> None:
    whole = response(message('call it "resp_0123456789abcdef"'), previous_response_id="resp_before")
    for body in (orjson.dumps(whole), orjson.dumps(whole, option=orjson.OPT_INDENT_2)):
        left = orjson.loads(sealed(body, request()))
        assert left == {
            **whole,
            "id": "resp_0123456789abcdef.seal",
            "previous_response_id": "resp_before.seal",
        }
        again = orjson.loads(sealed(body, request(stored="what I wrote", kept="resp_before")))
        assert again["previous_response_id"] == "what I wrote"


def test_what_names_no_answer_passes() -> None:
    for body in (b"", b"[]", b"not json", b'{"object":"list","id":"resp_1"}', b'{"id":7,"object":"response"}'):
        assert sealed(body, request()) == body
    whole = orjson.dumps(response())
    assert sealed(whole, stream_request(DIALECT)) == whole
    odd = b'{"object":"response","id":"a b"}'
    assert sealed(odd, request()) == odd


def test_a_stream_names_its_answer_sealed_and_nothing_else_changes() -> None:
    data = streamed(response(message("hello you")), by_three).data
    expected = data.replace(b'"resp_0123456789abcdef"', b'"resp_0123456789abcdef.seal"')
    for screen in (None, ToyScreen()):
        outcome = relay(DIALECT, request(), screen, single_bytes(data))
        assert outcome.client == expected
    assert documents(outcome.client)[-1]["response"]["id"].endswith(".seal")


def test_an_event_that_cannot_be_read_stays() -> None:
    raw = b'data: {"response":{"id":1}}\n\n'
    assert sealed_event(raw, raw[6:], request()) == raw
    assert sealed_event(raw, b'{"type":"x"}', request()) == raw
