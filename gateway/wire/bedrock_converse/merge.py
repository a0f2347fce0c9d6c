"""An answer's stream put together to the answer it stands for, and an answer written as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.core.errors import GatewayError
from gateway.wire.aws_eventstream import FrameSplitter
from gateway.wire.bedrock_converse.answer import message_of
from gateway.wire.bedrock_converse.events import (
    BLOCK_START,
    DELTA,
    METADATA,
    START,
    STOP,
    block_stop,
    delta,
    event,
    read_event,
    write,
)
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_BESIDE = ("usage", "metrics", "trace", "performanceConfig", "serviceTier")


def documents(kept: list[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of a stream's kept bytes; what is cut off or broken ends them."""
    splitter = FrameSplitter()
    try:
        for raw in splitter.feed(b"".join(kept)):
            told = read_event(raw)
            yield told.name, told.document()
    except GatewayError:
        return


class _Block:
    """A block as far as it has come; texts are joined once, so that n deltas cost n."""

    __slots__ = ("cited", "results", "start", "texts", "whole")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.texts: dict[str, list[str]] = {}
        self.cited: list[Any] = []
        self.results: list[Any] = []
        self.whole: dict[str, Any] = {}

    def add(self, piece: dict[str, Any]) -> None:
        thought, call = piece.get("reasoningContent"), piece.get("toolUse")
        if is_text(said := piece.get("text")):
            self._say("text", said)
        elif is_object(call) and is_text(said := call.get("input")):
            self._say("input", said)
        elif is_object(thought):
            for name in ("text", "signature", "redactedContent"):
                if is_text(said := thought.get(name)):
                    self._say("thought" if name == "text" else name, said)
        elif "citation" in piece:
            self.cited.append(piece["citation"])
        elif is_array(results := piece.get("toolResult")):
            self.results += results
        else:
            self.whole |= piece

    def _say(self, name: str, said: str) -> None:
        self.texts.setdefault(name, []).append(said)

    def block(self) -> dict[str, Any]:
        """The block that they make."""
        texts = {name: "".join(pieces) for name, pieces in self.texts.items()}
        call, result = self.start.get("toolUse"), self.start.get("toolResult")
        if is_object(call):
            return {"toolUse": {**call, "input": _input(texts.get("input", ""))}}
        if is_object(result):
            return {"toolResult": {**result, "content": self.results}}
        if "redactedContent" in texts:
            return {"reasoningContent": {"redactedContent": texts["redactedContent"]}}
        if "thought" in texts or "signature" in texts:
            said = {"text": texts.get("thought", "")}
            signed = {"signature": texts["signature"]} if "signature" in texts else {}
            return {"reasoningContent": {"reasoningText": {**said, **signed}}}
        if self.cited:
            said = [{"text": texts["text"]}] if "text" in texts else []
            return {"citationsContent": {"content": said, "citations": self.cited}}
        return {"text": texts["text"]} if "text" in texts else {**self.start, **self.whole}


def _input(text: str) -> Any:
    try:
        return orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        # Cut off, or never JSON: what there is of it.
        return text


def assemble(kept: list[bytes]) -> dict[str, Any]:
    """Put the kept bytes of a stream together as the answer they stand for; a cut-off tail is left out."""
    answer: dict[str, Any] = {}
    message: dict[str, Any] = {}
    blocks: dict[int, _Block] = {}
    for name, document in documents(kept):
        index, piece = document.get("contentBlockIndex"), document.get("delta")
        if name == START:
            message = {"role": document.get("role", "assistant")}
        elif name == BLOCK_START and is_integer(index):
            start = document.get("start")
            blocks[index] = _Block(start if is_object(start) else {})
        elif name == DELTA and is_integer(index) and is_object(piece):
            blocks.setdefault(index, _Block({})).add(piece)
        elif name in (STOP, METADATA):
            answer |= {field: value for field, value in document.items() if field != "p"}
    if not message and not blocks and not answer:
        return {}
    content = [block.block() for _, block in sorted(blocks.items())]
    return {"output": {"message": {"role": "assistant", **message, "content": content}}, **answer}


def restream(answer: dict[str, Any]) -> bytes:
    """Write a whole answer as the events it might have come in: each block in one delta."""
    message = message_of(answer)
    content = message.get("content")
    out = [event(START, {"role": message.get("role", "assistant")})]
    for index, block in enumerate(content if is_array(content) else ()):
        if is_object(block):
            out += _block_events(index, block)
    extra = {name: answer[name] for name in ("additionalModelResponseFields",) if name in answer}
    out.append(event(STOP, {"stopReason": answer.get("stopReason", "end_turn"), **extra}))
    beside = {name: answer[name] for name in _BESIDE if name in answer}
    if beside:
        out.append(event(METADATA, beside))
    return b"".join(out)


def _block_events(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    call, thought, cited = block.get("toolUse"), block.get("reasoningContent"), block.get("citationsContent")
    pieces: list[dict[str, Any]] = []
    if is_object(call):
        start = {name: value for name, value in call.items() if name != "input"}
        yield event(BLOCK_START, {"contentBlockIndex": index, "start": {"toolUse": start}})
        pieces = [{"toolUse": {"input": write(call.get("input", {})).decode()}}]
    elif is_object(thought):
        said = thought.get("reasoningText")
        held = said if is_object(said) else thought
        names = ("text", "signature", "redactedContent")
        pieces = [{"reasoningContent": {name: held[name]}} for name in names if held.get(name)]
    elif is_object(cited):
        texts, notes = cited.get("content"), cited.get("citations")
        pieces = [each for each in (texts if is_array(texts) else ()) if is_object(each)]
        pieces += [{"citation": note} for note in (notes if is_array(notes) else ())]
    elif is_object(result := block.get("toolResult")):
        start = {name: value for name, value in result.items() if name != "content"}
        yield event(BLOCK_START, {"contentBlockIndex": index, "start": {"toolResult": start}})
        pieces = [{"toolResult": result.get("content", [])}]
    else:
        pieces = [block]
    yield from (delta(index, piece) for piece in pieces)
    yield block_stop(index)
