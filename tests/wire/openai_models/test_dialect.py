from __future__ import annotations

from gateway.core.exchange import AnswerFacts
from gateway.wire.openai_models import DIALECT
from tests.support.incoming import incoming


def test_no_text_goes_in_and_none_that_a_model_wrote_comes_out() -> None:
    request = DIALECT.parse(incoming("GET", "/v1/models", body=b"ignored"), None)
    assert request.dialect == DIALECT.name
    assert DIALECT.upstream_body(request, None, "other") == b""
    assert list(DIALECT.segments(None)) == []
    assert list(DIALECT.answer_segments({"object": "list", "data": [{"id": "m"}]})) == []
    assert DIALECT.read_answer({"object": "list"}) == AnswerFacts()
