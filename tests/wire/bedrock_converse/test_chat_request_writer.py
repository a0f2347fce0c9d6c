from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, ChatRequest, Sampling, Text, Tool, ToolCall, ToolChoice, Turn
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.chat_request_writer import write_request

HELLO = (Turn(role="user", parts=(Text(text="Hello."),)),)
LOOK, TELL = Tool(name="look", cache=CacheMark()), Tool(name="tell", strict=True)


def written(model: str = "amazon.titan", policy: Any = "drop", **fields: Any) -> tuple[Any, tuple[str, ...]]:
    losses = Losses({}, "bedrock_converse", policy)
    chat = ChatRequest(dialect="openai_chat", model="m", **{"turns": HELLO, **fields})
    return write_request(chat, model, losses).document, losses.fields


def test_a_request_that_says_little_is_small() -> None:
    assert written() == ({"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}, ())


@pytest.mark.parametrize(
    ("choice", "offered", "said"),
    [
        (None, ["look", "tell"], None),
        (ToolChoice(), ["look", "tell"], {"auto": {}}),
        (ToolChoice(mode="required"), ["look", "tell"], {"any": {}}),
        (ToolChoice(mode="required", names=("tell",)), ["look", "tell"], {"tool": {"name": "tell"}}),
        (ToolChoice(names=("tell",)), ["tell"], {"auto": {}}),
        (ToolChoice(mode="none"), [], None),
    ],
)
def test_which_tools_may_be_used(choice: ToolChoice | None, offered: list[str], said: Any) -> None:
    document, dropped = written(tools=(LOOK, TELL), tool_choice=choice)
    config = document.get("toolConfig", {"tools": []})
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == offered
    assert config.get("toolChoice") == said
    assert dropped == (("cache",) if "look" in offered else ())


def test_tools_that_were_used_stay_offered() -> None:
    turns = (*HELLO, Turn(role="assistant", parts=(ToolCall(id="a", name="look", arguments="{}"),)))
    document, dropped = written(turns=turns, tools=(TELL,), tool_choice=ToolChoice(mode="none"))
    assert (len(document["toolConfig"]["tools"]), dropped) == (1, ("tool_choice",))


def test_marks_go_to_models_that_make_something_of_them() -> None:
    document, dropped = written("us.anthropic.claude-x", tools=(LOOK,))
    assert document["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert dropped == ()


def test_each_model_has_its_name_for_top_k() -> None:
    assert written(sampling=Sampling(top_k=5))[0]["additionalModelRequestFields"] == {"top_k": 5}
    nova, _ = written("amazon.nova-lite-v1:0", sampling=Sampling(top_k=5))
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}


def test_labels_are_carried_where_they_are_labels() -> None:
    assert written(metadata={"team": "a"})[0]["requestMetadata"] == {"team": "a"}
    for odd in ({"team": "ä"}, {"team": 1}, {"": "a"}, {str(n): "x" for n in range(17)}):
        assert written(metadata=odd)[1] == ("metadata",)
    assert written(service_tier="flex")[0]["serviceTier"] == {"type": "flex"}
    assert written(service_tier="auto", user="u", store=False)[1] == ("user", "service_tier", "store")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"sampling": Sampling(temperature=1.5)}, "temperature"),
        ({"sampling": Sampling(seed=7)}, "seed"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"choices": 2}, "choices"),
        ({"store": True}, "store"),
        ({"previous": "resp_1"}, "previous"),
        ({"modalities": ("audio",)}, "modalities"),
        ({"extras": {"odd": 1}}, "odd"),
        ({"tools": (Tool(name="x", custom=True),)}, "tools"),
        ({"tools": (TELL,), "parallel_tools": False}, "parallel_tools"),
    ],
)
def test_what_has_no_place_is_refused_or_named(fields: dict[str, Any], name: str) -> None:
    assert written(**fields)[1] == (name,)
    with pytest.raises(UnsupportedField) as refused:
        written(policy="reject", **fields)
    assert refused.value.param == name
