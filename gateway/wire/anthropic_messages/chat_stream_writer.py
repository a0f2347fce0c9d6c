"""Events written as a message's stream.

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
from gateway.wire.anthropic_messages.chat_answer import message_id
from gateway.wire.anthropic_messages.chat_pieces import write_citation, write_finish
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.anthropic_messages.usage import write_usage
from gateway.wire.block_calls import CUT, OpenCall, arguments_object, arguments_text, call_id


class MessageEventWriter:
    """Writes one stream: see :class:`gateway.core.codec.EventWriter`.

    Args:
        chat: What was asked.
    """

    __slots__ = ("_began", "_block", "_called", "_calls", "_chat", "_closed", "_finished", "_head", "_next", "_refused",
                 "_usage")  # fmt: skip

    def __init__(self, chat: ChatRequest) -> None:
        self._chat = chat
        self._began = self._refused = False
        self._next = self._called = 0
        # The block that text goes on in: what it is, the number of its own, its index.
        self._block: tuple[str, int, int] | None = None
        # What stands in an event before the words.
        self._head = b""
        self._calls: dict[int, OpenCall] = {}
        self._closed: set[int] = set()
        self._finished: Finished | None = None
        self._usage: Usage | None = None

    def write(self, events: Sequence[ChatEvent]) -> bytes:
        """Write events."""
        out: list[bytes] = []
        for each in events:
            if each.__class__ is Said:
                self._said(each, out)
            elif isinstance(each, Began):
                self._begin(each, out)
            elif isinstance(each, Ended):
                self._end(each, out)
            elif each.choice == 0:
                self._other(each, out)
        return b"".join(out)

    def _said(self, said: Any, out: list[bytes]) -> None:
        if said.choice:
            return
        if self._block != ("text", said.block, self._next - 1):
            self._text_block("text", said.block, {"type": "text", "text": "", "citations": None}, out)
        if said.text:
            out.append(b"%b%b}}\n\n" % (self._head, orjson.dumps(said.text)))
        notes = [note for citation in said.citations if (note := write_citation(citation)) is not None]
        out += [delta(self._next - 1, "citations_delta", citation=note) for note in notes]

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

    def _begin(self, began: Began, out: list[bytes]) -> None:
        self._began = True
        self._usage = began.usage
        message: dict[str, Any] = {
            "id": message_id(began.id),
            "type": "message",
            "role": "assistant",
            "model": began.model or self._chat.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(began.usage),
        }
        out.append(event("message_start", message=message))

    def _end(self, ended: Ended, out: list[bytes]) -> None:
        self._close(out, cut=True)
        finished = self._finished
        finish = None if finished is None else finished.finish
        if self._refused and finish in (None, "stop"):
            finish = "refusal"
        last = {
            "stop_reason": write_finish(finish, called=self._called > 0),
            "stop_sequence": finished.stop_sequence if finished is not None and finish == "stop_sequence" else None,
        }
        usage = ended.usage or self._usage
        out += [event("message_delta", delta=last, usage=write_usage(usage)), MESSAGE_STOP]

    # --- blocks

    def _text_block(self, kind: str, number: int, start: dict[str, Any], out: list[bytes]) -> int:
        self._close(out, cut=False)
        index = self._open(start, out)
        self._block = (kind, number, index)
        field = "thinking" if kind == "thinking" else "text"
        self._head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"%b_delta","%b":' % (index, field.encode(), field.encode())
        )
        return index

    def _open(self, start: dict[str, Any], out: list[bytes]) -> int:
        if not self._began:
            self._begin(Began(id="", model=""), out)
        index = self._next
        self._next += 1
        out.append(event("content_block_start", index=index, content_block=start))
        return index

    def _whole_block(self, start: dict[str, Any], out: list[bytes]) -> None:
        self._close(out, cut=False)
        index = self._open(start, out)
        out.append(event("content_block_stop", index=index))

    def _thought(self, thought: Thought, out: list[bytes]) -> None:
        own = thought.origin == DIALECT_NAME
        if thought.encrypted and own:
            self._whole_block({"type": "redacted_thinking", "data": thought.encrypted}, out)
        signature = thought.signature if own else ""
        if not thought.text and not signature:
            return
        if self._block != ("thinking", thought.block, self._next - 1):
            self._text_block("thinking", thought.block, {"type": "thinking", "thinking": "", "signature": ""}, out)
        if thought.text:
            out.append(b"%b%b}}\n\n" % (self._head, orjson.dumps(thought.text)))
        if signature:
            out.append(delta(self._next - 1, "signature_delta", signature=signature))

    def _call(self, called: Called, out: list[bytes]) -> None:
        self._close_text(out)
        for number, call in list(self._calls.items()):
            if call.whole:
                self._close_call(number, out, cut=False)
        identity = call_id(called.id, called.call)
        start: dict[str, Any] = {"type": "tool_use", "id": identity, "name": called.name, "input": {}}
        self._called += 1
        self._calls[called.call] = OpenCall(self._open(start, out), called.name, custom=called.custom)

    def _argue(self, argued: Argued, out: list[bytes]) -> None:
        call = self._calls.get(argued.call)
        if call is None:
            if argued.arguments.strip():
                raise InvalidAnswer("The provider sent arguments of a call that is over.")
            return
        call.pieces.append(argued.arguments)
        if not call.custom:
            out.append(delta(call.index, "input_json_delta", partial_json=argued.arguments))

    def _close(self, out: list[bytes], *, cut: bool) -> None:
        self._close_text(out)
        for number in list(self._calls):
            self._close_call(number, out, cut=cut)

    def _close_text(self, out: list[bytes]) -> None:
        if self._block is not None:
            out.append(event("content_block_stop", index=self._block[2]))
            self._block = None

    def _close_call(self, number: int, out: list[bytes], *, cut: bool) -> None:
        call = self._calls.pop(number)
        if call.custom:
            out.append(delta(call.index, "input_json_delta", partial_json=arguments_text({"input": call.text})))
        elif not cut and arguments_object(call.text) is None:
            raise InvalidAnswer(f"The arguments of the provider's call of '{call.name}' are no JSON object.")
        out.append(event("content_block_stop", index=call.index))
