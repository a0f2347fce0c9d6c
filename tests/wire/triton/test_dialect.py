from __future__ import annotations

import orjson

from gateway.core.errors import ModelNotFound
from gateway.wire.triton import DIALECT
from tests.support.incoming import json_incoming

ANSWER = {"model_name": "m", "model_version": "1", "text_output": "hello", "output_log_probs": [-0.1]}


def test_the_pieces_are_one_dialect() -> None:
    document = {"text_input": "hi", "max_tokens": 3}
    request = DIALECT.parse(json_incoming("/v2/models/m/generate", document), document)
    assert DIALECT.upstream_body(request, document, "other") == request.body
    assert [segment.text for segment in DIALECT.segments(document)] == ["hi"]
    assert [segment.text for segment in DIALECT.answer_segments(ANSWER)] == ["hello"]
    assert DIALECT.read_answer(ANSWER).model_served == "m"
    assert DIALECT.skim(orjson.dumps(ANSWER)).model_served == "m"
    assert DIALECT.skim(b"no json").model_served == ""
    assert DIALECT.answer_text(ANSWER, []) == "hello"
    assert "output_log_probs" not in DIALECT.strip_repeats(ANSWER, {("text_output",)})


def test_a_whole_answer_is_a_stream_of_one_event() -> None:
    data = DIALECT.restream(ANSWER)
    assert orjson.loads(DIALECT.stream_transcript([data])) == ANSWER


def test_errors_have_the_form_of_the_dialect() -> None:
    assert DIALECT.error_body(ModelNotFound("no"), "e") == b'{"error":"no"}'
    assert DIALECT.stream_error(ModelNotFound("no"), "e") == b'data: {"error":"no"}\n\n'
