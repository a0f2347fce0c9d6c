"""Turns written as the messages of a request.

Here user and assistant take turns, what the system says stands before all of it, and results of tools come first in the
turn of the user that follows the calls. A call without an id gets one by its position, and so does its result.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from gateway.core.chat import CacheMark, Media, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.chat_pieces import FORMATS, SEALED_BY, write_cache, write_citation
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.block_calls import arguments_object

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_.:-]")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
_MAX_ID_CHARS, _MAX_NAME_CHARS = 64, 200
_SYSTEM = frozenset({"system", "developer"})
# Models that remember what is marked, and those that know their own seals; an ARN does not say what it stands for.
_REMEMBERS = re.compile(r"claude|nova|\Aarn:")
_SEALS = re.compile(r"claude|\Aarn:")
_STORED = "s3://"


class TurnsWriter:
    """Writes the turns of one request.

    Args:
        model: The name the provider knows.
        losses: Takes what has no place.
        own: The request came in this dialect.
    """

    __slots__ = ("_losses", "_made", "_names", "_own", "_remembers", "_seals", "_unanswered", "messages", "system")

    def __init__(self, model: str, losses: Losses, *, own: bool) -> None:
        self._losses = losses
        self._own = own
        self._remembers = own or _REMEMBERS.search(model) is not None
        self._seals = own or _SEALS.search(model) is not None
        self._made = 0
        # Documents must have names, each its own in a request.
        self._names: set[str] = set()
        # Calls that had no id and wait for their results: name of the tool and id, in order.
        self._unanswered: list[tuple[str, str]] = []
        self.system: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []

    def write(self, turns: tuple[Turn, ...]) -> None:
        """Write them."""
        for turn in turns:
            if turn.name:
                self._losses.always("name")
            blocks = self._blocks(turn.parts)
            if turn.role not in _SYSTEM:
                self._add("assistant" if turn.role == "assistant" else "user", blocks)
            elif self._own and self.messages:
                self._add("system", blocks)
            else:
                self.system += blocks

    def mark(self, mark: CacheMark | None) -> list[dict[str, Any]]:
        """Write the block that marks what stands before it, where the model can make something of it."""
        if mark is None:
            return []
        if not self._remembers:
            self._losses.always("cache")
            return []
        return [write_cache(mark)]

    def _blocks(self, parts: tuple[Part, ...]) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        for part in parts:
            block = self._block(part)
            if block is not None:
                blocks.append(block)
                blocks += self.mark(getattr(part, "cache", None))
        return blocks

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        content: list[dict[str, Any]] = self.messages[-1]["content"] + blocks
        self.messages[-1]["content"] = _results_first(content) if role == "user" else content

    def _block(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, Text):
            return self._text(part)
        if isinstance(part, Media):
            return self._media(part)
        if isinstance(part, Reasoning):
            return self._thought(part)
        if isinstance(part, Refusal):
            return {"text": part.text} if part.text else None
        if isinstance(part, ToolCall):
            return {"toolUse": self._call(part)}
        if isinstance(part, ToolResult):
            return {"toolResult": self._result(part)}
        if part.dialect == DIALECT_NAME:
            return part.document
        self._losses.always(part.kind)
        return None

    def _text(self, part: Text) -> dict[str, Any] | None:
        if not part.text.strip():
            # Refused here, and says nothing anywhere.
            return None
        notes = [note for each in part.citations if each.dialect == DIALECT_NAME and (note := write_citation(each))]
        if len(notes) < len(part.citations):
            self._losses.always("citations")
        if notes:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": notes}}
        return {"text": part.text}

    def _thought(self, part: Reasoning) -> dict[str, Any] | None:
        if part.origin == SEALED_BY and self._seals:
            if part.encrypted:
                return {"reasoningContent": {"redactedContent": part.encrypted}}
            if part.signature:
                return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}
        if self._own and part.text:
            return {"reasoningContent": {"reasoningText": {"text": part.text}}}
        self._losses.always("thinking")
        return None

    def _call(self, call: ToolCall) -> dict[str, Any]:
        if call.signature:
            self._losses.always("thinking")
        given = {"input": call.arguments} if call.custom else arguments_object(call.arguments)
        if given is None:
            raise MalformedRequest(f"The arguments of the call '{call.id}' are no JSON object.", param="messages")
        identity = _identity(call.id)
        if not identity:
            identity = f"call_{self._made}"
            self._made += 1
            self._unanswered.append((call.name, identity))
        return {"toolUseId": identity, "name": call.name, "input": given}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        said = [self._block(part) for part in result.parts]
        content = [each for each in said if each is not None]
        if result.document is not None and not result.parts:
            content.append({"json": result.document})
        written: dict[str, Any] = {"toolUseId": self._answered(result), "content": content}
        return {**written, "status": "error"} if result.is_error else written

    def _answered(self, result: ToolResult) -> str:
        """The id of the call that a result belongs to: its own, or that of the first open call of its tool."""
        if result.call_id:
            return _identity(result.call_id)
        for at, (name, identity) in enumerate(self._unanswered):
            if not result.name or name == result.name:
                del self._unanswered[at]
                return identity
        return f"call_{self._made}"

    def _media(self, media: Media) -> dict[str, Any] | None:
        source = self._source(media)
        if source is None:
            return None
        plain = "bytes" not in source and "s3Location" not in source
        written = "txt" if plain else FORMATS[media.kind].get(media.media_type.partition(";")[0])
        if written is None and media.kind == "document" and media.media_type.startswith("text/"):
            written = "txt"
        if written is None and not media.media_type:
            written = {"image": "png", "document": "pdf"}.get(media.kind)
        if written is None:
            self._losses.lose("turns", f"this provider takes no {media.kind} of the type '{media.media_type[:64]}'")
            return None
        if media.detail not in ("", "auto"):
            self._losses.always("detail")
        block: dict[str, Any] = {"format": written, "source": source}
        if media.kind == "document":
            block["name"] = self._named(media.name)
            if media.context:
                block["context"] = media.context
            if media.citations:
                block["citations"] = {"enabled": True}
        return {media.kind: block}

    def _source(self, media: Media) -> dict[str, Any] | None:
        if media.text and media.kind == "document":
            return {"text": media.text}
        stored = next((place for place in (media.file_id, media.url) if place.startswith(_STORED)), "")
        if stored:
            return {"s3Location": {"uri": stored}}
        if media.url:
            self._losses.lose("turns", f"this provider takes no {media.kind} behind an address")
            return None
        if media.file_id:
            self._losses.lose("file_id", "an uploaded file is known to the provider only that it was uploaded to")
            return None
        if (
            media.kind == "document"
            and media.media_type.startswith("text/")
            and media.media_type not in FORMATS["document"]
        ):
            return {"text": _decoded(media.data)}
        return {"bytes": media.data}

    def _named(self, written: str) -> str:
        name = plain = _NOT_IN_NAMES.sub("-", written).strip()[:_MAX_NAME_CHARS] or "document"
        while name in self._names:
            name = f"{plain[: _MAX_NAME_CHARS - 8]}-{len(self._names)}"
        self._names.add(name)
        return name


def _identity(written: str) -> str:
    return _NOT_IN_IDS.sub("_", written)[:_MAX_ID_CHARS]


def _results_first(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results, each with its mark, and then the rest as it was said."""
    results: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    into = others
    for block in content:
        if "cachePoint" not in block:
            into = results if "toolResult" in block else others
        into.append(block)
    return results + others


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise MalformedRequest("A document that should be text is no UTF-8 in base64.", param="messages") from None
