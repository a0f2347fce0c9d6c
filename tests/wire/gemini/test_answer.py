from __future__ import annotations

from typing import Any

import pytest

from gateway.core.exchange import AnswerFacts
from gateway.wire.gemini.answer import answer_segments, read_answer, strip_repeats, written_text
from gateway.wire.gemini.usage import gemini_usage
from tests.support.gemini_streams import MODEL, SIGNATURE, USAGE, answer_of, candidate

IMAGE = "iVBORw0KGgo" * 30


def test_every_text_of_an_answer_is_seen_and_nothing_else() -> None:
    document = answer_of(
        {"text": "mull", "thought": True},
        {"text": "hi", "thoughtSignature": SIGNATURE},
        {"functionCall": {"name": "look", "args": {"q": "x"}}},
        {"inlineData": {"mimeType": "image/png", "data": IMAGE}},
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    )
    document["candidates"][0] |= {
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW", "probabilityScore": 0.1}],
        "citationMetadata": {"citations": [{"uri": "https://a.example"}]},
        "groundingMetadata": {"groundingSupports": [{"segment": {"text": "hi"}}]},
        "logprobsResult": {"chosenCandidates": [{"token": "hi"}]},
        "finishMessage": "done",
    }
    seen = [(s.kind, s.text) for s in answer_segments(document) if s.kind != "json_key"]
    assert seen == [
        ("reasoning", "mull"),
        ("text", "hi"),
        ("tool_name", "look"),
        ("tool_argument", '{"q":"x"}'),
        ("text", "1+1"),
        ("text", "2"),
        ("leaf", "https://a.example"),
        ("leaf", "hi"),
        ("refusal", "done"),
    ]
    assert {s.role for s in answer_segments(document)} == {"assistant"}
    assert written_text(answer_of({"text": "a"}, {"text": "b"})) == "a\nb"


def test_facts_are_read() -> None:
    assert read_answer(answer_of({"text": "a"})) == AnswerFacts(
        model_served=MODEL, finish_reason="STOP", usage=gemini_usage(USAGE)
    )
    two = {"candidates": [candidate(finish="STOP"), candidate(index=1, finish="SAFETY")]}
    assert read_answer(two).finish_reason == "STOP,SAFETY"
    assert read_answer({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}).finish_reason == "PROHIBITED_CONTENT"


@pytest.mark.parametrize("odd", [None, [], "a", {"candidates": 3}, {"candidates": [3], "modelVersion": 1}])
def test_odd_documents_say_nothing(odd: Any) -> None:
    assert read_answer(odd) == AnswerFacts()


def test_an_edited_candidate_loses_what_spells_it_out() -> None:
    logged: dict[str, Any] = {"logprobsResult": {"chosenCandidates": [{"token": "a"}]}}
    document = {"candidates": [candidate({"text": "a"}, **logged), candidate({"text": "b"}, index=1, **logged)]}
    stripped = strip_repeats(document, {("candidates", 1, "content", "parts", 0, "text")})
    assert stripped["candidates"][0] is document["candidates"][0]
    assert "logprobsResult" not in stripped["candidates"][1]
    assert strip_repeats(document, {("modelVersion",)}) is document
    assert strip_repeats([], {("candidates", 0)}) == []
