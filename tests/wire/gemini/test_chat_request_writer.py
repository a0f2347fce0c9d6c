from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    ChatRequest,
    Opaque,
    OutputFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
)
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.gemini.chat_request_writer import write_request

HI = (Turn(role="user", parts=(Text(text="hi"),)),)
LOOK = Tool(name="look", description="d", schema={"type": "object"})


def asked(dialect: str = "openai_chat", **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="alias", turns=fields.pop("turns", HI), **fields)


def written(model: str = "gemini-2.5-pro", losses: Losses | None = None, **fields: Any) -> Any:
    return write_request(asked(**fields), model, losses or Losses({}, "gemini")).document


def test_the_model_and_the_method_are_in_the_path() -> None:
    assert write_request(asked(), "a/b", Losses({}, "gemini")).path == "/models/a%2Fb:generateContent"
    assert write_request(asked(), "", Losses({}, "gemini")).path == "/models/alias:generateContent"
    streamed = write_request(asked(stream=True), "m", Losses({}, "gemini"))
    assert streamed.path == "/models/m:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice(), {"mode": "AUTO"}),
        (ToolChoice(mode="none", names=("look",)), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="required", names=("look",)), {"mode": "ANY", "allowedFunctionNames": ["look"]}),
        (ToolChoice(names=("look",)), {"mode": "VALIDATED", "allowedFunctionNames": ["look"]}),
    ],
)
def test_tools_and_which_may_be_called(choice: ToolChoice, config: dict[str, Any]) -> None:
    document = written(tools=(LOOK,), tool_choice=choice)
    assert document["tools"] == [
        {"functionDeclarations": [{"name": "look", "description": "d", "parametersJsonSchema": {"type": "object"}}]}
    ]
    assert document["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in written(tool_choice=choice)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (Tool(name="x", custom=True),)},
        {"tools": (Tool(opaque=Opaque(dialect="openai_responses", kind="web_search", document={})),)},
        {"tools": (LOOK,), "parallel_tools": False},
        {"sampling": Sampling(min_p=0.1)},
        {"sampling": Sampling(logit_bias={"1": 1.0})},
        {"sampling": Sampling(stop=("a", "b", "c", "d", "e", "f"))},
        {"previous": "resp_1"},
        {"extras": {"web_search_options": {}}},
    ],
)
def test_what_has_no_place_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedField):
        written(**fields)
    losses = Losses({}, "gemini", "drop")
    written(losses=losses, **fields)
    assert len(losses.fields) == 1


def test_labels_are_left_out_and_named() -> None:
    losses = Losses({}, "gemini")
    document = written(
        losses=losses,
        user="u",
        metadata={"a": "b"},
        store=True,
        service_tier="auto",
        extras={"prompt_cache_key": "k"},
    )
    assert losses.fields == ("metadata", "store", "user", "service_tier", "prompt_cache_key")
    assert document.keys() == {"contents"}


def test_what_came_in_this_dialect_goes_on_in_it() -> None:
    extras = {"cachedContent": "c", "generationConfig.speechConfig": {"x": 1}, "toolConfig.retrievalConfig": {"y": 2}}
    document = written(dialect="gemini", extras=extras, metadata={"a": "b"}, store=False, service_tier="flex")
    assert document["generationConfig"] == {"speechConfig": {"x": 1}}
    assert (document["cachedContent"], document["toolConfig"]) == ("c", {"retrievalConfig": {"y": 2}})
    assert (document["labels"], document["store"], document["serviceTier"]) == ({"a": "b"}, False, "flex")


@pytest.mark.parametrize(
    ("model", "thinking", "config"),
    [
        ("gemini-2.5-pro", Thinking(effort="high"), {"thinkingBudget": 24_576}),
        ("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}),
        ("gemini-3-pro-preview", Thinking(effort="high"), {"thinkingLevel": "HIGH"}),
        ("gemini-3.1-flash", Thinking(effort="max"), {"thinkingLevel": "HIGH"}),
        ("gemini-3-pro", Thinking(budget_tokens=-1, effort="low"), {"thinkingBudget": -1}),
        ("gemini-2.5-pro", Thinking(visible=True, summary="auto"), {"includeThoughts": True}),
    ],
)
def test_how_much_to_think_is_said_as_the_model_takes_it(model: str, thinking: Thinking, config: Any) -> None:
    assert written(model, thinking=thinking)["generationConfig"]["thinkingConfig"] == config


def test_models_that_want_seals_get_a_mark_where_another_model_made_the_call() -> None:
    turns = (*HI, Turn(role="assistant", parts=(ToolCall(id="c", name="f", arguments="{}"),)))
    assert "thoughtSignature" in written("gemini-3-pro", turns=turns)["contents"][1]["parts"][0]
    assert "thoughtSignature" not in written("gemini-2.5-pro", turns=turns)["contents"][1]["parts"][0]
    assert "thoughtSignature" not in written("gemini-3-pro", dialect="gemini", turns=turns)["contents"][1]["parts"][0]


def test_the_form_of_the_answer() -> None:
    schema = OutputFormat(kind="schema", name="n", schema={"type": "object"}, strict=True)
    assert written(format=schema)["generationConfig"] == {
        "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}
    }  # fmt: skip
    assert written(format=OutputFormat())["generationConfig"] == {"responseMimeType": "text/plain"}
    assert written(modalities=("text", "audio"))["generationConfig"] == {"responseModalities": ["TEXT", "AUDIO"]}
