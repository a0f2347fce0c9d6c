"""Bodies of ``invoke`` as a dialect that clients speak and the gateway answers, whoever serves the model.

The forms of the bodies are other dialects': a :class:`Form` says which bodies are in it and what its dialect makes of
them. A body that is a bare prompt, already in the words of one model, says nothing to any other: it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import orjson

from gateway.core.chat import ChatAnswer, ChatRequest
from gateway.core.chat_events import ChatEvent, Ended
from gateway.core.codec import ClientCodec, EventWriter
from gateway.core.errors import UnsupportedField
from gateway.core.ports import Dialect
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.invoke import DIALECT_NAME, BedrockInvoke
from gateway.wire.bedrock_converse.invoke_packing import METRICS, Packing, chunk
from gateway.wire.bedrock_converse.paths import Target, find


class Form(msgspec.Struct, frozen=True):
    """A form of bodies.

    Attributes:
        holds: Says whether a document is in it.
        dialect: Whose form it is: sees the texts.
        codec: The same dialect's: reads and writes them.
        packing: How its events stand in frames.
        bare: Makes the dialect's own document of a body, given what the path says.
        suits: Says whether a document can be an event of the dialect; ``None`` where models answer in no other form.
    """

    holds: Callable[[Any], bool]
    dialect: Dialect
    codec: ClientCodec
    packing: Packing
    bare: Callable[[dict[str, Any], Target], dict[str, Any]]
    suits: Callable[[bytes], bool] | None = None

    def invoked(self, otherwise: Dialect) -> BedrockInvoke:
        """The dialect of bodies in this form; ``otherwise`` reads streams that are in another."""
        return BedrockInvoke(self.dialect, parses=True, packing=self.packing, suits=self.suits, otherwise=otherwise)


class BedrockInvokeCodec:
    """Reads bodies, and writes answers in their form: see :class:`gateway.core.codec.ClientCodec`.

    Args:
        forms: That are known; the first that holds a body is its own.
    """

    name: str = DIALECT_NAME

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._by_dialect = {form.codec.name: form for form in forms}

    def read_request(self, document: Any, path: str) -> ChatRequest:
        """Read a request; its model is in the path, and whether it wants a stream."""
        form = next((form for form in self._forms if form.holds(document)), None)
        target = find(path.partition("?")[0])
        if form is None or target is None:
            raise UnsupportedField(
                "A body in this form is for the model it was written for: it cannot be carried to another provider.",
                param="body",
            )
        return form.codec.read_request(form.bare(document, target), path)

    def write_answer(self, answer: ChatAnswer, chat: ChatRequest) -> Any:
        """Write a whole answer."""
        return self._by_dialect[chat.dialect].codec.write_answer(answer, chat)

    def writer(self, chat: ChatRequest) -> EventWriter:
        """A fresh writer of a client's stream."""
        form = self._by_dialect[chat.dialect]
        return FramedWriter(form.codec.writer(chat), form.packing)


class FramedWriter:
    """Writes a stream in frames; the last one says what was used, as Amazon adds to every model's.

    Args:
        inner: Writes the events.
        packing: How they stand in frames.
    """

    __slots__ = ("_inner", "_packing")

    def __init__(self, inner: EventWriter, packing: Packing) -> None:
        self._inner = inner
        self._packing = packing

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        documents = self._packing.packed(self._inner.write(events))
        last = events[-1] if events else None
        if documents and isinstance(last, Ended) and last.usage is not None:
            documents[-1] = _measured(documents[-1], last.usage)
        return b"".join(map(chunk, documents))


def _measured(said: bytes, usage: Usage) -> bytes:
    counted = {"inputTokenCount": usage.input_tokens, "outputTokenCount": usage.output_tokens}
    if usage.cache_read_tokens:
        counted["cacheReadInputTokenCount"] = usage.cache_read_tokens
    if usage.written_tokens:
        counted["cacheWriteInputTokenCount"] = usage.written_tokens
    return orjson.dumps({**orjson.loads(said), METRICS: counted})
