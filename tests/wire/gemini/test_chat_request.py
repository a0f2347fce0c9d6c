from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import OutputFormat, Sampling, Thinking, ToolChoice
from gateway.core.errors import MalformedRequest
from gateway.wire.gemini.chat_request import read_request

PATH = "/v1beta/models/asked:generateContent"
HI = [{"parts": [{"text": "hi"}]}]


def read(**fields: Any) -> Any:
    return read_request({"contents": HI, **fields}, PATH)


def test_model_and_stream_are_in_the_path() -> None:
    asked = read_request({"contents": HI}, "/v1beta/models/asked:streamGenerateContent?alt=sse")
    assert (asked.model, asked.stream, read().stream) == ("asked", True, False)
    assert read_request({"contents": HI}, "/elsewhere").model == ""


def test_how_tokens_are_drawn_is_read_in_both_spellings() -> None:
    config = {"temperature": 0.5, "topP": 0.9, "top_k": 40.0, "max_output_tokens": 7, "stopSequences": ["a"], "seed": 3}
    assert read(generation_config=config).sampling == Sampling(
        temperature=0.5, top_p=0.9, top_k=40, max_tokens=7, stop=("a",), seed=3
    )


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, None),
        ({"responseMimeType": "text/plain"}, OutputFormat()),
        ({"responseMimeType": "application/json"}, OutputFormat(kind="json")),
        ({"responseSchema": {"type": "STRING"}}, OutputFormat(kind="schema", schema={"type": "string"})),
        ({"response_json_schema": {"type": "X"}}, OutputFormat(kind="schema", schema={"type": "X"})),
    ],
)
def test_the_form_of_the_answer_is_read(config: dict[str, Any], wanted: OutputFormat | None) -> None:
    assert read(generationConfig=config).format == wanted


def test_thinking_is_read() -> None:
    config = {"includeThoughts": True, "thinkingBudget": -1, "thinking_level": "LOW"}
    assert read(generationConfig={"thinkingConfig": config}).thinking == Thinking(
        effort="low", budget_tokens=-1, visible=True
    )
    assert (
        read(generationConfig={"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}).thinking
        == Thinking()
    )


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice(mode="required", names=("f",))),
        ({"mode": "NONE"}, ToolChoice(mode="none")),
        ({"mode": "VALIDATED", "allowed_function_names": ["f"]}, ToolChoice(names=("f",))),
        ({}, ToolChoice()),
    ],
)
def test_which_tools_may_be_called_is_read(calling: dict[str, Any], choice: ToolChoice) -> None:
    assert read(toolConfig={"functionCallingConfig": calling}).tool_choice == choice


def test_tools_of_the_providers_own_are_kept_as_they_are() -> None:
    declared = {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}
    tools = read(tools=[{"functionDeclarations": [declared], "googleSearch": {}}, {"url_context": {}}]).tools
    assert [(tool.name, tool.description, tool.schema) for tool in tools[:1]] == [("f", "d", {"type": "object"})]
    assert [tool.opaque.document for tool in tools[1:]] == [{"googleSearch": {}}, {"url_context": {}}]


def test_what_has_no_place_keeps_its_name() -> None:
    asked = read(
        safetySettings=[],
        cachedContent="c",
        generationConfig={"speechConfig": {}, "responseMimeType": "text/x.enum"},
        toolConfig={"retrievalConfig": {"languageCode": "de"}},
        labels={"a": "b"},
        serviceTier="unspecified",
        store=True,
    )
    assert asked.extras == {
        "safetySettings": [],
        "cachedContent": "c",
        "generationConfig.speechConfig": {},
        "generationConfig.responseMimeType": "text/x.enum",
        "toolConfig.retrievalConfig": {"languageCode": "de"},
    }
    assert (asked.metadata, asked.service_tier, asked.store) == ({"a": "b"}, "", True)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"generationConfig": 3}, "generationConfig"),
        ({"generationConfig": {"temperature": "hot"}}, "temperature"),
        ({"generationConfig": {"maxOutputTokens": 1.5}}, "maxOutputTokens"),
        ({"generationConfig": {"stopSequences": [3]}}, "generationConfig.stopSequences"),
        ({"generationConfig": {"responseLogprobs": 1}}, "responseLogprobs"),
        ({"generationConfig": {"thinkingConfig": []}}, "generationConfig.thinkingConfig"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig"),
        ({"labels": []}, "labels"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_its_name(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(**fields)
    assert refused.value.param == where
