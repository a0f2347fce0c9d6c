from __future__ import annotations

import orjson

from gateway.core.segments import replace_leaves
from gateway.wire.openai_embeddings import DIALECT
from tests.support.incoming import incoming

# Spaces and an escape that no encoder of ours would write: whoever writes the body anew is found out.
BODY = b'{ "model": "alias",  "input": ["caf\\u00e9"], "x": 1.50 }'


def test_bytes_leave_as_they_came_where_nothing_must_change() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/embeddings", body=BODY), orjson.loads(BODY))
    assert DIALECT.upstream_body(request, request.document, "") is BODY
    assert DIALECT.upstream_body(request, request.document, "alias") is BODY


def test_another_model_name_is_all_that_changes() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/embeddings", body=BODY), orjson.loads(BODY))
    renamed = DIALECT.upstream_body(request, request.document, "text-embedding-3-small")
    assert renamed == BODY.replace(b"alias", b"text-embedding-3-small")
    assert request.document["model"] == "alias"


def test_an_edited_document_is_written_anew_with_the_name_the_provider_knows() -> None:
    request = DIALECT.parse(incoming("POST", "/v1/embeddings", body=BODY), orjson.loads(BODY))
    edited = replace_leaves(request.document, {("input", 0): "[REDACTED]"})
    sent = orjson.loads(DIALECT.upstream_body(request, edited, "e3"))
    assert sent == {"model": "e3", "input": ["[REDACTED]"], "x": 1.5}
    kept = orjson.loads(DIALECT.upstream_body(request, edited, ""))
    assert kept["model"] == "alias"


def test_segments_and_facts_come_from_the_folder() -> None:
    assert [s.text for s in DIALECT.segments({"model": "m", "input": "x"})] == ["x"]
    assert [s.text for s in DIALECT.answer_segments({"data": [], "why": "y"})] == ["why", "y"]
    assert DIALECT.read_answer({"model": "m"}).model_served == "m"
