"""Generate answers as answers of a conversation, and back: whole, streamed, and failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Finish, Refusal, Text
from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Refused, Said
from gateway.core.errors import GatewayError, InvalidAnswer, ProviderAnswered
from gateway.core.exchange import Headers
from gateway.core.usage import Usage
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_object, is_text
from gateway.wire.triton.answer import read_answer as read_facts
from gateway.wire.triton.answer import texts_of
from gateway.wire.triton.stream import PassReader
from gateway.wire.triton.wanted import (
    FINISH,
    LIKELY,
    LIKELY_ALL,
    LOG_PROBS,
    NOTHING,
    Wanted,
    counted,
    likelihoods,
    told_of,
    word_of,
)

MAX_MESSAGE_CHARS = 4_096
# What servers call the end that a limit made.
_LENGTH = frozenset({"length", "max_tokens", "max_length"})
# These models count nothing in versions of their own.
VERSION = "1"


def read_answer(document: Any, stop: tuple[str, ...]) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`.

    Args:
        document: As parsed.
        stop: Marks of the template, which some models write at the end.
    """
    if not is_object(document) or "text_output" not in document:
        raise InvalidAnswer("The server's answer is none of a model that generates text.")
    facts = read_facts(document)
    finish = finish_of(facts.finish_reason)
    choices = tuple(
        Choice(index=index, parts=(Text(text=unmarked(text, stop)),), finish=finish)
        for index, text in enumerate(texts_of(document))
    )
    return ChatAnswer(id=_identity(document), model=facts.model_served, choices=choices, usage=facts.usage)


def write_answer(answer: ChatAnswer, chat: ChatRequest) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`."""
    wanted = _wanted(chat)
    texts = [
        "".join([part.text for part in choice.parts if isinstance(part, Text | Refusal)]) for choice in answer.choices
    ]
    identity = wanted.id or answer.id
    document: dict[str, Any] = {"id": identity} if identity else {}
    document |= {"model_name": answer.model, "model_version": VERSION}
    document["text_output"] = texts[0] if len(texts) == 1 else texts
    return {**document, **told_of(answer.choices, answer.usage, wanted.names)}


def finish_of(reason: str) -> Finish:
    """Say why an answer ended; a server that does not tell was done."""
    return "length" if reason in _LENGTH else "stop"


def unmarked(text: str, stop: tuple[str, ...]) -> str:
    """Return a text without the template's own mark at its end."""
    for mark in stop:
        text = text.removesuffix(mark)
    return text


class _Documents(PassReader):
    """Keeps the documents of a stream's events instead of passing the events on."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, Any]] = []

    def _chunk(self, raw: bytes, document: dict[str, Any]) -> bytes:
        self.taken.append(document)
        return b""


class TritonEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_began", "_inner", "_seen", "_stop")

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._inner = _Documents()
        self._stop = stop
        self._began = False
        # Choices that have said something.
        self._seen: list[int] = []

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        try:
            self._inner.feed(data)
        except GatewayError as error:
            error.released = b""
            raise
        return self._events()

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        self._inner.finish()
        facts = self._inner.facts
        finish = finish_of(facts.finish_reason)
        ends = [Finished(choice=index, finish=finish) for index in self._seen or [0]]
        return [*self._events(), *ends, Ended(usage=facts.usage)]

    def _events(self) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for document in self._inner.taken:
            if not self._began:
                self._began = True
                out.append(Began(id=_identity(document), model=self._inner.facts.model_served))
            for index, text in enumerate(texts_of(document)):
                if index not in self._seen:
                    self._seen.append(index)
                if shown := unmarked(text, self._stop):
                    out.append(Said(choice=index, text=shown))
        self._inner.taken.clear()
        return out


class TritonEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    There is nothing at its end but what the client wants to be told of the whole.
    """

    __slots__ = ("_choices", "_envelope", "_last", "_likely", "_said", "_wanted", "_wrote")

    def __init__(self, chat: ChatRequest) -> None:
        self._choices = chat.choices
        self._wanted = _wanted(chat)
        self._envelope: dict[str, Any] = {"model_name": "", "model_version": VERSION}
        # What each choice has said, where that is said again; and how likely all of it was.
        self._said = [""] * self._choices
        self._likely = 0.0
        self._last: dict[str, Any] = {}
        self._wrote = False

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, Began):
                identity = self._wanted.id or event.id
                named = {"id": identity} if identity else {}
                self._envelope = {**named, "model_name": event.model, "model_version": VERSION}
            elif isinstance(event, Said):
                if event.text or event.logprobs:
                    out.append(self._text(event.choice, event.text, self._likelihoods(event)))
            elif isinstance(event, Refused):
                if event.text:
                    out.append(self._text(event.choice, event.text, {}))
            elif isinstance(event, Finished):
                self._last[FINISH] = word_of(event.finish)
            elif isinstance(event, Ended):
                out.append(self._end(event))
        return b"".join(out)

    def _end(self, event: Ended) -> bytes:
        names = self._wanted.names
        told = {name: value for name, value in self._last.items() if name in names} | counted(event.usage, names)
        # A stream without an event is no answer.
        return b"" if self._wrote and not told else self._text(0, "", told)

    def _likelihoods(self, event: Said) -> dict[str, Any]:
        if not event.logprobs or not self._wanted.names & LOG_PROBS:
            return {}
        likely = likelihoods(event.logprobs)
        self._likely += sum(likely)
        told = {LIKELY: likely, LIKELY_ALL: self._likely}
        return {name: value for name, value in told.items() if name in self._wanted.names}

    def _text(self, choice: int, text: str, beside: dict[str, Any]) -> bytes:
        self._wrote = True
        texts = [""] * self._choices
        texts[min(choice, self._choices - 1)] = text
        if self._wanted.accumulates:
            texts = self._said = [before + new for before, new in zip(self._said, texts, strict=True)]
        told = texts[0] if self._choices == 1 else texts
        return b"data: " + orjson.dumps({**self._envelope, "text_output": told, **beside}) + b"\n\n"


def _wanted(chat: ChatRequest) -> Wanted:
    return chat.told_as if isinstance(chat.told_as, Wanted) else NOTHING


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    held = document.get("error") if is_object(document) else None
    message = held if is_text(held) else ""
    return ProviderAnswered(
        message[:MAX_MESSAGE_CHARS] or f"The server answered with status {status}.",
        status=status,
        retry_after_s=retry_after_s(headers),
    )


def read_usage(document: Any) -> Usage | None:
    """Read the counts of a document that has them."""
    return read_facts(document).usage


def _identity(document: dict[str, Any]) -> str:
    value = document.get("id")
    return value if is_text(value) else ""
