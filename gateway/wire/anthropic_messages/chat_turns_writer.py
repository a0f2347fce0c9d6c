"""Turns written as the messages of a request.

Here user and assistant take turns, what the system says stands before all of it, and results of tools come first in
the turn of the user that follows the calls. A call without an id gets one by its position, and so does its result.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from gateway.core.chat import Media, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages.chat_pieces import write_cache, write_citation
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.block_calls import arguments_object, arguments_text

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_SYSTEM = frozenset({"system", "developer"})


class TurnsWriter:
    """Writes the turns of one request.

    Args:
        losses: Takes what has no place.
        own: The request came in this dialect: its files, and the places of what the system says, are good here.
    """

    __slots__ = ("_losses", "_made", "_own", "_unanswered", "messages", "system")

    def __init__(self, losses: Losses, *, own: bool) -> None:
        self._losses = losses
        self._own = own
        self._made = 0
        # Calls that had no id and wait for their results: name of the tool and id, in order.
        self._unanswered: list[tuple[str, str]] = []
        self.system: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []

    def write(self, turns: tuple[Turn, ...]) -> None:
        """Write them."""
        for turn in turns:
            if turn.name:
                self._losses.always("name")
            blocks = [block for part in turn.parts if (block := self._block(part)) is not None]
            if turn.role not in _SYSTEM:
                self._add("assistant" if turn.role == "assistant" else "user", blocks)
            elif self._own and self.messages:
                self._add("system", blocks)
            else:
                self.system += blocks
        for message in self.messages:
            message["content"] = _plain(message["content"])

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        content: list[dict[str, Any]] = self.messages[-1]["content"] + blocks
        if role == "user":
            # Stable: results first, and otherwise as they were said.
            content.sort(key=_is_said)
        self.messages[-1]["content"] = content

    def _block(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, Text):
            return self._text(part)
        if isinstance(part, Media):
            return self._media(part)
        if isinstance(part, Reasoning):
            return self._thought(part)
        if isinstance(part, Refusal):
            return {"type": "text", "text": part.text} if part.text else None
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, ToolResult):
            return self._result(part)
        if part.dialect == DIALECT_NAME:
            return part.document
        self._losses.always(part.kind)
        return None

    def _text(self, part: Text) -> dict[str, Any] | None:
        if not part.text.strip():
            # Refused here, and says nothing anywhere.
            return None
        block: dict[str, Any] = {"type": "text", "text": part.text, **write_cache(part.cache)}
        cited = [note for each in part.citations if each.dialect == DIALECT_NAME and (note := write_citation(each))]
        if len(cited) < len(part.citations):
            self._losses.always("citations")
        return {**block, "citations": cited} if cited else block

    def _thought(self, part: Reasoning) -> dict[str, Any] | None:
        if part.origin == DIALECT_NAME and part.encrypted:
            return {"type": "redacted_thinking", "data": part.encrypted}
        if part.origin == DIALECT_NAME and part.signature:
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        self._losses.always("thinking")
        return None

    def _call(self, call: ToolCall) -> dict[str, Any]:
        if call.signature and call.origin != DIALECT_NAME:
            self._losses.always("thinking")
        given = arguments_object(call.arguments) if not call.custom else {"input": call.arguments}
        if given is None:
            raise MalformedRequest(f"The arguments of the call '{call.id}' are no JSON object.", param="messages")
        identity = _NOT_IN_IDS.sub("_", call.id)
        if not identity:
            identity = f"call_{self._made}"
            self._made += 1
            self._unanswered.append((call.name, identity))
        return {"type": "tool_use", "id": identity, "name": call.name, "input": given, **write_cache(call.cache)}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        said = [self._block(part) for part in result.parts]
        content = [each for each in said if each is not None]
        if result.document is not None and not result.parts:
            content.append({"type": "text", "text": arguments_text(result.document)})
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self._answered(result)}
        if content:
            block["content"] = _plain(content)
        if result.is_error:
            block["is_error"] = True
        return {**block, **write_cache(result.cache)}

    def _answered(self, result: ToolResult) -> str:
        """The id of the call that a result belongs to: its own, or that of the first open call of its tool."""
        if result.call_id:
            return _NOT_IN_IDS.sub("_", result.call_id)
        for at, (name, identity) in enumerate(self._unanswered):
            if not result.name or name == result.name:
                del self._unanswered[at]
                return identity
        return f"call_{self._made}"

    def _media(self, media: Media) -> dict[str, Any] | None:
        source = self._source(media)
        if source is None:
            return None
        if media.detail not in ("", "auto"):
            self._losses.always("detail")
        block: dict[str, Any] = {"type": media.kind, "source": source}
        if media.kind == "document":
            block |= {name: value for name, value in (("title", media.name), ("context", media.context)) if value}
            if media.citations:
                block["citations"] = {"enabled": True}
        return {**block, **write_cache(media.cache)}

    def _source(self, media: Media) -> dict[str, Any] | None:
        if media.kind not in ("image", "document"):
            self._losses.lose("turns", f"this provider takes no {media.kind}")
            return None
        if media.text:
            return {"type": "text", "media_type": "text/plain", "data": media.text}
        if media.url:
            return {"type": "url", "url": media.url}
        if media.file_id:
            if self._own:
                return {"type": "file", "file_id": media.file_id}
            self._losses.lose("file_id", "an uploaded file is known to the provider only that it was uploaded to")
            return None
        if media.kind == "document" and media.media_type.startswith("text/"):
            return {"type": "text", "media_type": "text/plain", "data": _decoded(media.data)}
        usual = "image/png" if media.kind == "image" else "application/pdf"
        return {"type": "base64", "media_type": media.media_type or usual, "data": media.data}


def _is_said(block: dict[str, Any]) -> bool:
    return block["type"] != "tool_result"


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise MalformedRequest("A document that should be text is no UTF-8 in base64.", param="messages") from None


def _plain(content: list[dict[str, Any]]) -> Any:
    """One text is a string."""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return content[0]["text"]
    return content
