from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest, Thinking
from gateway.core.exchange import ContinueRule
from gateway.wire.further import added, further, joint_of, prefilled, way_of
from gateway.wire.joint import Continuing, Repeating
from gateway.wire.select import select
from tests.support.cut_streams import NATIVE, asking

SAID = "Once upon a time "


@pytest.mark.parametrize("dialect", NATIVE)
def test_the_request_for_the_rest_is_one_of_its_dialect(dialect: str):
    incoming = asking(dialect)
    known, request = select(incoming)
    for way in ("prefill", "instruct"):
        document = further(request.document, dialect, SAID, way, 0)
        again = known.parse(incoming, document)
        texts = [segment.text for segment in known.segments(again.document)]
        assert any(SAID.strip() in text for text in texts)
        # What was asked stays what it was.
        assert texts[0].startswith("Tell me a story.")
    assert request.document == select(incoming)[1].document


@pytest.mark.parametrize("dialect", NATIVE)
def test_those_who_judge_see_what_is_added_and_nothing_else(dialect: str):
    known, _ = select(asking(dialect))
    texts = [segment.text for segment in known.segments(added(dialect, SAID, "instruct"))]
    assert all(SAID.strip() in text for text in texts)
    assert texts


@pytest.mark.parametrize(
    ("dialect", "document", "lowered"),
    [
        ("openai_chat", {"messages": [], "max_completion_tokens": 50}, {"max_completion_tokens": 40}),
        ("openai_chat", {"messages": [], "max_tokens": 5}, {"max_tokens": 1}),
        ("anthropic_messages", {"messages": [], "max_tokens": 50}, {"max_tokens": 40}),
        ("openai_responses", {"input": [], "max_output_tokens": 50}, {"max_output_tokens": 40}),
        (
            "gemini",
            {"contents": [], "generationConfig": {"maxOutputTokens": 50, "topK": 1}},
            {"generationConfig": {"maxOutputTokens": 40, "topK": 1}},
        ),
        (
            "bedrock_converse",
            {"messages": [], "inferenceConfig": {"maxTokens": 50}},
            {"inferenceConfig": {"maxTokens": 40}},
        ),
        ("triton", {"text_input": "x", "max_tokens": 50}, {"max_tokens": 40}),
        ("openai_chat", {"messages": [], "max_tokens": None}, {"max_tokens": None}),
    ],
)
def test_limits_are_lowered_by_what_there_is(dialect: str, document: dict[str, Any], lowered: dict[str, Any]):
    written = further(document, dialect, SAID, "prefill", 10)
    assert {name: written[name] for name in lowered} == lowered


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("claude-3-opus-20240229", True),
        ("claude-3-5-haiku-latest", True),
        ("claude-2.1", True),
        ("claude-instant-1.2", True),
        ("claude-opus-4-20250514", True),
        ("claude-opus-4-1", True),
        ("claude-sonnet-4-5-20250929", True),
        ("claude-sonnet-4-5@20250929", True),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("anthropic.claude-v2:1", True),
        ("claude-opus-4-6", False),
        ("anthropic.claude-opus-4-6-v1:0", False),
        ("claude-sonnet-4-6-20260101", False),
        ("claude-opus-5", False),
        ("claude-opus-5-5", False),
        ("claude-opus-4-10", False),
        ("amazon.nova-pro-v1:0", False),
    ],
)
def test_it_is_known_which_models_take_a_beginning(model: str, takes: bool):
    assert (way_of(ContinueRule(), "openai_chat", "anthropic_messages", model, None) == "prefill") == takes


def test_who_thinks_takes_no_beginning():
    chat = ChatRequest(dialect="openai_chat", model="m", turns=(), thinking=Thinking(budget_tokens=1024))
    assert way_of(ContinueRule(), "openai_chat", "anthropic_messages", "claude-3-opus", chat) == "instruct"


def test_prompts_simply_end_where_the_answer_does():
    assert way_of(ContinueRule(by="instruct"), "openai_completions", "openai_completions", "m", None) == "prompt"
    assert further({"prompt": "Tell. "}, "openai_completions", SAID, "prompt", 0) == {"prompt": "Tell. " + SAID}
    assert joint_of(SAID, "prompt").feed(" x") == " x"


def test_texts_are_joined_as_they_were_asked_for():
    assert isinstance(joint_of(SAID, "instruct"), Repeating)
    assert isinstance(joint_of(SAID, "prefill"), Continuing)
    assert joint_of(SAID, "prefill").feed(" there") == "there"


def test_a_server_is_told_that_the_last_message_stays_open():
    assert prefilled({"a": 1}) == {"a": 1, "add_generation_prompt": False, "continue_final_message": True}


def test_a_text_as_input_becomes_a_turn():
    written = further({"input": "Hi"}, "openai_responses", "Yes", "prefill", 0)
    assert written["input"][0] == {"role": "user", "content": "Hi"}
