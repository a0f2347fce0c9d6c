"""A message's stream read as events that belong to no dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.chat import Finish, Opaque
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.wire.anthropic_messages.chat_answer import explanation
from gateway.wire.anthropic_messages.chat_pieces import read_citation, read_finish
from gateway.wire.anthropic_messages.errors import provider_failure
from gateway.wire.anthropic_messages.events import load
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.anthropic_messages.stream import block_index
from gateway.wire.anthropic_messages.usage import merged, read_usage
from gateway.wire.block_calls import arguments_object, arguments_text
from gateway.wire.block_stream import MAX_BLOCKS
from gateway.wire.shapes import is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

# The input of a provider's own tool is kept until it is whole.
MAX_OPAQUE_CHARS = 1_048_576


class _Block:
    """One block that has begun."""

    __slots__ = ("call", "document", "kind", "number", "pieces")

    def __init__(self, number: int, kind: str, document: dict[str, Any]) -> None:
        self.number = number
        self.kind = kind
        self.document = document
        # Which call it is; -1 for others.
        self.call = -1
        self.pieces: list[str] = []


class MessageEventReader:
    """Reads one stream: see :class:`gateway.core.codec.EventReader`."""

    __slots__ = ("_blocks", "_calls", "_done", "_finish", "_opaque_chars", "_splitter", "_stop_sequence", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._blocks: dict[int, _Block] = {}
        self._calls = self._opaque_chars = 0
        self._usage: dict[str, Any] = {}
        self._finish: Finish | None = None
        self._stop_sequence: str | None = None
        self._done = False

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        out: list[ChatEvent] = []
        if not self._done:
            for raw in self._splitter.feed(data):
                self._event(raw, out)
        return out

    def finish(self) -> Sequence[ChatEvent]:
        """The body has ended."""
        out: list[ChatEvent] = []
        rest = self._splitter.rest()
        if rest.endswith(b"\r\n\r"):
            self._event(rest, out)
        if not self._done:
            if self._finish is None:
                raise StreamBroken("The provider's stream ended before it was whole.")
            self._end(out)
        return out

    def _event(self, raw: bytes, out: list[ChatEvent]) -> None:
        parsed = parse_event(raw)
        if parsed is None or self._done or parsed.data.startswith(b"[DONE]"):
            return
        document = load(parsed.data)
        kind = document.get("type")
        name = kind if is_text(kind) else parsed.name.decode("utf-8", "replace")
        if name == "content_block_delta":
            self._delta(document, out)
        elif name == "content_block_start":
            self._start(document, out)
        elif name == "content_block_stop":
            self._stop(block_index(document), out)
        elif name == "message_start":
            self._begin(document.get("message"), out)
        elif name == "message_delta":
            self._last(document, out)
        elif name == "message_stop":
            self._end(out)
        elif name == "error":
            failure = provider_failure(document.get("error") or document)
            # Its own object is in this dialect, which the client may not speak.
            raise StreamFailed(failure.public_message, status=failure.status)

    def _begin(self, message: Any, out: list[ChatEvent]) -> None:
        if not is_object(message):
            raise InvalidAnswer("The provider began a stream without a message.")
        raw = message.get("usage")
        self._usage = merged({}, raw)
        tier = _text(raw, "service_tier") if is_object(raw) else ""
        out.append(
            Began(
                id=_text(message, "id"), model=_text(message, "model"), usage=read_usage(self._usage), service_tier=tier
            )
        )

    def _last(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        delta = document.get("delta")
        self._usage = merged(self._usage, document.get("usage"))
        if not is_object(delta):
            return
        if said := explanation(delta.get("stop_details")):
            out.append(Refused(choice=0, text=said))
        self._finish = read_finish(delta.get("stop_reason")) or self._finish
        self._stop_sequence = _text(delta, "stop_sequence") or None

    def _end(self, out: list[ChatEvent]) -> None:
        if self._finish is None:
            raise StreamBroken("The provider's stream ended without a reason.")
        self._done = True
        for index in list(self._blocks):
            self._stop(index, out)
        out.append(Finished(choice=0, finish=self._finish, stop_sequence=self._stop_sequence))
        out.append(Ended(usage=read_usage(self._usage)))

    # --- blocks

    def _start(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        index, held = block_index(document), document.get("content_block")
        if not is_object(held) or index in self._blocks or len(self._blocks) >= MAX_BLOCKS:
            raise InvalidAnswer("The provider began a block that cannot be one.")
        block = self._blocks[index] = _Block(index, _text(held, "type"), held)
        if block.kind == "text":
            if text := _text(held, "text"):
                out.append(Said(choice=0, text=text, block=index))
        elif block.kind == "thinking":
            text, signature = _text(held, "thinking"), _text(held, "signature")
            if text or signature:
                out.append(Thought(choice=0, text=text, signature=signature, block=index, origin=DIALECT_NAME))
        elif block.kind == "redacted_thinking":
            out.append(Thought(choice=0, encrypted=_text(held, "data"), block=index, origin=DIALECT_NAME))
        elif block.kind == "tool_use":
            block.call = self._calls
            self._calls += 1
            out.append(Called(choice=0, call=block.call, id=_text(held, "id"), name=_text(held, "name")))

    def _delta(self, document: dict[str, Any], out: list[ChatEvent]) -> None:
        index, piece = block_index(document), document.get("delta")
        block = self._blocks.get(index)
        if block is None or not is_object(piece):
            raise InvalidAnswer("The provider sent a delta of no block.")
        kind = piece.get("type")
        if kind == "text_delta":
            if text := _text(piece, "text"):
                out.append(Said(choice=0, text=text, block=index))
        elif kind == "input_json_delta":
            self._argue(block, _text(piece, "partial_json"), out)
        elif kind == "thinking_delta":
            if text := _text(piece, "thinking"):
                out.append(Thought(choice=0, text=text, block=index, origin=DIALECT_NAME))
        elif kind == "signature_delta":
            signature = _text(piece, "signature")
            out.append(Thought(choice=0, signature=signature, block=index, origin=DIALECT_NAME))
        elif kind == "citations_delta" and (citation := read_citation(piece.get("citation"))) is not None:
            out.append(Said(choice=0, text="", block=index, citations=(citation,)))

    def _argue(self, block: _Block, text: str, out: list[ChatEvent]) -> None:
        if not text:
            return
        block.pieces.append(text if block.call < 0 else "")
        if block.call >= 0:
            out.append(Argued(choice=0, call=block.call, arguments=text))
            return
        self._opaque_chars += len(text)
        if self._opaque_chars > MAX_OPAQUE_CHARS:
            raise InvalidAnswer("The provider sent more input of its own tools than can be held.")

    def _stop(self, index: int, out: list[ChatEvent]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.call >= 0:
            if not block.pieces:
                # Of servers that send it whole, with the start; and of calls without arguments.
                given = arguments_text(block.document.get("input") or {})
                out.append(Argued(choice=0, call=block.call, arguments=given))
        elif block.kind not in ("text", "thinking", "redacted_thinking"):
            document = block.document
            if block.pieces:
                document = {**document, "input": arguments_object("".join(block.pieces)) or {}}
            out.append(Foreign(choice=0, piece=Opaque(dialect=DIALECT_NAME, kind=block.kind, document=document)))


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
