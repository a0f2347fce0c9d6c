from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, Media, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.gemini.chat_turns_writer import UNSEALED, TurnsWriter

CALL = ToolCall(id="c-1", name="look", arguments='{"q":1}')


def written(*parts: Any, role: Any = "user", losses: Losses | None = None) -> list[dict[str, Any]]:
    writer = TurnsWriter(losses or Losses({}, "gemini"), seals=False)
    contents = writer.write((Turn(role=role, parts=parts),))
    return [part for content in contents for part in content["parts"]]


def test_sides_alternate_and_the_system_stands_beside_them() -> None:
    writer = TurnsWriter(Losses({}, "gemini"), seals=False)
    turns: list[tuple[Any, str]] = [
        ("system", "s"),
        ("user", "a"),
        ("user", "b"),
        ("assistant", "c"),
        ("developer", "d"),
        ("user", "e"),
    ]
    contents = writer.write(tuple(Turn(role=role, parts=(Text(text=text),)) for role, text in turns))
    assert [(each["role"], [part["text"] for part in each["parts"]]) for each in contents] == [
        ("user", ["a", "b"]),
        ("model", ["c"]),
        ("user", ["e"]),
    ]
    assert writer.system == [{"text": "s"}, {"text": "d"}]


def test_a_result_finds_the_name_of_its_tool() -> None:
    writer = TurnsWriter(Losses({}, "gemini"), seals=False)
    result = ToolResult(call_id="c-1", parts=(Text(text="a"), Text(text="b")))
    contents = writer.write((Turn(role="assistant", parts=(CALL,)), Turn(role="tool", parts=(result,))))
    assert contents[1] == {
        "role": "user",
        "parts": [{"functionResponse": {"id": "c-1", "name": "look", "response": {"result": "a\nb"}}}],
    }
    with pytest.raises(MalformedRequest, match="c-9"):
        written(ToolResult(call_id="c-9", parts=()))


def test_results_that_failed_are_json_or_hold_media() -> None:
    failed = ToolResult(call_id="", name="f", parts=(Text(text="no"),), is_error=True)
    document = ToolResult(call_id="", name="f", parts=(Text(text="1"),), document={"n": 1})
    shown = ToolResult(call_id="", name="f", parts=(Media(kind="image", media_type="image/png", data="aa"),))
    responses = [part["functionResponse"] for part in written(failed, document, shown)]
    assert responses == [
        {"name": "f", "response": {"error": "no"}},
        {"name": "f", "response": {"n": 1}},
        {"name": "f", "response": {"result": ""}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "aa"}}]},
    ]


def test_seals_stay_with_what_they_seal() -> None:
    parts = written(
        Reasoning(text="mull", signature="s-1", origin="gemini"),
        Text(text="a"),
        Reasoning(signature="s-2", origin="gemini"),
        Reasoning(signature="s-3", origin="gemini"),
        ToolCall(id="", name="f", arguments="{}", signature="s-4", origin="gemini"),
        role="assistant",
    )
    assert parts == [
        {"text": "mull", "thought": True, "thoughtSignature": "s-1"},
        {"text": "a", "thoughtSignature": "s-2"},
        {"text": "", "thoughtSignature": "s-3"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s-4"},
    ]


def test_only_the_first_of_parallel_calls_needs_a_seal() -> None:
    writer = TurnsWriter(Losses({}, "gemini"), seals=True)
    (content,) = writer.write((Turn(role="assistant", parts=(Text(text="a"), CALL, CALL)),))
    assert [part.get("thoughtSignature") for part in content["parts"]] == [None, UNSEALED, None]
    (content,) = writer.write(
        (Turn(role="assistant", parts=(ToolCall(id="", name="f", arguments="{}", signature="s", origin="gemini"),)),)
    )
    assert content["parts"][0]["thoughtSignature"] == "s"


@pytest.mark.parametrize(
    ("media", "parts"),
    [
        (Media(kind="image", data="aa"), [{"inlineData": {"mimeType": "image/png", "data": "aa"}}]),
        (
            Media(kind="document", data="aa", media_type="application/pdf", name="a.pdf", context="c"),
            [{"text": "c"}, {"inlineData": {"mimeType": "application/pdf", "data": "aa", "displayName": "a.pdf"}}],
        ),
        (
            Media(kind="image", url="https://a.example/x.JPG?y=1"),
            [{"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.example/x.JPG?y=1"}}],
        ),
        (Media(kind="image", url="https://a.example/x"), [{"fileData": {"fileUri": "https://a.example/x"}}]),
        (Media(kind="video", file_id="gs://b/v"), [{"fileData": {"fileUri": "gs://b/v"}}]),
        (Media(kind="document", text="words", name="n"), [{"text": "n\nwords"}]),
    ],
)
def test_media_are_written(media: Media, parts: list[dict[str, Any]]) -> None:
    assert written(media) == parts


def test_what_is_lost_is_named() -> None:
    losses = Losses({}, "gemini", "drop")
    parts = written(
        Text(text="a", cache=CacheMark()),
        Media(kind="image", url="https://a.example/x.png", detail="low", citations=True),
        Reasoning(text="foreign", origin="openai_chat"),
        Opaque(dialect="openai_chat", kind="annotations", document=[]),
        Media(kind="audio", data="aa"),
        Media(kind="document", file_id="file-1"),
        ToolCall(id="", name="f", arguments="free", custom=True, signature="s", origin="x"),
        losses=losses,
    )
    assert losses.fields == (
        "cache_control", "citations", "detail", "thinking", "annotations", "messages", "file_id", "tools",
    )  # fmt: skip
    assert [list(part) for part in parts] == [["text"], ["fileData"], ["functionCall"]]
    for part in (Media(kind="audio", data="aa"), Media(kind="image", file_id="file-1")):
        with pytest.raises(UnsupportedField):
            written(part)


def test_pieces_of_this_dialect_come_back_in_their_place() -> None:
    parts = written(
        Media(kind="video", media_type="video/mp4", url="https://v.example/a.mp4"),
        Opaque(dialect="gemini", kind="videoMetadata", document={"videoMetadata": {"fps": 1}}),
        Opaque(dialect="gemini", kind="executableCode", document={"executableCode": {"code": "1"}}),
        Refusal(text="no"),
        Text(text=""),
    )
    assert parts == [
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v.example/a.mp4"}, "videoMetadata": {"fps": 1}},
        {"executableCode": {"code": "1"}},
        {"text": "no"},
    ]
