"""Server events under response guards: text leaves as far as the screen has released it, repeats likewise.

- Deltas of text and transcripts go on piece by piece; those of a tool's arguments are held until they are whole and
  leave as one.
- Before an event that says a text is done, what was held back of it leaves in one more delta.
- Every event that says a text again says it as it was released.

Answers run side by side; when none runs, what is remembered of their texts is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.errors import InvalidAnswer
from gateway.core.ports import StreamVerdicts
from gateway.core.segments import Segment
from gateway.wire.openai_realtime.events import SOUND_OUT, is_sound, kind_of, server_segments
from gateway.wire.repeated_texts import Running, Texts
from gateway.wire.shapes import is_integer, is_object, is_text

# What a delta's text is, and whether it is held until it is whole, by what it is a delta of; both spellings.
_RUNNING: dict[str, tuple[str, bool]] = {
    "response.output_text": ("text", False),
    "response.text": ("text", False),
    "response.output_audio_transcript": ("text", False),
    "response.audio_transcript": ("text", False),
    "response.function_call_arguments": ("tool_argument", True),
    "response.mcp_call_arguments": ("tool_argument", True),
    "conversation.item.input_audio_transcription": ("text", False),
}
_ENDS = {
    "conversation.item.input_audio_transcription.completed": "conversation.item.input_audio_transcription",
    "conversation.item.input_audio_transcription.failed": "conversation.item.input_audio_transcription",
}
_DONE = "response.done"
_OF_ANSWERS = "response."
MAX_RUNNING = 1_024
# Characters after which what was said is forgotten even while something runs on: nothing is said again so late.
MAX_REMEMBERED_CHARS = 4_194_304

Place = tuple[str, str, int]


class ScreenedEvents:
    """Screens the events of one session.

    Args:
        fresh: Gives a new screen.
        done: Takes one that has seen all that it will see, for its verdicts.
    """

    __slots__ = ("_done", "_fresh", "_names", "_running", "_screen", "_seen", "_texts")

    def __init__(self, fresh: Callable[[], StreamVerdicts], done: Callable[[StreamVerdicts], None]) -> None:
        self._fresh = fresh
        self._done = done
        self._screen = fresh()
        self._texts = Texts(self._screen)
        self._running: dict[Place, Running] = {}
        # The tool that an item calls.
        self._names: dict[str, str] = {}
        self._seen = 0

    def take(self, event: dict[str, Any], size: int) -> list[dict[str, Any]]:
        """Take an event, and give those that the client may have; the same object where nothing was changed.

        Args:
            event: Not changed.
            size: Of the message it came in.

        Raises:
            Blocked: A rule ends the session.
            InvalidAnswer: There is more to remember than is remembered.
        """
        self._seen += size
        kind = kind_of(event)
        if kind.endswith(".delta"):
            return self._delta(kind.removesuffix(".delta"), event)
        self._note_name(event)
        out = [delta for place in self._ending(kind, event) for delta in self._finish(place)]
        out.append(self._whole(event))
        if not self._running and (kind == _DONE or self._seen > MAX_REMEMBERED_CHARS):
            self._renew()
        return out

    def close(self) -> None:
        """The session is over: what was said of it is said."""
        self._done(self._screen)

    def _renew(self) -> None:
        self._done(self._screen)
        self._screen = self._fresh()
        self._texts = Texts(self._screen)
        self._names.clear()
        self._seen = 0

    def _delta(self, stem: str, event: dict[str, Any]) -> list[dict[str, Any]]:
        delta = event.get("delta")
        if f"{stem}.delta" in SOUND_OUT and is_sound(delta):
            return [self._around(event)]
        if not is_text(delta):
            return [self._whole(event)]
        meant, held = _RUNNING.get(stem, (f"leaf/{stem}", False))
        place = _place(stem, event)
        running = self._running.get(place)
        if running is None:
            if len(self._running) >= MAX_RUNNING:
                raise InvalidAnswer(f"The provider has begun more than {MAX_RUNNING} texts at once.")
            tool = self._names.get(place[1], "") if held else ""
            running = self._running[place] = self._texts.begin(_number(event), meant, tool)
        running.template = event
        if held:
            self._texts.hold(running, delta)
            return []
        shown = self._texts.feed(running, delta)
        if not shown and delta:
            return []
        event = self._around(event)
        # Held text would be spelled out by the probabilities of what comes after it.
        event = _honest(event) if event.get("logprobs") else event
        return [event if shown == delta else {**_honest(event), "delta": shown}]

    def _ending(self, kind: str, event: dict[str, Any]) -> list[Place]:
        """The texts that an event says are done."""
        if kind == _DONE:
            response = event.get("response")
            name = response.get("id") if is_object(response) else None
            return [place for place, text in self._running.items() if text.template.get("response_id", "") == name]
        if kind == "response.output_item.done":
            item = event.get("item")
            name = item.get("id") if is_object(item) else None
            return [place for place in self._running if place[1] == name and place[0].startswith(_OF_ANSWERS)]
        if kind == "response.content_part.done":
            _, *at = _place("", event)
            return [place for place in self._running if list(place[1:]) == at and place[0].startswith(_OF_ANSWERS)]
        stem = _ENDS.get(kind) or kind.removesuffix(".done")
        place = _place(stem, event)
        return [place] if stem != kind and place in self._running else []

    def _finish(self, place: Place) -> list[dict[str, Any]]:
        running = self._running.pop(place)
        if _RUNNING.get(place[0], ("", False))[1]:
            rest = self._texts.once(
                _number(running.template), "tool_argument", "".join(running.given), self._names.get(place[1], "")
            )
        else:
            rest = self._texts.finish(running)
        return [{**_honest(running.template), "delta": rest}] if rest else []

    def _whole(self, event: dict[str, Any]) -> dict[str, Any]:
        shown, edited = self._texts.document(_number(event), event, self._segments(event))
        return _honest(shown) if edited else event

    def _segments(self, event: dict[str, Any]) -> list[Segment]:
        found = server_segments(event)
        tool = self._names.get(_place("", event)[1], "")
        if not tool:
            return found
        # The event that says arguments whole does not always say whose they are.
        return [
            msgspec.structs.replace(each, tool=tool) if each.kind == "tool_argument" and not each.tool else each
            for each in found
        ]

    def _around(self, event: dict[str, Any]) -> dict[str, Any]:
        """Screen what stands beside a delta."""
        rest = {name: value for name, value in event.items() if name != "delta"}
        shown = self._whole(rest)
        return event if shown is rest else {**shown, "delta": event["delta"]}

    def _note_name(self, event: dict[str, Any]) -> None:
        item = event.get("item")
        if is_object(item) and len(self._names) < MAX_RUNNING:
            name, tool = item.get("id"), item.get("name")
            if is_text(name) and is_text(tool):
                self._names[name] = tool


def _place(stem: str, event: dict[str, Any]) -> Place:
    name, index = event.get("item_id"), event.get("content_index")
    return stem, name if is_text(name) else "", index if is_integer(index) else 0


def _number(event: dict[str, Any]) -> int:
    number = event.get("output_index")
    return number if is_integer(number) else 0


def _honest(event: dict[str, Any]) -> dict[str, Any]:
    """Leave out what spells an edited text out again, token by token."""
    return {name: value for name, value in event.items() if name not in {"logprobs", "obfuscation"}}
