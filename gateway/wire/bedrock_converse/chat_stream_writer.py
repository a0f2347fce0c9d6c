"""Events written as an answer's stream.

Blocks follow one another. Where calls of tools come interleaved, as some servers send them, a call stays open until its
arguments are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.core.chat import ChatRequest
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.chat_pieces import SEALED_BY, write_citation, write_finish
from gateway.wire.bedrock_converse.events import (
    BLOCK_START,
    DELTA,
    METADATA,
    START,
    STOP,
    block_stop,
    delta,
    encode,
    event,
)
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.bedrock_converse.usage import write_tier, write_usage
from gateway.wire.block_calls import CUT, OpenCall, arguments_object, arguments_text, call_id


class ConverseEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    Args:
        chat: What was asked.
    """

    __slots__ = ("_began", "_block", "_called", "_calls", "_finished", "_head", "_next", "_refused", "_tier", "_usage")

    def __init__(self, chat: ChatRequest) -> None:
        self._began = self._refused = False
        self._next = self._called = 0
        # The block that text goes on in: what it is, the number of its own, its index.
        self._block: tuple[str, int, int] | None = None
        # What stands in an event before the words.
        self._head = b""
        self._calls: dict[int, OpenCall] = {}
        self._finished: Finished | None = None
        self._usage: Usage | None = None
        self._tier = ""

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        out: list[bytes] = []
        for each in events:
            if each.__class__ is Said:
                self._said(each, out)
            elif isinstance(each, Began):
                self._usage, self._tier = each.usage, each.service_tier
                self._begin(out)
            elif isinstance(each, Ended):
                self._end(each, out)
            elif each.choice == 0:
                self._other(each, out)
        return b"".join(out)

    def _said(self, said: Any, out: list[bytes]) -> None:
        if said.choice:
            return
        if self._block != ("text", said.block, self._next - 1):
            self._text_block("text", said.block, out)
        if said.text:
            out.append(encode(DELTA, b"%b%b}}" % (self._head, orjson.dumps(said.text))))
        notes = [note for citation in said.citations if (note := write_citation(citation)) is not None]
        out += [delta(self._next - 1, {"citation": note}) for note in notes]

    def _other(self, each: ChatEvent, out: list[bytes]) -> None:
        if isinstance(each, Thought):
            self._thought(each, out)
        elif isinstance(each, Called):
            self._call(each, out)
        elif isinstance(each, Argued):
            self._argue(each, out)
        elif isinstance(each, Refused):
            self._refused = True
            self._said(Said(choice=0, text=each.text, block=-1), out)
        elif isinstance(each, Foreign) and each.piece.dialect == DIALECT_NAME:
            self._whole_block(each.piece.document, out)
        elif isinstance(each, Finished):
            self._finished = each
            self._close(out, cut=each.finish in CUT)

    def _begin(self, out: list[bytes]) -> None:
        self._began = True
        out.append(event(START, {"role": "assistant"}))

    def _end(self, ended: Ended, out: list[bytes]) -> None:
        self._close(out, cut=True)
        finished = self._finished
        finish = None if finished is None else finished.finish
        if self._refused and finish in (None, "stop"):
            finish = "refusal"
        last: dict[str, Any] = {"stopReason": write_finish(finish, called=self._called > 0)}
        if finished is not None and finished.stop_sequence is not None and finish == "stop_sequence":
            last["additionalModelResponseFields"] = {"stop_sequence": finished.stop_sequence}
        told = {"usage": write_usage(ended.usage or self._usage)} | write_tier(self._tier)
        out += [event(STOP, last), event(METADATA, told)]

    # --- blocks

    def _text_block(self, kind: str, number: int, out: list[bytes]) -> None:
        self._close(out, cut=False)
        index = self._open(out)
        self._block = (kind, number, index)
        opening = b'{"text":' if kind == "text" else b'{"reasoningContent":{"text":'
        self._head = b'{"contentBlockIndex":%d,"delta":%b' % (index, opening)

    def _open(self, out: list[bytes]) -> int:
        if not self._began:
            self._begin(out)
        index = self._next
        self._next += 1
        return index

    def _whole_block(self, piece: dict[str, Any], out: list[bytes]) -> None:
        self._close(out, cut=False)
        index = self._open(out)
        out += [delta(index, piece), block_stop(index)]

    def _thought(self, thought: Thought, out: list[bytes]) -> None:
        own = thought.origin == SEALED_BY
        if thought.encrypted and own:
            self._whole_block({"reasoningContent": {"redactedContent": thought.encrypted}}, out)
        signature = thought.signature if own else ""
        if not thought.text and not signature:
            return
        if self._block != ("thinking", thought.block, self._next - 1):
            self._text_block("thinking", thought.block, out)
        if thought.text:
            out.append(encode(DELTA, b"%b%b}}}" % (self._head, orjson.dumps(thought.text))))
        if signature:
            out.append(delta(self._next - 1, {"reasoningContent": {"signature": signature}}))

    def _call(self, called: Called, out: list[bytes]) -> None:
        self._close_text(out)
        for number, call in list(self._calls.items()):
            if call.whole:
                self._close_call(number, out, cut=False)
        index = self._open(out)
        start = {"toolUse": {"toolUseId": call_id(called.id, called.call), "name": called.name}}
        out.append(event(BLOCK_START, {"contentBlockIndex": index, "start": start}))
        self._called += 1
        self._calls[called.call] = OpenCall(index, called.name, custom=called.custom)

    def _argue(self, argued: Argued, out: list[bytes]) -> None:
        call = self._calls.get(argued.call)
        if call is None:
            if argued.arguments.strip():
                raise InvalidAnswer("The provider sent arguments of a call that is over.")
            return
        call.pieces.append(argued.arguments)
        if not call.custom:
            out.append(delta(call.index, {"toolUse": {"input": argued.arguments}}))

    def _close(self, out: list[bytes], *, cut: bool) -> None:
        self._close_text(out)
        for number in list(self._calls):
            self._close_call(number, out, cut=cut)

    def _close_text(self, out: list[bytes]) -> None:
        if self._block is not None:
            out.append(block_stop(self._block[2]))
            self._block = None

    def _close_call(self, number: int, out: list[bytes], *, cut: bool) -> None:
        call = self._calls.pop(number)
        if call.custom:
            out.append(delta(call.index, {"toolUse": {"input": arguments_text({"input": call.text})}}))
        elif not cut and arguments_object(call.text) is None:
            raise InvalidAnswer(f"The arguments of the provider's call of '{call.name}' are no JSON object.")
        out.append(block_stop(call.index))
