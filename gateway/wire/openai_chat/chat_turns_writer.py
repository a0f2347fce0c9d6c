"""Turns written as the messages of a chat request.

Results of tools are messages of their own here; a user's turn that holds some is split where they stand. A call
without an id gets one by its position, and so does the result that belongs to it.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.chat import Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.losses import Losses
from gateway.wire.openai_chat.request import DIALECT_NAME

_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}
_MESSAGE = "message."


class TurnsWriter:
    """Writes the turns of one request.

    Args:
        losses: Takes what has no place.
        own_files: Names of files are this dialect's own.
    """

    __slots__ = ("_losses", "_made", "_own_files", "_unanswered")

    def __init__(self, losses: Losses, *, own_files: bool) -> None:
        self._losses = losses
        self._own_files = own_files
        self._made = 0
        # Calls that had no id and wait for their results: name of the tool and id, in order.
        self._unanswered: list[tuple[str, str]] = []

    def write(self, turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
        """Write them."""
        messages: list[dict[str, Any]] = []
        for turn in turns:
            if turn.role == "assistant":
                messages.append(self._assistant(turn))
            else:
                self._split(turn, messages)
        return messages

    def _split(self, turn: Turn, messages: list[dict[str, Any]]) -> None:
        said: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolResult):
                self._said(turn, said, messages)
                said = []
                messages.append(self._result(part))
            else:
                said.append(part)
        if said or not turn.parts:
            self._said(turn, said, messages)

    def _said(self, turn: Turn, parts: list[Part], messages: list[dict[str, Any]]) -> None:
        if not parts and turn.parts:
            return
        role = "user" if turn.role == "tool" else turn.role
        message: dict[str, Any] = {"role": role, "content": ""}
        if turn.name:
            message["name"] = turn.name
        content: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, Opaque) and part.kind.startswith(_MESSAGE):
                self._beside(part, message)
            elif (written := self._piece(part)) is not None:
                content.append(written)
        message["content"] = _plain(content)
        messages.append(message)

    def _assistant(self, turn: Turn) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if turn.name:
            message["name"] = turn.name
        content: list[dict[str, Any]] = []
        calls = [self._call(part) for part in turn.parts if isinstance(part, ToolCall)]
        thoughts = [self._thought(part) for part in turn.parts if isinstance(part, Reasoning)]
        for part in turn.parts:
            if isinstance(part, Opaque) and part.kind.startswith(_MESSAGE):
                self._beside(part, message)
            elif not isinstance(part, (ToolCall, Reasoning)) and (written := self._piece(part)) is not None:
                content.append(written)
        if content or not calls:
            message["content"] = _plain(content)
        if any(thoughts):
            message["reasoning_content"] = "".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        return message

    def _thought(self, part: Reasoning) -> str:
        if part.origin == DIALECT_NAME:
            return part.text
        self._losses.always("thinking")
        return ""

    def _beside(self, part: Opaque, message: dict[str, Any]) -> None:
        if part.dialect == DIALECT_NAME:
            message[part.kind.removeprefix(_MESSAGE)] = part.document
        else:
            self._losses.always(part.kind)

    def _call(self, call: ToolCall) -> dict[str, Any]:
        if call.cache is not None:
            self._losses.always("cache_control")
        if call.signature and call.origin != DIALECT_NAME:
            self._losses.always("thinking")
        identity = call.id
        if not identity:
            identity = f"call_{self._made}"
            self._made += 1
            self._unanswered.append((call.name, identity))
        if call.custom:
            return {"id": identity, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        if result.cache is not None:
            self._losses.always("cache_control")
        if result.is_error:
            self._losses.always("is_error")
        content: list[dict[str, Any]] = []
        for part in result.parts:
            if isinstance(part, Media) and not part.text:
                self._losses.lose("messages", f"a tool's result cannot hold {part.kind} for this provider")
            elif (written := self._piece(part)) is not None:
                content.append(written)
        if result.document is not None and not result.parts:
            content.append({"type": "text", "text": orjson.dumps(result.document).decode()})
        return {"role": "tool", "tool_call_id": self._answered(result), "content": _plain(content)}

    def _answered(self, result: ToolResult) -> str:
        """The id of the call that a result belongs to: its own, or that of the first open call of its tool."""
        if result.call_id:
            return result.call_id
        for at, (name, identity) in enumerate(self._unanswered):
            if not result.name or name == result.name:
                del self._unanswered[at]
                return identity
        return f"call_{self._made}"

    def _piece(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, (Text, Media)) and part.cache is not None:
            self._losses.always("cache_control")
        if isinstance(part, Text):
            if part.citations:
                self._losses.always("citations")
            return {"type": "text", "text": part.text}
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        if isinstance(part, Media):
            return self._media(part)
        if isinstance(part, Opaque) and part.dialect == DIALECT_NAME:
            return part.document
        if isinstance(part, Reasoning):
            self._losses.always("thinking")
        elif isinstance(part, Opaque):
            self._losses.always(part.kind)
        else:
            self._losses.lose("messages", "a tool's call or result stands in a message that cannot hold it")
        return None

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.citations:
            self._losses.lose("citations")
        if media.file_id and (media.kind != "document" or not self._own_files):
            self._losses.lose("file_id", "an uploaded file is known to the provider only that it was uploaded to")
            return None
        if media.kind in ("image", "video"):
            return _link(media)
        if media.kind == "audio" and media.data and media.media_type in _AUDIO:
            return {"type": "input_audio", "input_audio": {"data": media.data, "format": _AUDIO[media.media_type]}}
        if media.kind == "document":
            return self._document(media)
        self._losses.lose("messages", "only sound in the formats wav and mp3, and as data, can be carried")
        return None

    def _document(self, media: Media) -> dict[str, Any] | None:
        if media.text:
            head = [line for line in (media.name, media.context) if line]
            return {"type": "text", "text": "\n".join((*head, media.text))}
        if media.context:
            self._losses.lose("context")
        if media.url:
            self._losses.lose("url", "a document behind an address cannot be carried to this provider")
            return None
        file: dict[str, Any] = {}
        if media.name:
            file["filename"] = media.name
        if media.data:
            file["file_data"] = _data_url(media)
            file.setdefault("filename", "document")
        if media.file_id:
            file["file_id"] = media.file_id
        return {"type": "file", "file": file}


def _link(media: Media) -> dict[str, Any]:
    kind = f"{media.kind}_url"
    held: dict[str, Any] = {"url": _data_url(media) if media.data else media.url}
    if media.detail:
        held["detail"] = media.detail
    return {"type": kind, kind: held}


def _data_url(media: Media) -> str:
    return f"data:{media.media_type};base64,{media.data}" if media.media_type else media.data


def _plain(content: list[dict[str, Any]]) -> Any:
    """One text is a string, as every server takes it."""
    if not content:
        return ""
    if len(content) == 1 and content[0].get("type") == "text" and content[0].keys() == {"type", "text"}:
        return content[0]["text"]
    return content
