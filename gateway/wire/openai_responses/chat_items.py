"""Parts of what a model has made, written as items: whole, for answers and for history."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import Media, Opaque, Part, Reasoning, Refusal, Text, TokenLogprob, ToolCall
from gateway.wire.openai_responses.chat_pieces import write_citations, write_logprobs
from gateway.wire.openai_responses.request import DIALECT_NAME


class Items:
    """Puts items together, part by part.

    Args:
        answer_id: From which names of items are made.
        calls: How many calls of tools came before: one without an id is named by its place.
        history: They are part of a request: items of the model need no names and no status there.
    """

    __slots__ = ("_answer", "_history", "_logprobs", "_written", "calls")

    def __init__(
        self, answer_id: str, calls: int = 0, *, history: bool = False, logprobs: tuple[TokenLogprob, ...] | None = None
    ) -> None:
        self._answer = answer_id
        self._history = history
        self._logprobs = logprobs
        self._written: list[dict[str, Any]] = []
        self.calls = calls

    def add(self, part: Part) -> None:
        """Add a part."""
        if isinstance(part, (Text, Refusal)):
            self._message()["content"].append(self._content(part))
        elif isinstance(part, Reasoning):
            self._thought(part)
        elif isinstance(part, ToolCall):
            self._written.append(self.call(part))
            self.calls += 1
        elif isinstance(part, Opaque):
            if part.dialect == DIALECT_NAME:
                self._written.append(part.document)
        elif isinstance(part, Media) and part.text:
            # What was said aloud.
            self._message()["content"].append(self._content(Text(text=part.text)))

    def done(self) -> list[dict[str, Any]]:
        """Give the items."""
        return self._written

    def message(self) -> dict[str, Any]:
        """A message without content."""
        held = {"type": "message", "role": "assistant"}
        return {**held, **self._named("msg"), "content": []}

    def reasoning(self, name: str = "") -> dict[str, Any]:
        """A thought without text."""
        identity = name or self.name("rs")
        return {"type": "reasoning", "id": identity, "summary": []}

    def call(self, part: ToolCall) -> dict[str, Any]:
        """A call of a tool."""
        kind, field, prefix = (
            ("custom_tool_call", "input", "ctc") if part.custom else ("function_call", "arguments", "fc")
        )
        held: dict[str, Any] = {"type": kind}
        if not self._history:
            held["id"] = self.name(prefix)
            if not part.custom:
                held["status"] = "completed"
        return {**held, "call_id": part.id or f"call_{self.calls}", "name": part.name, field: part.arguments}

    def name(self, prefix: str) -> str:
        """The name of the next item."""
        return f"{prefix}_{self._answer}_{len(self._written)}"

    def _named(self, prefix: str) -> dict[str, Any]:
        return {} if self._history else {"id": self.name(prefix), "status": "completed"}

    def _message(self) -> dict[str, Any]:
        if not self._written or self._written[-1]["type"] != "message":
            self._written.append(self.message())
        return self._written[-1]

    def _content(self, part: Text | Refusal) -> dict[str, Any]:
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        notes = write_citations(part.citations, len(part.text))
        held: dict[str, Any] = {"type": "output_text", "text": part.text, "annotations": notes}
        if not self._history:
            held["logprobs"], self._logprobs = write_logprobs(self._logprobs), None
        return held

    def _thought(self, part: Reasoning) -> None:
        if not part.text and part.origin != DIALECT_NAME:
            # Another provider's seal, worth nothing here.
            return
        last = self._written[-1] if self._written else {}
        if last.get("type") != "reasoning" or not part.id or last.get("id") != part.id:
            last = self.reasoning(part.id)
            self._written.append(last)
        if part.text and part.summary:
            last["summary"].append({"type": "summary_text", "text": part.text})
        elif part.text:
            last.setdefault("content", []).append({"type": "reasoning_text", "text": part.text})
        if part.encrypted and part.origin == DIALECT_NAME:
            last["encrypted_content"] = part.encrypted
