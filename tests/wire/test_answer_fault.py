from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.answer_fault import answer_fault
from tests.parity.speakers import SPEAKERS, told_with
from tests.support.provider_errors import BODIES, WORDS

DIALECTS = sorted(SPEAKERS)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["hello", '{"error":{"message":"quoted"}}', '"message": "x", "error": "y"'])
def test_an_answer_is_none_whatever_it_says(dialect: str, text: str) -> None:
    body = SPEAKERS[dialect].answer(told_with(text, "text"))
    assert answer_fault(dialect, body) is None
    assert answer_fault(dialect, b"\xef\xbb\xbf \n" + body) is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_is_told_in_the_providers_words(dialect: str) -> None:
    document = BODIES[dialect](503)
    for body in (orjson.dumps(document), orjson.dumps(document, option=orjson.OPT_INDENT_2)):
        fault = answer_fault(dialect, body)
        assert isinstance(fault, StreamFailed)
        assert fault.public_message == WORDS
        assert fault.status >= 500


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("body", [b"", b"  \n", b"<html>hello</html>", b"\xff\xfe", b"null", b"upstream connect error"])
def test_what_is_no_document_is_no_answer(dialect: str, body: bytes) -> None:
    assert isinstance(answer_fault(dialect, body), InvalidAnswer)


@pytest.mark.parametrize(
    ("dialect", "document", "status"),
    [
        ("openai_chat", {"error": {"message": WORDS, "code": 429}}, 429),
        ("openai_chat", {"error": {"message": WORDS, "code": "nope"}, "user_id": "u"}, 502),
        ("openai_chat", {"error": WORDS}, 502),
        ("openai_responses", {"error": {"message": WORDS, "code": "rate_limit_exceeded"}}, 429),
        ("anthropic_messages", {"type": "error", "error": {"type": "rate_limit_error", "message": WORDS}}, 429),
        ("gemini", [{"error": {"code": 429, "message": WORDS, "status": "RESOURCE_EXHAUSTED"}}], 429),
        ("bedrock_converse", {"__type": "com.amazon#ThrottlingException", "message": WORDS}, 429),
        ("bedrock_converse", {"Message": WORDS}, 502),
    ],
)
def test_its_status_is_what_it_stands_for(dialect: str, document: Any, status: int) -> None:
    fault = answer_fault(dialect, orjson.dumps(document))
    assert fault is not None
    assert (fault.status, fault.public_message) == (status, WORDS)


@pytest.mark.parametrize(
    ("dialect", "document"),
    [
        # The answer itself says that it came to nothing, as its dialect has it.
        (
            "openai_responses",
            {"status": "failed", "error": {"code": "server_error"}, "output": []},
        ),
        ("openai_responses", {"id": "resp_1", "error": None, "object": "response.deleted"}),
        ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}),
        ("openai_chat", {"error": {}, "choices": []}),
        ("openai_chat", {"error": ""}),
        ("bedrock_converse", {"message": ""}),
        ("triton", {"model_name": "m", "outputs": []}),
    ],
)
def test_what_only_looks_like_one_is_left_alone(dialect: str, document: Any) -> None:
    assert answer_fault(dialect, orjson.dumps(document)) is None


def test_what_looks_like_one_and_is_no_json_is_no_answer() -> None:
    assert isinstance(answer_fault("openai_chat", b'{"error": {"message": "half'), InvalidAnswer)


def test_events_under_another_name_and_dialects_without_a_form_are_left_alone() -> None:
    assert answer_fault("openai_chat", b'data: {"choices":[]}\n\n') is None
    assert answer_fault("passthrough", b"<html>") is None
