from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import InvalidAnswer, RateLimited
from gateway.core.ports import Dialect
from gateway.wire import openai_embeddings, openai_models, passthrough
from tests.support.incoming import incoming, json_incoming

DIALECTS = [openai_embeddings.DIALECT, openai_models.DIALECT]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_stream_where_none_can_be_is_the_providers_fault(dialect: Dialect) -> None:
    request = dialect.parse(json_incoming("/v1/embeddings", {"model": "m", "input": "x"}), {"model": "m", "input": "x"})
    with pytest.raises(InvalidAnswer):
        dialect.stream_reader(request, None)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_nothing_was_written_and_nothing_repeats(dialect: Dialect) -> None:
    document = {"object": "list", "data": []}
    assert dialect.strip_repeats(document, {("data",)}) is document
    assert dialect.answer_text(document, []) == ""
    assert orjson.loads(dialect.stream_transcript([])) == {}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_errors_are_openais_whole_and_as_an_event(dialect: Dialect) -> None:
    body = dialect.error_body(RateLimited("Too many."), "id")
    assert orjson.loads(body)["error"]["code"] == "rate_limited"
    assert dialect.stream_error(RateLimited("Too many."), "id") == b"data: " + body + b"\n\n"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_there_is_no_stream_to_end(dialect: Dialect) -> None:
    reader = passthrough.DIALECT.stream_reader(passthrough.DIALECT.parse(incoming(), None), None)
    assert dialect.stream_block(reader) == b""


def test_models_need_no_document() -> None:
    assert openai_models.DIALECT.parse(incoming("GET", "/v1/models"), None).document is None
