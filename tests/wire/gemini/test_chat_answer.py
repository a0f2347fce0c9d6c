from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Media,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from gateway.core.errors import InvalidAnswer
from gateway.wire.gemini.chat_answer import answered_call, read_answer, write_answer
from tests.support.gemini_streams import MODEL, SIGNATURE, answer_of, candidate

ASKED = ChatRequest(dialect="gemini", model="m", turns=())
SHOWN = ChatRequest(dialect="gemini", model="m", turns=(), thinking=Thinking(visible=True))


def written(*parts: Any, asked: ChatRequest = SHOWN, **fields: Any) -> dict[str, Any]:
    answer = ChatAnswer(id="a", model="m", choices=(Choice(index=0, parts=parts, **fields),))
    return write_answer(answer, asked)["candidates"][0]


def test_an_answer_is_read() -> None:
    answer = read_answer(
        answer_of(
            {"text": "mull", "thought": True},
            {"text": "a"},
            {"text": "b", "thoughtSignature": SIGNATURE},
            {"functionCall": {"name": "f", "args": {}}},
        )
    )
    assert (answer.id, answer.model) == ("r-1", MODEL)
    assert answer.choices[0].parts == (
        Reasoning(text="mull", summary=True, origin="gemini"),
        Text(text="ab"),
        Reasoning(signature=SIGNATURE, origin="gemini"),
        ToolCall(id="", name="f", arguments="{}"),
    )
    assert answer.choices[0].finish == "tool_calls"
    assert answer.usage is not None


def test_a_prompt_that_was_not_taken_is_an_empty_answer() -> None:
    blocked = read_answer({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})
    assert blocked.choices == (Choice(index=0, parts=(), finish="content_filter"),)


@pytest.mark.parametrize("document", [None, [], {}, {"candidates": []}, {"candidates": ["a"]}, {"candidates": 3}])
def test_what_is_no_answer_is_refused(document: Any) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(document)


def test_where_a_text_is_from_and_how_likely_it_was() -> None:
    recited = {"citations": [{"startIndex": 0, "endIndex": 1, "uri": "https://a.example"}]}
    likely = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}
    found = candidate({"text": "a"}, finish="STOP")
    choice = read_answer({"candidates": [{**found, "citationMetadata": recited, "logprobsResult": likely}]}).choices[0]
    citation = Citation(kind="url", start=0, end=1, url="https://a.example")
    assert choice.parts == (Text(text="a", citations=(citation,)),)
    assert choice.logprobs == (TokenLogprob(token="a", logprob=-0.5),)
    back = written(*choice.parts, logprobs=choice.logprobs, finish="stop")
    assert (back["citationMetadata"], back["logprobsResult"]) == (recited, likely)


def test_an_answer_is_written() -> None:
    assert written(
        Reasoning(text="mull", signature="s", origin="gemini"),
        Text(text="a"),
        Reasoning(signature="t", origin="gemini"),
        Refusal(text="no"),
        ToolCall(id="c", name="f", arguments='{"q":1}'),
        Media(kind="image", media_type="image/png", data="aa"),
        Media(kind="audio", text="spoken"),
        Text(text=""),
        finish="length",
    ) == {
        "content": {
            "parts": [
                {"text": "mull", "thought": True, "thoughtSignature": "s"},
                {"text": "a", "thoughtSignature": "t"},
                {"text": "no"},
                {"functionCall": {"id": "c", "name": "f", "args": {"q": 1}}},
                {"inlineData": {"mimeType": "image/png", "data": "aa"}},
                {"text": "spoken"},
            ],
            "role": "model",
        },
        "finishReason": "MAX_TOKENS",
        "index": 0,
    }
    assert "content" not in written(finish="stop")


def test_thoughts_are_for_who_asked_for_them() -> None:
    thought = Reasoning(text="mull", signature="s", origin="anthropic_messages")
    assert written(thought, Text(text="a"), asked=ASKED)["content"]["parts"] == [{"text": "a"}]
    assert written(thought)["content"]["parts"] == [{"text": "mull", "thought": True}]
    sealed = Reasoning(text="mull", signature="s", origin="gemini")
    assert written(sealed, asked=ASKED)["content"]["parts"] == [{"text": "", "thoughtSignature": "s"}]


def test_a_call_that_a_model_has_spoiled_is_the_providers_fault() -> None:
    with pytest.raises(InvalidAnswer, match="'f'"):
        answered_call(ToolCall(id="", name="f", arguments='{"q":'))
