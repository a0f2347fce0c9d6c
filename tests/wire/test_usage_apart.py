from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.usage import Apart
from gateway.wire import skim as chat
from gateway.wire.anthropic_messages import answer as messages
from gateway.wire.bedrock_converse.usage import read_usage
from gateway.wire.gemini.usage import as_metadata, gemini_usage
from gateway.wire.openai_answer import read_answer
from gateway.wire.openai_responses import answer as responses

CHAT: dict[str, Any] = {"usage": {"prompt_tokens": 10, "completion_tokens": 20}}
CLAUDE: dict[str, Any] = {"input_tokens": 10, "output_tokens": 20}


def test_chat_answers_tell_their_tier_and_images():
    images = {**CHAT["usage"], "completion_tokens_details": {"image_tokens": 15}}
    for told, apart in (
        (CHAT, None),
        ({**CHAT, "service_tier": "default"}, None),
        ({**CHAT, "service_tier": None}, None),
        ({**CHAT, "service_tier": 5}, None),
        ({**CHAT, "service_tier": "flex"}, Apart(service_tier="flex")),
        ({"usage": images, "service_tier": "priority"}, Apart(image_output_tokens=15, service_tier="priority")),
    ):
        read, skimmed = read_answer(told).usage, chat.skim(json.dumps(told).encode()).usage
        assert read == skimmed
        assert read is not None
        assert (read.apart, read.output_tokens) == (apart, 20)


def test_responses_count_what_is_billed_by_the_piece():
    output = [
        {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "action": {"type": "open_page", "url": "y"}},
        {"type": "web_search_call"},
        {"type": "file_search_call", "queries": []},
        {"type": "code_interpreter_call", "container_id": "c"},
        {"type": "code_interpreter_call", "container_id": "c"},
        {"type": "function_call", "name": "f"},
        {"type": "message", "content": []},
    ]
    told = {"usage": CLAUDE, "output": output, "service_tier": "flex"}
    read, skimmed = responses.read_answer(told).usage, responses.skim(json.dumps(told).encode()).usage
    assert read == skimmed
    assert read is not None
    assert read.apart == Apart(0, (("web_search", 2), ("file_search", 1), ("code_interpreter", 1)), "flex")


@pytest.mark.parametrize(
    ("more", "apart"),
    [
        ({"service_tier": "standard", "server_tool_use": None}, None),
        ({"server_tool_use": {"web_search_requests": 0}}, None),
        ({"server_tool_use": {"web_search_requests": 3}}, Apart(tool_calls=(("web_search", 3),))),
        ({"service_tier": "batch"}, Apart(service_tier="batch")),
    ],
)
def test_messages_tell_searches_and_tier(more: dict[str, Any], apart: Apart | None):
    told = {"usage": {**CLAUDE, **more}}
    read, skimmed = messages.read_answer(told).usage, messages.skim(json.dumps(told).encode()).usage
    assert read == skimmed
    assert read is not None
    assert read.apart == apart


def test_google_and_bedrock_tell_theirs():
    raw: dict[str, Any] = {"promptTokenCount": 5, "candidatesTokenCount": 9, "trafficType": "ON_DEMAND_FLEX"}
    drawn = gemini_usage({**raw, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 7}]})
    assert drawn is not None
    assert (drawn.output_text_tokens, drawn.output_tokens, drawn.apart) == (2, 9, Apart(7, (), "flex"))
    assert as_metadata(drawn)["candidatesTokenCount"] == 9
    plain = gemini_usage({**raw, "trafficType": "ON_DEMAND"})
    assert plain is not None
    assert plain.apart is None
    bedrock = read_usage({"inputTokens": 1, "outputTokens": 2}, {"type": "priority"})
    assert bedrock is not None
    assert bedrock.apart == Apart(service_tier="priority")
