from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.core.exchange import Request
from gateway.wire.openai_screen import (
    MAX_CHANNELS,
    Channels,
    Home,
    ScreenedReader,
    screen_unknown,
    without_logprobs,
)
from gateway.wire.openai_stream import DONE, write_event
from tests.support.streams import OpenScreen, ToyScreen, client_chunks

HOME = Home(("text",), {})


def test_home_builds_a_delta_around_a_text() -> None:
    assert HOME.hold("x") == {"text": "x"}
    assert HOME.name == "text"
    deep = Home(("content", 0, "text"), {"content": [{"type": "text", "text": ""}]})
    assert deep.hold("x") == {"content": [{"type": "text", "text": "x"}]}
    assert deep.shape["content"][0]["text"] == ""
    assert deep.name == ""


def test_channel_holds_back_and_gives_the_rest_at_its_end() -> None:
    channels = Channels(ToyScreen())
    assert channels.feed((0, "text"), "a SEC", HOME) == "a "
    assert channels.feed((1, "text"), "b", HOME) == "b"
    assert channels.touched == {0}
    assert channels.finish(0) == [(HOME, "SEC")]
    assert channels.finish(1) == []


def test_channel_that_goes_on_after_its_end_is_a_new_one() -> None:
    screen = ToyScreen()
    channels = Channels(screen)
    for _ in range(3):
        channels.feed((0, "text"), "x", HOME)
        channels.finish(0)
    assert screen.ended == {(0, "text"), (0, "text/1"), (0, "text/2")}


def test_whole_text_is_fed_and_finished_at_once() -> None:
    screen = ToyScreen()
    channels = Channels(screen)
    assert channels.once((0, "tool_argument/0"), "SECRET SE") == "[X] SE"
    assert screen.ended == {(0, "tool_argument/0")}
    assert channels.once((0, "tool_argument/0"), "") == ""


def test_clean_leaves_are_looked_at_once_and_other_kinds_every_time() -> None:
    screen = ToyScreen()
    channels = Channels(screen)
    for _ in range(3):
        channels.once((0, "leaf"), "safe")
    assert sorted(screen.given.values()) == ["safe"]
    for _ in range(3):
        assert channels.once((0, "leaf"), "SECRET") == "[X]"
        channels.once((0, "tool_name/0"), "safe")
    assert sorted(screen.given.values()) == ["SECRET"] * 3 + ["safe"] * 4


def test_leaves_are_edited_in_a_copy_names_included() -> None:
    channels = Channels(ToyScreen())
    value = {"a": ["SECRET", {"SECRET": 1}], "b": 2}
    assert channels.leaves(0, value) == {"a": ["[X]", {"[X]": 1}], "b": 2}
    assert value == {"a": ["SECRET", {"SECRET": 1}], "b": 2}
    clean = {"a": "b"}
    assert channels.leaves(0, clean) is clean


def test_channels_are_bounded() -> None:
    channels = Channels(OpenScreen())
    for number in range(MAX_CHANNELS):
        channels.feed((0, f"other/{number}"), "x", HOME)
    with pytest.raises(InvalidAnswer):
        channels.feed((0, "other/one-too-many"), "x", HOME)


def test_unknown_fields_are_screened_and_known_ones_left_alone() -> None:
    channels = Channels(ToyScreen())
    assert screen_unknown({"id": "SECRET", "x": "SECRET"}, frozenset({"id"}), 0, channels) == {
        "id": "SECRET",
        "x": "[X]",
    }
    holder = {"id": "SECRET", "x": "fine"}
    assert screen_unknown(holder, frozenset({"id"}), 0, channels) is holder


@pytest.mark.parametrize(
    ("logprobs", "text", "shown"),
    [
        ({"content": [{"token": "ab"}]}, "ab", True),
        ({"content": [{"token": "a"}], "refusal": [{"token": "b"}]}, "ab", True),
        ({"tokens": ["a", "b"]}, "ab", True),
        ({"tokens": ["a", "b"]}, "a", False),
        ({"content": [{"token": "?", "bytes": [97]}]}, "a", True),
        ({"content": [{"token": "?", "bytes": [300]}]}, "a", False),
        ({"content": 5}, "a", False),
        (["a"], "a", False),
    ],
)
def test_logprobs_are_shown_when_they_spell_the_text_and_nothing_else(logprobs: Any, text: str, shown: bool) -> None:
    channels = Channels(OpenScreen())
    choice = {"index": 0, "logprobs": logprobs}
    assert without_logprobs(choice, 0, text, channels)["logprobs"] == (logprobs if shown else None)
    channels.touched.add(0)
    assert without_logprobs(choice, 0, text, channels)["logprobs"] is None


class UpperChoices:
    """Choices whose text is shown in upper case, but for those that say nothing."""

    def take(self, choice: dict[str, Any], extra: list[dict[str, Any]], *, ended: bool) -> dict[str, Any] | None:
        if ended:
            extra.append({"index": 0, "text": "before"})
        text = choice["text"]
        return choice if text.isupper() else {**choice, "text": text.upper()} if text else None

    def finish(self, index: int) -> list[dict[str, Any]]:
        return [{"index": index, "text": "rest"}]


def test_reader_sends_what_the_choices_make_of_a_chunk() -> None:
    request = Request(dialect="x", operation="", route="", upstream_path="", stream=True)
    reader = ScreenedReader(request, Channels(OpenScreen()), UpperChoices())

    def event(*texts: str, **more: Any) -> bytes:
        return write_event({"id": "c", "choices": [{"index": 0, "text": text} for text in texts], **more})

    assert reader.feed(event("A")) == event("A")
    assert reader.feed(event("a", "")) == event("A")
    assert reader.feed(event("")) == b""
    assert reader.feed(event("", citations=["x"])) == event(citations=["x"])
    assert reader.feed(event("a", usage={"prompt_tokens": 1})) == event("A")
    ended = write_event({"id": "c", "choices": [{"index": 0, "text": "A", "finish_reason": "stop"}]})
    assert [item["choices"][0]["text"] for item in client_chunks(reader.feed(ended))] == ["before", "A"]
    assert reader.finish() == write_event({"id": "c", "choices": [{"index": 0, "text": "rest"}]}) + DONE


def test_choice_without_a_proper_index_is_refused() -> None:
    request = Request(dialect="x", operation="", route="", upstream_path="", stream=True)
    reader = ScreenedReader(request, Channels(OpenScreen()), UpperChoices())
    with pytest.raises(InvalidAnswer):
        reader.feed(write_event({"choices": [{"index": "SECRET", "text": "A"}]}))
