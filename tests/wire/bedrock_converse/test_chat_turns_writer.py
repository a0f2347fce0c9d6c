from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    CacheMark,
    Citation,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.chat_turns_writer import TurnsWriter

CLAUDE, LLAMA = "us.anthropic.claude-x", "meta.llama3"


def written(*turns: Turn, model: str = CLAUDE) -> tuple[TurnsWriter, tuple[str, ...]]:
    losses = Losses({}, "bedrock_converse", "drop")
    writer = TurnsWriter(model, losses, own=False)
    writer.write(turns)
    return writer, losses.fields


def block(part: Any, model: str = CLAUDE, role: Any = "user") -> tuple[Any, tuple[str, ...]]:
    writer, lost = written(Turn(role=role, parts=(part,)), model=model)
    return (writer.messages[0]["content"][0] if writer.messages else None), lost


def test_turns_take_turns_and_results_come_first() -> None:
    writer, _ = written(
        Turn(role="system", parts=(Text(text="s", cache=CacheMark(ttl="1h")),)),
        Turn(role="user", parts=(Text(text="a"),)),
        Turn(role="assistant", parts=(ToolCall(id="", name="look", arguments='{"a":1}'),)),
        Turn(role="user", parts=(Text(text="b"),)),
        Turn(role="tool", parts=(ToolResult(call_id="", name="look", parts=(Text(text="r"),), cache=CacheMark()),)),
        Turn(role="developer", parts=(Text(text="d"),)),
    )
    assert writer.system == [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "d"}]
    assert [message["role"] for message in writer.messages] == ["user", "assistant", "user"]
    assert writer.messages[1]["content"] == [{"toolUse": {"toolUseId": "call_0", "name": "look", "input": {"a": 1}}}]
    assert writer.messages[2]["content"] == [
        {"toolResult": {"toolUseId": "call_0", "content": [{"text": "r"}]}},
        {"cachePoint": {"type": "default"}},
        {"text": "b"},
    ]


def test_seals_go_to_models_that_know_them() -> None:
    thought = Reasoning(text="a", signature="s", origin="anthropic_messages")
    assert block(thought)[0] == {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}}
    hidden = Reasoning(encrypted="x", origin="anthropic_messages")
    assert block(hidden, role="assistant")[0] == {"reasoningContent": {"redactedContent": "x"}}
    for part, model in ((thought, LLAMA), (Reasoning(text="a", signature="s", origin="gemini"), CLAUDE)):
        assert block(part, model) == (None, ("thinking",))


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (Media(kind="image", data="eA=="), {"image": {"format": "png", "source": {"bytes": "eA=="}}}),
        (
            Media(kind="image", media_type="image/jpeg", url="s3://b/k"),
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        ),
        (
            Media(kind="document", text="w", name="a/b?.txt", context="c", citations=True),
            {
                "document": {
                    "format": "txt", "source": {"text": "w"}, "name": "a-b-txt", "context": "c",
                    "citations": {"enabled": True},
                }
            },
        ),
        (
            Media(kind="document", media_type="text/x-log", data="aGk="),
            {"document": {"format": "txt", "source": {"text": "hi"}, "name": "document"}},
        ),
        (
            Media(kind="audio", media_type="audio/wav", data="eA=="),
            {"audio": {"format": "wav", "source": {"bytes": "eA=="}}},
        ),
    ],
)  # fmt: skip
def test_media(media: Media, expected: Any) -> None:
    assert block(media) == (expected, ())


@pytest.mark.parametrize(
    ("media", "lost"),
    [
        (Media(kind="image", url="https://x.example"), "turns"),
        (Media(kind="image", file_id="file_1"), "file_id"),
        (Media(kind="image", media_type="image/tiff", data="eA=="), "turns"),
    ],
)
def test_media_that_have_no_place(media: Media, lost: str) -> None:
    assert block(media) == (None, (lost,))
    with pytest.raises(UnsupportedField):
        TurnsWriter(CLAUDE, Losses({}, "x"), own=False).write((Turn(role="user", parts=(media,)),))


def test_documents_have_names_of_their_own() -> None:
    one = Media(kind="document", text="w", name="n")
    writer, _ = written(Turn(role="user", parts=(one, one, one)))
    assert len({each["document"]["name"] for each in writer.messages[0]["content"]}) == 3


def test_what_says_nothing_or_is_somebody_elses_is_left_out() -> None:
    assert block(Text(text=" ")) == (None, ())
    assert block(Opaque(dialect="gemini", kind="executableCode", document={})) == (None, ("executableCode",))
    cited = Text(text="a", citations=(Citation(kind="url", url="u"),))
    assert block(cited) == ({"text": "a"}, ("citations",))
    assert block(Refusal(text="No."), role="assistant")[0] == {"text": "No."}
    assert block(Text(text="a", cache=CacheMark()), LLAMA)[1] == ("cache",)


def test_ids_and_arguments_are_what_amazon_takes() -> None:
    call = ToolCall(id="call|1 " + "x" * 80, name="n", arguments="")
    assert block(call, role="assistant")[0]["toolUse"]["toolUseId"] == ("call_1_" + "x" * 80)[:64]
    free = ToolCall(id="a", name="n", arguments="ls", custom=True)
    assert block(free, role="assistant")[0]["toolUse"]["input"] == {"input": "ls"}
    with pytest.raises(MalformedRequest, match="'a'"):
        block(ToolCall(id="a", name="n", arguments="[]"))
    bad = Media(kind="document", media_type="text/x-log", data="?")
    with pytest.raises(MalformedRequest):
        block(bad)
