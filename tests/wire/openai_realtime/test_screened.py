"""The law of streams for sessions: whatever is cut where, what the client has is a prefix of the redacted whole."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Blocked, InvalidAnswer
from gateway.wire.openai_realtime.screened import MAX_RUNNING, ScreenedEvents
from tests.support.streams import MASK, SECRET, ToyScreen, redact

AT = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
STEMS = ["response.output_text", "response.text", "response.output_audio_transcript", "response.audio_transcript"]
PIECES = st.lists(
    st.sampled_from(["a", SECRET, SECRET[:3], SECRET[3:], SECRET[:1], " and ", "é"]), min_size=1, max_size=12
)


class Watched:
    """A screened session, and the screens that it used."""

    def __init__(self, **options: Any) -> None:
        self.screens: list[ToyScreen] = []
        self.done: list[Any] = []
        self._options = options
        self.events = ScreenedEvents(self._fresh, self.done.append)

    def _fresh(self) -> Any:
        self.screens.append(ToyScreen(**self._options))
        return self.screens[-1]

    def take(self, **event: Any) -> list[dict[str, Any]]:
        return self.events.take(event, len(orjson.dumps(event)))


def answer(stem: str, pieces: list[str]) -> list[dict[str, Any]]:
    said = "".join(pieces)
    name = "transcript" if "transcript" in stem else "text"
    item = {"id": "item_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", name: said}]}
    return [
        {"type": "response.created", "response": {"id": "resp_1", "output": []}},
        *({"type": f"{stem}.delta", "delta": piece, **AT} for piece in pieces),
        {"type": f"{stem}.done", name: said, **AT},
        {"type": "response.content_part.done", "part": {"type": "output_text", name: said}, **AT},
        {"type": "response.output_item.done", "item": item, "response_id": "resp_1", "output_index": 0},
        {"type": "conversation.item.done", "item": item},
        {"type": "response.done", "response": {"id": "resp_1", "output": [item]}},
    ]


@given(st.sampled_from(STEMS), PIECES)
def test_deltas_and_every_repeat_say_the_same(stem: str, pieces: list[str]) -> None:
    watched = Watched()
    said, shown = redact("".join(pieces)), ""
    for event in answer(stem, pieces):
        for left in watched.take(**event):
            if left["type"] == f"{stem}.delta":
                shown += left["delta"]
                assert said.startswith(shown)
                assert SECRET not in shown
            else:
                assert SECRET not in orjson.dumps(left).decode()
            if left["type"] == f"{stem}.done":
                assert shown == said == left.get("text", left.get("transcript"))
    last = watched.events
    last.close()
    assert len(watched.done) == 2


@given(PIECES)
def test_arguments_leave_whole(pieces: list[str]) -> None:
    watched = Watched()
    said = "".join(pieces)
    stem = "response.function_call_arguments"
    item = {"id": "item_1", "type": "function_call", "name": "weather", "call_id": "call_1", "arguments": said}
    watched.take(type="response.output_item.added", item={**item, "arguments": ""}, response_id="resp_1")
    assert not [left for piece in pieces for left in watched.take(type=f"{stem}.delta", delta=piece, **AT)]
    delta, done = watched.take(type=f"{stem}.done", arguments=said, **AT)
    assert delta["delta"] == done["arguments"] == redact(said)
    assert {channel[-1] for channel in watched.screens[0].given if channel[1].startswith("tool_argument")} == {
        "weather"
    }
    (whole,) = watched.take(type="response.output_item.done", item=item, response_id="resp_1")
    assert whole["item"]["arguments"] == redact(said)


def test_what_no_rule_changes_is_the_same_object() -> None:
    watched = Watched()
    for event in answer(STEMS[0], ["hello ", "world"]):
        (left,) = watched.events.take(event, 10)
        assert left is event


@pytest.mark.parametrize(
    "kind",
    ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.done"],
)
def test_what_was_held_back_leaves_before_whatever_ends_it(kind: str) -> None:
    watched = Watched()
    held = SECRET[:3]
    assert watched.take(type="response.output_text.delta", delta=f"x{held}", **AT)[0]["delta"] == "x"
    event = {"item": {"id": "item_1"}, "response": {"id": "resp_1", "output": []}, "part": {"text": f"x{held}"}}
    delta, ended = watched.take(type=kind, **AT, **event)
    assert (delta["type"], delta["delta"], ended["type"]) == ("response.output_text.delta", held, kind)


def test_speech_that_was_written_down_is_looked_at_too() -> None:
    watched = Watched()
    stem = "conversation.item.input_audio_transcription"
    place = {"item_id": "item_1", "content_index": 0}
    assert watched.take(type=f"{stem}.delta", delta=SECRET[:3], **place) == []
    (left,) = watched.take(type=f"{stem}.delta", delta=SECRET[3:] + "!", logprobs=[{"token": SECRET}], **place)
    assert left["delta"] == MASK + "!"
    assert "logprobs" not in left
    (done,) = watched.take(type=f"{stem}.completed", transcript=SECRET + "!", usage={"type": "tokens"}, **place)
    assert done["transcript"] == MASK + "!"


def test_an_unknown_event_is_looked_at_leaf_by_leaf() -> None:
    watched = Watched()
    (left,) = watched.take(type="response.new_thing", below=[{"x": f"a {SECRET}"}])
    assert left["below"] == [{"x": f"a {MASK}"}]
    (beside,) = watched.take(type="response.output_text.delta", delta="hi", beside=SECRET, **AT)
    assert (beside["delta"], beside["beside"]) == ("hi", MASK)


def test_sound_passes_and_words_in_its_place_do_not() -> None:
    watched = Watched()
    sound = "A" * 400
    assert watched.take(type="response.output_audio.delta", delta=sound, **AT)[0]["delta"] == sound
    assert watched.take(type="response.output_audio.delta", delta=f"{SECRET} x", **AT)[0]["delta"] == f"{MASK} x"


def test_a_rule_ends_the_session() -> None:
    watched = Watched(stop_word="stop")
    watched.take(type="response.output_text.delta", delta="st", **AT)
    with pytest.raises(Blocked):
        watched.take(type="response.output_text.delta", delta="op", **AT)


def test_what_is_remembered_is_bounded() -> None:
    watched = Watched()
    for number in range(MAX_RUNNING):
        watched.take(type="response.output_text.delta", delta="x", **{**AT, "item_id": f"item_{number}"})
    with pytest.raises(InvalidAnswer):
        watched.take(type="response.output_text.delta", delta="x", **{**AT, "item_id": "one more"})


def test_answers_side_by_side_are_texts_of_their_own() -> None:
    watched = Watched()
    other = {**AT, "response_id": "resp_2", "item_id": "item_2"}
    watched.take(type="response.output_text.delta", delta=SECRET[:3], **AT)
    watched.take(type="response.output_text.delta", delta=SECRET[:4], **other)
    delta, _ = watched.take(type="response.done", response={"id": "resp_1", "output": []})
    assert delta["delta"] == SECRET[:3]
    assert watched.take(type="response.output_text.delta", delta=SECRET[4:], **other)[0]["delta"] == MASK
    assert not watched.done
    watched.take(type="response.done", response={"id": "resp_2", "output": []})
    assert len(watched.done) == 1
