"""Between a client that speaks one dialect and a provider that speaks another.

Who speaks what is told by the kind of a deployment. A :class:`Bridge` is the pair of codecs for one such meeting, and a
:class:`Crossing` is one call on its way over it: the request written for the provider, its answer written for the
client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
import orjson

from gateway.core.chat import ChatAnswer, ChatRequest, Media
from gateway.core.chat_events import Began, ChatEvent, Ended, Foreign
from gateway.core.chat_template import TemplateSource
from gateway.core.codec import ChatCodec, ClientCodec, EncodedAnswer, EventReader, EventWriter, WireRequest
from gateway.core.errors import GatewayError, InvalidAnswer, UnsupportedField
from gateway.core.exchange import Deployment, Headers
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire import aws_eventstream
from gateway.wire.anthropic_messages.codec import CODEC as ANTHROPIC
from gateway.wire.bedrock_converse.codec import CODEC as BEDROCK
from gateway.wire.gemini.codec import CODEC as GEMINI
from gateway.wire.invoked import CODEC as INVOKED
from gateway.wire.openai_chat.codec import CODEC as OPENAI_CHAT
from gateway.wire.openai_chat.codec import OpenAIChatCodec
from gateway.wire.openai_responses.codec import CODEC as OPENAI_RESPONSES
from gateway.wire.request_target import with_model
from gateway.wire.sse import EventSplitter
from gateway.wire.triton.codec import CODEC as TRITON
from gateway.wire.triton.codec import TritonCodec
from gateway.wire.triton.infer_codec import CODEC as KSERVE
from gateway.wire.triton.jinja import compiled
from gateway.wire.triton.templates import built_in

EVENTS = b"text/event-stream"


class Splitter(Protocol):
    """Cuts a stream into events or frames."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take the next bytes, and give what is whole now."""
        ...

    def rest(self) -> bytes:
        """Return what never became whole."""
        ...


def splitter(media_type: bytes) -> Splitter:
    """Give what cuts a stream of this type."""
    if media_type.startswith(aws_eventstream.MEDIA_TYPE):
        return aws_eventstream.FrameSplitter()
    return EventSplitter()


class Kind(msgspec.Struct, frozen=True):
    """What providers of one kind speak.

    Attributes:
        native: Dialects in which they are spoken to as the client wrote.
        target: The dialect into which conversations in any other one are written.
        codec: Writes them, where it is another one than the dialect's own.
    """

    native: frozenset[str]
    target: str
    codec: ChatCodec | None = None


CODECS: dict[str, ChatCodec] = {
    codec.name: codec for codec in (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI, BEDROCK, TRITON)
}
# Whoever speaks these is answered in them; nobody is asked in them who does not speak them.
_CLIENTS: dict[str, ClientCodec] = {**CODECS, INVOKED.name: INVOKED, KSERVE.name: KSERVE}
_OPENAI = frozenset(("openai_chat", "openai_completions", "openai_embeddings", "openai_responses", "openai_realtime"))
KINDS: dict[str, Kind] = {
    "openai": Kind(_OPENAI, "openai_chat"),
    # Deployments have names of their own; the models behind them are OpenAI's.
    "azure": Kind(_OPENAI, "openai_chat", OpenAIChatCodec(openai=True)),
    "anthropic": Kind(frozenset(("anthropic_messages", "anthropic_count_tokens")), "anthropic_messages"),
    "gemini": Kind(frozenset(("gemini", "gemini_tokens", "gemini_embeddings")), "gemini"),
    "vertex": Kind(frozenset(("gemini", "gemini_tokens", "gemini_embeddings")), "gemini"),
    "bedrock": Kind(frozenset(("bedrock_converse", "bedrock_invoke")), "bedrock_converse"),
    "sim": Kind(frozenset(("openai_chat", "openai_completions", "openai_embeddings")), "openai_chat"),
    "triton": Kind(frozenset(("triton", "kserve")), "triton"),
}
# Nothing in these is for one kind of provider only, or the client has named the provider itself.
_EVERYWHERE = frozenset(("openai_models", "gemini_models", "passthrough"))


# Media that an answer can hold, by the client's dialect; in all others it has no place.
_ANSWERS: dict[str, frozenset[str]] = {
    "gemini": frozenset(("image", "audio", "document", "video")),
    "openai_chat": frozenset(("audio",)),
}
_NO_MEDIA: frozenset[str] = frozenset()


class Bridge(msgspec.Struct, frozen=True):
    """The codecs of a client's dialect and of a provider's."""

    client: ClientCodec
    provider: ChatCodec

    def cross(
        self, document: Any, path: str, deployment: Deployment, spare: Spare, *, prefilled: bool = False
    ) -> Crossing:
        """Write a request for the provider.

        Args:
            document: As admitted. Not changed.
            path: Path and query as the client wrote them.
            deployment: Where the call goes.
            spare: Stands in where the provider names no id and no time.
            prefilled: The last turn is the beginning of the answer.

        Raises:
            MalformedRequest: The client's dialect does not allow it.
            UnsupportedField: The provider's dialect has no place for a field, and it may not be left out.
        """
        chat = self.client.read_request(document, path)
        if prefilled:
            chat = msgspec.structs.replace(chat, prefilled=True)
        losses = Losses(chat.names, self.provider.name, deployment.on_unsupported)
        model = deployment.model or chat.model
        wire = self.provider.write_request(chat, model, losses)
        wire = msgspec.structs.replace(wire, path=with_model(wire.path, model))
        return Crossing(self, chat, wire, losses.fields, spare)


def bridge_to(dialect: str, deployment: Deployment) -> Bridge | None:
    """Find the bridge that calls in a dialect need to a deployment; ``None`` when it speaks that dialect itself.

    Raises:
        UnsupportedField: There is no way from one to the other.
    """
    kind = KINDS.get(deployment.kind)
    # A client that comes with the provider's credential speaks to that provider in its own words.
    if kind is None or deployment.credential is None or dialect in kind.native or dialect in _EVERYWHERE:
        return None
    client, provider = _CLIENTS.get(dialect), kind.codec or CODECS.get(kind.target)
    if client is None or provider is None:
        raise UnsupportedField(
            f"The provider '{deployment.provider}' does not take calls of this form ({dialect}).", param="model"
        )
    if deployment.template and provider.name == TRITON.name:
        provider = _by_template(deployment.template)
    return Bridge(client, provider)


def between(client: str, provider: str) -> Bridge | None:
    """Give the bridge from one dialect to another; ``None`` where there is none."""
    speaks, spoken = _CLIENTS.get(client), CODECS.get(provider)
    return None if speaks is None or spoken is None else Bridge(speaks, spoken)


@cache
def _by_template(template: str | TemplateSource) -> TritonCodec:
    return TritonCodec(built_in(template) if isinstance(template, str) else compiled(template))


class Crossing:
    """One call that crosses: what was written, what was left out, and what the provider says was used.

    Attributes:
        wire: The provider's request.
        dropped: What was left out of it, in the client's words; and media of the answer that the client's dialect has
            no place for (``answer.image``), as they come.
        spare: Stands in where the provider names no id and no time.
        usage: Of the whole call, once the provider has told.
        headers: What a whole answer's headers must say of it besides.
    """

    __slots__ = ("_bridge", "_chat", "dropped", "headers", "spare", "usage", "wire")

    def __init__(
        self, bridge: Bridge, chat: ChatRequest, wire: WireRequest, dropped: tuple[str, ...], spare: Spare
    ) -> None:
        self._bridge = bridge
        self._chat = chat
        self.wire = wire
        self.dropped = list(dropped)
        self.spare = spare
        self.usage: Usage | None = None
        self.headers: Headers = {}

    @property
    def speaks(self) -> str:
        """The provider's dialect."""
        return self._bridge.provider.name

    def answer(self, body: bytes) -> bytes:
        """Turn a whole answer into the client's.

        Raises:
            InvalidAnswer: It is none of the provider's dialect.
        """
        answer = self._bridge.provider.read_answer(_parsed(body))
        self.usage = answer.usage
        for choice in answer.choices:
            for part in choice.parts:
                if isinstance(part, Media) and not part.text:
                    self.lost(part.kind)
        told = self._bridge.client.write_answer(self.spare.answer(answer, self._chat), self._chat)
        if isinstance(told, EncodedAnswer):
            self.headers = told.headers
            return told.body
        return _dump(told)

    def lost(self, kind: str) -> None:
        """Note media of the answer, where the client's dialect has no place for it."""
        name = f"answer.{kind}"
        if kind not in _ANSWERS.get(self._bridge.client.name, _NO_MEDIA) and name not in self.dropped:
            self.dropped.append(name)

    def error(self, status: int, headers: Headers, body: bytes) -> GatewayError:
        """Read an error answer."""
        try:
            document = _parsed(body)
        except InvalidAnswer:
            document = None
        return self._bridge.provider.read_error(status, headers, document)

    def stream(self, media_type: bytes = EVENTS) -> StreamCrossing:
        """Begin to turn a stream into the client's, whatever frames the provider sends it in."""
        reader, writer = self._bridge.provider.reader(), self._bridge.client.writer(self._chat)
        return StreamCrossing(self, reader, writer, splitter(media_type))

    def began(self, event: Began) -> Began:
        """Fill in what a stream's beginning lacks."""
        return self.spare.began(event, self._chat)


class Spare(msgspec.Struct, frozen=True):
    """What stands in where a provider's dialect does not name what the client's must.

    Attributes:
        id: For an answer without one.
        created_s: Unix time, for an answer that does not say when it was made.
    """

    id: str
    created_s: int

    def answer(self, answer: ChatAnswer, chat: ChatRequest) -> ChatAnswer:
        """Fill in a whole answer."""
        return msgspec.structs.replace(
            answer,
            id=answer.id or self.id,
            model=answer.model or chat.model,
            created_s=answer.created_s or self.created_s,
        )

    def began(self, event: Began, chat: ChatRequest) -> Began:
        """Fill in the beginning of a stream."""
        return msgspec.structs.replace(
            event, id=event.id or self.id, model=event.model or chat.model, created_s=event.created_s or self.created_s
        )


class StreamCrossing:
    """A provider's stream in, the client's out.

    Nothing is given before there is something of the answer itself: an error that comes before it can still become a
    status.

    Args:
        crossing: Learns what was used.
        reader: Of the provider's dialect.
        writer: Of the client's.
        splitter: Cuts the provider's stream into what it is made of.
    """

    __slots__ = ("_crossing", "_pending", "_reader", "_splitter", "_writer", "opened")

    def __init__(self, crossing: Crossing, reader: EventReader, writer: EventWriter, splitter: Splitter) -> None:
        self._crossing = crossing
        self._reader = reader
        self._writer = writer
        self._splitter = splitter
        self._pending: list[ChatEvent] = []
        self.opened = False

    def feed(self, data: bytes) -> bytes:
        """Take the provider's next bytes and give the client's: see :class:`gateway.core.codec.EventReader`.

        What was ready for the client when it raised is in the error's ``released``.
        """
        # One by one, so that what comes before an error does not depend on how the bytes were cut.
        out: list[bytes] = []
        try:
            for event in self._splitter.feed(data):
                events = self._reader.feed(event)
                out.append(self._write(events))
        except GatewayError as error:
            error.released = b"".join(out)
            raise
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """The provider's body has ended."""
        rest = self._splitter.rest()
        last = self._write(self._reader.feed(rest)) if rest else b""
        return last + self._write(self._reader.finish())

    def _write(self, events: Sequence[ChatEvent]) -> bytes:
        if not events:
            return b""
        last = events[-1]
        for event in events:
            if event.__class__ is Foreign and isinstance(event, Foreign) and event.media:
                self._crossing.lost(event.media)
        if last.__class__ is Ended:
            self._crossing.usage = last.usage if isinstance(last, Ended) else None
        if self.opened:
            return self._writer.write(events)
        self._pending += [self._crossing.began(event) if isinstance(event, Began) else event for event in events]
        if isinstance(self._pending[-1], Began):
            return b""
        self.opened = True
        return self._writer.write(self._pending)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidAnswer("The provider's answer is no JSON.") from None


def _dump(document: Any) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider's answer is nested too deeply.") from None
