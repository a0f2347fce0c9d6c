"""A message's stream put together to the message it stands for, and a message written as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import InvalidAnswer
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event, load, write
from gateway.wire.anthropic_messages.usage import merged
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.sse import EventSplitter, parse_event

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def documents(kept: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the documents of a stream's kept bytes; what is cut off or none is left out."""
    try:
        events = EventSplitter().feed(b"".join(kept))
    except InvalidAnswer:
        return
    for raw in events:
        parsed = parse_event(raw)
        if parsed is None:
            continue
        try:
            yield load(parsed.data)
        except InvalidAnswer:
            continue


class _Block:
    """A block as far as it has come; texts are joined once, so that n deltas cost n."""

    __slots__ = ("pieces", "start")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.pieces: dict[str, list[str]] = {}

    def add(self, piece: dict[str, Any]) -> None:
        kind = piece.get("type")
        name = _TEXTS.get(kind) if is_text(kind) else None
        if name is not None and is_text(text := piece.get(name)):
            self.pieces.setdefault(name, []).append(text)
        elif kind == "signature_delta":
            self.start = {**self.start, "signature": piece.get("signature")}
        elif kind == "citations_delta":
            known = self.start.get("citations")
            self.start = {**self.start, "citations": [*(known if is_array(known) else ()), piece.get("citation")]}

    def whole(self) -> dict[str, Any]:
        block = dict(self.start)
        for name, pieces in self.pieces.items():
            text = "".join(pieces)
            if name == "partial_json":
                block["input"] = _input(text) if text else block.get("input", {})
            else:
                known = block.get(name)
                block[name] = (known if is_text(known) else "") + text
        return block


def _input(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Cut off, or never JSON: what there is of it.
        return text


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the message they stand for; a cut-off tail is left out."""
    message: dict[str, Any] = {}
    usage: dict[str, Any] = {}
    blocks: dict[int, _Block] = {}
    for document in documents(kept):
        name, index = document.get("type"), document.get("index")
        block, piece = document.get("content_block"), document.get("delta")
        if name == "message_start" and is_object(started := document.get("message")):
            message = started
            usage = merged(usage, started.get("usage"))
        elif name == "content_block_start" and is_integer(index) and is_object(block):
            blocks[index] = _Block(block)
        elif name == "content_block_delta" and is_integer(index) and index in blocks and is_object(piece):
            blocks[index].add(piece)
        elif name == "message_delta":
            message = {**message, **(piece if is_object(piece) else {})}
            usage = merged(usage, document.get("usage"))
    if not message and not blocks:
        return {}
    message = {
        "type": "message",
        "role": "assistant",
        **message,
        "content": [block.whole() for block in blocks.values()],
    }
    return {**message, "usage": usage} if usage else message


def restream(message: dict[str, Any]) -> bytes:
    """Write a whole message as the events it might have come in: each block in one delta."""
    content = message.get("content")
    started: dict[str, Any] = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    out = [event("message_start", message=started)]
    for index, block in enumerate(content if is_array(content) else ()):
        if is_object(block):
            out += _block_events(index, block)
    usage = message.get("usage")
    last = {name: message.get(name) for name in ("stop_reason", "stop_sequence")}
    if message.get("stop_details") is not None:
        last["stop_details"] = message["stop_details"]
    counted = usage if is_object(usage) else {}
    out.append(event("message_delta", delta=last, usage={"output_tokens": 0, **counted}))
    return b"".join((*out, MESSAGE_STOP))


def _block_events(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    start: dict[str, Any] = block
    deltas: list[bytes] = []
    kind = block.get("type")
    if kind == "text" and is_text(text := block.get("text")):
        cited = block.get("citations")
        start = {**block, "text": "", **({"citations": []} if cited else {})}
        deltas = [delta(index, "citations_delta", citation=each) for each in (cited if is_array(cited) else ())]
        deltas.append(delta(index, "text_delta", text=text))
    elif kind == "thinking" and is_text(thought := block.get("thinking")):
        start = {**block, "thinking": "", "signature": ""}
        deltas = [delta(index, "thinking_delta", thinking=thought)] if thought else []
        if signature := block.get("signature"):
            deltas.append(delta(index, "signature_delta", signature=signature))
    elif "input" in block:
        start = {**block, "input": {}}
        deltas = [delta(index, "input_json_delta", partial_json=write(block["input"]).decode())]
    yield event("content_block_start", index=index, content_block=start)
    yield from deltas
    yield event("content_block_stop", index=index)
