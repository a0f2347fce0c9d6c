from __future__ import annotations

import orjson

from gateway.core.errors import Bug, ModelNotFound
from gateway.wire.triton.errors import error_body, error_event, stream_failure


def test_an_error_is_a_sentence() -> None:
    assert orjson.loads(error_body(ModelNotFound("No such model."), "e-1")) == {"error": "No such model."}
    assert error_event(ModelNotFound("No."), "e-1") == b'data: {"error":"No."}\n\n'


def test_a_fault_of_ours_tells_its_exchange_and_nothing_else() -> None:
    shown = orjson.loads(error_body(Bug("the secret of the house"), "e-1"))["error"]
    assert "secret" not in shown
    assert "e-1" in shown


def test_an_error_inside_a_stream_keeps_its_words() -> None:
    assert stream_failure("in ensemble 'x', out of memory").public_message == "in ensemble 'x', out of memory"
    assert stream_failure({"odd": 1}).public_message == "The server reported an error."
    assert stream_failure("x").status == 500
