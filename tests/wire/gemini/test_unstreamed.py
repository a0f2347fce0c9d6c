from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest, RateLimited
from gateway.core.ports import Dialect
from gateway.core.usage import Usage
from gateway.wire.gemini import COUNT, EMBED, dialect_of
from tests.support.incoming import incoming, json_incoming

BATCH = {
    "requests": [
        {"model": "models/alias", "content": {"parts": [{"text": "one"}]}, "taskType": "RETRIEVAL_QUERY"},
        {"model": "models/alias", "content": {"parts": [{"text": "two"}]}, "title": "T"},
    ]
}


def asked(method: str, document: Any) -> Any:
    return json_incoming(f"/v1beta/models/alias:{method}", document)


@pytest.mark.parametrize(
    ("method", "dialect"),
    [("countTokens", COUNT), ("embedContent", EMBED), ("batchEmbedContents", EMBED), ("predict", EMBED)],
)
def test_methods_have_their_dialects(method: str, dialect: Dialect) -> None:
    assert dialect_of(incoming(path=f"/v1beta/models/m:{method}")) is dialect
    request = dialect.parse(asked(method, {}), {})
    assert (request.model, request.dialect, request.stream) == ("alias", dialect.name, False)
    assert request.upstream_path == f"/models/{{model}}:{method}"


def test_texts_to_count_and_to_embed_are_seen() -> None:
    inner = {"contents": [{"role": "model", "parts": [{"text": "b"}]}], "systemInstruction": {"parts": [{"text": "c"}]}}
    count = {"contents": [{"parts": [{"text": "a"}]}], "generateContentRequest": {"model": "models/x", **inner}}
    seen = [(segment.role, segment.text) for segment in COUNT.segments(count)]
    assert seen == [("user", "a"), ("assistant", "b"), ("system", "c")]
    assert [segment.text for segment in EMBED.segments(BATCH)] == ["one", "two", "T"]
    predict = {"instances": [{"content": "three", "task_type": "CLUSTERING"}], "parameters": {"autoTruncate": True}}
    assert [segment.text for segment in EMBED.segments(predict) if segment.kind == "text"] == ["three"]
    assert [segment.text for segment in EMBED.segments({"content": {"parts": [{"text": "four"}]}})] == ["four"]


def test_each_member_of_a_batch_names_the_providers_model() -> None:
    request = EMBED.parse(asked("batchEmbedContents", BATCH), BATCH)
    sent = orjson.loads(EMBED.upstream_body(request, BATCH, "text-embedding-004"))
    assert [each["model"] for each in sent["requests"]] == ["models/text-embedding-004"] * 2
    assert EMBED.upstream_body(request, BATCH, "") is request.body


def test_vectors_are_not_walked_and_what_they_took_is_read() -> None:
    vectors = {"embeddings": [{"values": [0.1, 0.2]}], "usageMetadata": {"promptTokenCount": 7}}
    assert list(EMBED.answer_segments(vectors)) == []
    assert EMBED.read_answer(vectors).usage == Usage(input_fresh_tokens=7)
    predicted = {
        "predictions": [
            {"embeddings": {"values": [0.1], "statistics": {"token_count": n, "truncated": False}}} for n in (3, 4)
        ]
    }
    assert EMBED.skim(orjson.dumps(predicted)).usage == Usage(input_fresh_tokens=7)
    assert list(EMBED.answer_segments(predicted)) == []
    assert [segment.text for segment in EMBED.answer_segments({"note": "n"})] == ["note", "n"]
    assert EMBED.skim(b"no").usage is None


def test_a_count_is_an_answer_and_no_cost() -> None:
    answer = {"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]}
    assert COUNT.read_answer(answer).usage is None
    assert list(COUNT.answer_segments(answer)) == []
    assert COUNT.parse(asked("countTokens", {}), {}).operation == ""


def test_errors_are_googles() -> None:
    with pytest.raises(MalformedRequest):
        COUNT.parse(asked("countTokens", []), [])
    body = EMBED.error_body(RateLimited("Slow."), "x")
    assert orjson.loads(body)["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert EMBED.stream_error(RateLimited("Slow."), "x") == b"data: " + body + b"\n\n"
