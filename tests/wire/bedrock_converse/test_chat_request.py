from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, OutputFormat, Thinking, ToolChoice
from gateway.core.errors import MalformedRequest
from gateway.wire.bedrock_converse.chat_request import read_request
from tests.support.bedrock_script import WEATHER

PATH = "/model/a.b-v1%3A0/converse-stream?x=y"


def read(**document: Any) -> Any:
    return read_request({"messages": [], **document}, PATH)


def test_the_path_says_which_model_and_how() -> None:
    chat = read()
    assert (chat.model, chat.stream, chat.dialect) == ("a.b-v1:0", True, "bedrock_converse")
    assert not read_request({}, "/model/m/converse").stream
    assert read_request({}, "").model == ""


def test_what_stands_beside_the_messages() -> None:
    chat = read(
        inferenceConfig={"maxTokens": 7, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]},
        additionalModelRequestFields={"top_k": 5, "reasoning_effort": "low", "other": 1},
        toolConfig={"tools": [WEATHER, {"cachePoint": {"type": "default"}}], "toolChoice": {"any": {}}},
        requestMetadata={"a": "b"},
        serviceTier={"type": "flex"},
        guardrailConfig={"guardrailIdentifier": "x"},
    )
    sampling = chat.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (7, 0.5, 1, 5)
    assert sampling.stop == ("x",)
    assert chat.thinking == Thinking(effort="low")
    assert chat.tools[0].cache == CacheMark()
    assert chat.tool_choice == ToolChoice(mode="required")
    assert (chat.metadata, chat.service_tier) == ({"a": "b"}, "flex")
    assert chat.extras == {
        "guardrailConfig": {"guardrailIdentifier": "x"},
        "additionalModelRequestFields": {"other": 1},
    }


@pytest.mark.parametrize(
    ("more", "thinking"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, Thinking(budget_tokens=9)),
        ({"thinking": {"type": "disabled"}}, Thinking(budget_tokens=0)),
        ({"thinking": {"type": "adaptive"}}, Thinking(budget_tokens=-1)),
        ({"thinking": {"type": "new"}}, None),
        ({"thinking": "x"}, None),
        ({}, None),
    ],
)
def test_how_much_to_think(more: Any, thinking: Thinking | None) -> None:
    chat = read(additionalModelRequestFields=more)
    assert chat.thinking == thinking
    assert ("additionalModelRequestFields" in chat.extras) == (thinking is None and bool(more))


def test_the_form_of_the_answer_is_json_in_a_string() -> None:
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}}}
    assert read(outputConfig={"textFormat": form}).format == OutputFormat(
        kind="schema", name="n", schema={"type": "object"}, strict=True
    )


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
        ({"system": [{"cachePoint": {}}]}, "system"),
        ({"toolConfig": {"tools": [1]}}, "toolConfig.tools[0]"),
        ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec.name"),
        ({"toolConfig": {"toolChoice": {"x": {}}}}, "toolConfig.toolChoice"),
        ({"toolConfig": {"toolChoice": {"tool": {}}}}, "toolConfig.toolChoice.tool.name"),
        ({"inferenceConfig": {"maxTokens": "7"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"topP": "7"}}, "inferenceConfig.topP"),
        ({"inferenceConfig": {"stopSequences": [1]}}, "inferenceConfig.stopSequences"),
        ({"outputConfig": {"effort": "huge"}}, "outputConfig.effort"),
        ({"outputConfig": {"textFormat": 1}}, "outputConfig.textFormat"),
        ({"additionalModelRequestFields": {"thinking": {"type": "enabled"}}},
         "additionalModelRequestFields.thinking.budget_tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(document: Any, param: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(**document)
    assert refused.value.param == param
    with pytest.raises(MalformedRequest):
        read_request([], PATH)
