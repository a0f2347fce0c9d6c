"""A chat stream read as events that belong to no dialect.

Servers differ most in how they stream calls of tools: some repeat id and name in every piece, some send the name late
or in an empty string first, some number every call 0 and tell them apart by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage, set_apart
from gateway.wire.openai_chat.chat_pieces import read_citations, read_finish, read_logprobs
from gateway.wire.openai_chat.request import DIALECT_NAME
from gateway.wire.openai_failures import provider_failure
from gateway.wire.openai_stream import MAX_CHOICES, choice_index, load_object
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

MAX_CALLS = 1_024
# Arguments that came before their tool's name.
MAX_WAITING_CHARS = 1_048_576


class _Call:
    """One call, begun or still waiting for its name."""

    __slots__ = ("began", "custom", "identity", "name", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.identity = self.name = ""
        self.began = self.custom = False
        self.waiting: list[str] = []


class _Choice:
    """What is known of one choice."""

    __slots__ = ("by_index", "calls", "finished", "index", "refused", "waiting_chars")

    def __init__(self, index: int) -> None:
        self.index = index
        self.finished = self.refused = False
        self.calls = 0
        self.waiting_chars = 0
        self.by_index: dict[int, _Call] = {}

    def take(self, piece: dict[str, Any], out: list[ChatEvent]) -> None:
        """Take one piece of a call."""
        number = piece.get("index")
        place = number if is_integer(number) else 0
        identity = piece.get("id")
        call = self.by_index.get(place)
        if call is None or (is_text(identity) and identity and call.identity and identity != call.identity):
            if call is not None:
                self.begin(call, out)
            call = self._open(place)
        if is_text(identity) and identity:
            call.identity = identity
        for holder, field in (("function", "arguments"), ("custom", "input")):
            held = piece.get(holder)
            if is_object(held):
                call.custom = call.custom or holder == "custom"
                self._held(call, held.get("name"), held.get(field), out)

    def begin(self, call: _Call, out: list[ChatEvent]) -> None:
        """Say that a call begins, if that was not said yet, and what waited for it."""
        if call.began:
            return
        call.began = True
        out.append(Called(choice=self.index, call=call.number, id=call.identity, name=call.name, custom=call.custom))
        if call.waiting:
            out.append(Argued(choice=self.index, call=call.number, arguments="".join(call.waiting)))
            call.waiting.clear()

    def end(self, out: list[ChatEvent]) -> None:
        """Begin what still waits: no name will come any more."""
        for call in self.by_index.values():
            self.begin(call, out)

    def _open(self, place: int) -> _Call:
        if self.calls >= MAX_CALLS:
            raise InvalidAnswer(f"The provider's stream has more than {MAX_CALLS} calls of tools.")
        call = self.by_index[place] = _Call(self.calls)
        self.calls += 1
        return call

    def _held(self, call: _Call, name: Any, arguments: Any, out: list[ChatEvent]) -> None:
        if is_text(name) and name and not call.began:
            call.name = name
            self.begin(call, out)
        if not is_text(arguments) or not arguments:
            return
        if call.began:
            out.append(Argued(choice=self.index, call=call.number, arguments=arguments))
            return
        self.waiting_chars += len(arguments)
        if self.waiting_chars > MAX_WAITING_CHARS:
            raise InvalidAnswer("The provider's stream has arguments of a tool that it does not name.")
        call.waiting.append(arguments)


class ChatEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_began", "_choices", "_done", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._began = self._done = False

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        if not self._done:
            for raw in self._splitter.feed(data):
                self._event(raw, out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        if self._done:
            return ()
        out: list[ChatEvent] = []
        rest = self._splitter.rest()
        if rest.lstrip().startswith(b"data: [DONE]") or rest.endswith(b"\r\n\r"):
            self._event(rest, out)
        if not self._done:
            if not self._choices or not all(choice.finished for choice in self._choices.values()):
                raise StreamBroken("The provider's stream ended before it was whole.")
            self._end(out)
        return out

    def _event(self, raw: bytes, out: list[ChatEvent]) -> None:
        event = parse_event(raw)
        if event is None or self._done:
            return
        if event.data.startswith(b"[DONE]"):
            self._end(out)
            return
        document = load_object(event.data)
        error = document.get("error")
        if error or event.name == b"error":
            failure = provider_failure(error or document)
            # Its own object is in this dialect, which the client may not speak.
            raise StreamFailed(failure.public_message, status=failure.status)
        if not self._began:
            self._begin(document, out)
        if (usage := document.get("usage")) is not None:
            self._usage = set_apart(openai_usage(usage), document.get("service_tier")) or self._usage
        choices = document.get("choices")
        if is_array(choices):
            for choice in choices:
                if is_object(choice):
                    self._choice(choice, out)

    def _begin(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        self._began = True
        created = document.get("created")
        out.append(
            Began(
                id=_text(document, "id"),
                model=_text(document, "model"),
                created_s=created if is_integer(created) else 0,
                service_tier=_text(document, "service_tier"),
                fingerprint=_text(document, "system_fingerprint"),
            )
        )

    def _end(self, out: list[ChatEvent]) -> None:
        self._done = True
        for choice in self._choices.values():
            if not choice.finished:
                raise StreamBroken("The provider's stream ended before it was whole.")
        out.append(Ended(usage=self._usage))

    def _choice(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        index = choice_index(document)
        choice = self._choices.get(index)
        if choice is None:
            if len(self._choices) >= MAX_CHOICES:
                raise InvalidAnswer(f"The provider's stream has more than {MAX_CHOICES} choices.")
            choice = self._choices[index] = _Choice(index)
        if choice.finished:
            return
        delta = document.get("delta")
        logprobs = document.get("logprobs")
        if is_object(delta):
            self._delta(choice, delta, logprobs, out)
        elif logprobs:
            self._delta(choice, {}, logprobs, out)
        finish = read_finish(document.get("finish_reason"), refused=choice.refused)
        if finish is not None:
            choice.end(out)
            choice.finished = True
            out.append(Finished(choice=index, finish=finish))

    def _delta(self, choice: _Choice, delta: dict[str, Any], logprobs: Any, out: list[ChatEvent]) -> None:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if is_text(thought) and thought:
            out.append(Thought(choice=choice.index, text=thought, origin=DIALECT_NAME))
        likely = read_logprobs(logprobs) if logprobs else None
        content = delta.get("content")
        if is_text(content):
            if content or likely:
                out.append(Said(choice=choice.index, text=content, logprobs=likely))
        elif is_array(content):
            _parts(choice.index, content, out)
        elif likely:
            out.append(Said(choice=choice.index, text="", logprobs=likely))
        if len(delta) > 1 or content is None:
            self._beside(choice, delta, out)

    def _beside(self, choice: _Choice, delta: dict[str, Any], out: list[ChatEvent]) -> None:
        """Read what few deltas have."""
        if citations := read_citations(delta.get("annotations")):
            out.append(Said(choice=choice.index, text="", citations=citations))
        refusal = delta.get("refusal")
        if is_text(refusal) and refusal:
            choice.refused = True
            out.append(Refused(choice=choice.index, text=refusal))
        pieces = delta.get("tool_calls")
        if is_array(pieces):
            for piece in pieces:
                if is_object(piece):
                    choice.take(piece, out)
        if is_object(legacy := delta.get("function_call")):
            choice.take({"index": 0, "function": legacy}, out)


def _parts(index: int, parts: list[Any], out: list[ChatEvent]) -> None:
    """Read content that came as parts, as some servers stream thoughts and text."""
    for part in parts:
        if not is_object(part):
            continue
        if is_text(text := part.get("text")) and text:
            out.append(Said(choice=index, text=text))
        thinking = part.get("thinking")
        thoughts = [_text(held, "text") for held in thinking if is_object(held)] if is_array(thinking) else []
        out += [Thought(choice=index, text=text, origin=DIALECT_NAME) for text in thoughts if text]


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
