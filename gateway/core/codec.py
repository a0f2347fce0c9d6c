"""How a dialect joins the others: reading into :mod:`gateway.core.chat`, and writing out of it.

The client's dialect reads the request and writes the answer; the provider's writes the request and reads the answer.
Guards, capture and accounting see the client's dialect on both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.chat import ChatAnswer, ChatRequest
from gateway.core.chat_events import ChatEvent
from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.losses import Losses
from gateway.core.usage import Usage


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a provider takes it.

    Attributes:
        path: Path and query below the provider's base URL.
        document: The JSON body.
        headers: Lines that the dialect asks for (``anthropic-version``), lower-case names.
    """

    path: str
    document: Any
    headers: Headers = {}


class EncodedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer that is more than a JSON document: tensors lie raw behind one, say.

    Attributes:
        body: All of it.
        headers: That say how it is to be read, lower-case names.
    """

    body: bytes
    headers: Headers


class EventReader(Protocol):
    """Reads one streamed answer of its dialect, however it was cut."""

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes.

        Raises:
            StreamFailed: The provider sent an error event; its ``status`` says what it would have been as an answer.
            InvalidAnswer: An event is not of this dialect, or too large.
        """
        ...

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended.

        Raises:
            StreamBroken: The stream is not whole.
        """
        ...


class EventWriter(Protocol):
    """Writes one streamed answer of its dialect; what it writes is a stream that a provider might have sent."""

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events; the last bytes of the stream come with :class:`gateway.core.chat_events.Ended`."""
        ...


class ClientCodec(Protocol):
    """The side of a dialect that clients speak: what calls that cross need of it. Implementations hold no state."""

    name: str

    def read_request(self, document: Any, path: str) -> ChatRequest:
        """Read a request.

        Args:
            document: The parsed body, already understood by the dialect's ``parse``; never changed.
            path: As it came, for dialects that put the model there.

        Raises:
            MalformedRequest: It cannot be understood, naming the field.
        """
        ...

    def write_answer(self, answer: ChatAnswer, chat: ChatRequest) -> Any:
        """Write a whole answer to a request, as a JSON document or as an :class:`EncodedAnswer`."""
        ...

    def writer(self, chat: ChatRequest) -> EventWriter:
        """A fresh writer of a client's stream."""
        ...


class ChatCodec(ClientCodec, Protocol):
    """A dialect of conversations that providers speak, too. Implementations hold no state."""

    def write_request(self, chat: ChatRequest, model: str, losses: Losses) -> WireRequest:
        """Write a request for a provider.

        Args:
            chat: What is asked.
            model: The name the provider knows.
            losses: Takes what has no place.

        Raises:
            UnsupportedField: Something has no place, and may not be left out.
        """
        ...

    def read_answer(self, document: Any) -> ChatAnswer:
        """Read a whole answer.

        Raises:
            InvalidAnswer: It is not one.
        """
        ...

    def reader(self) -> EventReader:
        """A fresh reader of a provider's stream."""
        ...

    def read_error(self, status: int, headers: Headers, document: Any) -> GatewayError:
        """Read a provider's error answer: its status, a public message, the field at fault, when to try again.

        Args:
            status: 400 or more.
            headers: Of the answer.
            document: The parsed body, or ``None`` when it is not JSON.
        """
        ...

    def read_usage(self, document: Any) -> Usage | None:
        """Read the usage object of the dialect into disjoint buckets; ``None`` when it is not one."""
        ...
