"""Turns written as the contents of a request: the user's and the model's, and the system's beside them.

Results of tools are the user's to say here; turns of one side that follow each other are one content.
"""

from __future__ import annotations

from typing import Any

from gateway.core.chat import Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import MalformedRequest
from gateway.core.losses import Losses
from gateway.wire.gemini.chat_pieces import write_call
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.shapes import is_object

_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif",
    ".pdf": "application/pdf", ".mp4": "video/mp4", ".mp3": "audio/mp3", ".wav": "audio/wav",
}  # fmt: skip
# For media of which nobody has said what they are.
_USUAL = {"image": "image/png", "document": "application/pdf"}
_OWN_FILES = ("gs://", "https://generativelanguage.googleapis.com/", "files/")
# What Google's newest models take for the seal on a call that another model has made.
UNSEALED = "skip_thought_signature_validator"


class TurnsWriter:
    """Writes the turns of one request.

    Args:
        losses: Takes what has no place.
        seals: Calls must be sealed.
    """

    __slots__ = ("_called", "_losses", "_seals", "system")

    def __init__(self, losses: Losses, *, seals: bool) -> None:
        self._losses = losses
        self._seals = seals
        # Names of the tools that were called, by the ids of their calls.
        self._called: dict[str, str] = {}
        self.system: list[dict[str, Any]] = []

    def write(self, turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
        """Write them; what the system says is in :attr:`system` then."""
        contents: list[dict[str, Any]] = []
        for turn in turns:
            if turn.name:
                self._losses.always("name")
            parts: list[dict[str, Any]] = []
            for part in turn.parts:
                self._part(part, parts)
            if turn.role in ("system", "developer"):
                self.system += parts
                continue
            role = "model" if turn.role == "assistant" else "user"
            if self._seals and role == "model":
                _seal(parts)
            if contents and contents[-1]["role"] == role:
                contents[-1]["parts"] += parts
            elif parts:
                contents.append({"role": role, "parts": parts})
        return contents

    def _part(self, part: Part, parts: list[dict[str, Any]]) -> None:
        if isinstance(part, (Text, Media, ToolCall, ToolResult)) and part.cache is not None:
            self._losses.always("cache_control")
        if isinstance(part, Text):
            if part.text:
                parts.append({"text": part.text})
        elif isinstance(part, Media):
            self._media(part, parts)
        elif isinstance(part, Reasoning):
            self._thought(part, parts)
        elif isinstance(part, Refusal):
            parts.append({"text": part.text})
        elif isinstance(part, ToolCall):
            self._call(part, parts)
        elif isinstance(part, ToolResult):
            parts.append({"functionResponse": self._result(part)})
        else:
            self._opaque(part, parts)

    def _thought(self, part: Reasoning, parts: list[dict[str, Any]]) -> None:
        if part.origin != DIALECT_NAME:
            self._losses.always("thinking")
        elif part.text:
            seal = {"thoughtSignature": part.signature} if part.signature else {}
            parts.append({"text": part.text, "thought": True, **seal})
        elif part.signature and parts and parts[-1].keys() <= {"text", "inlineData", "fileData"}:
            parts[-1]["thoughtSignature"] = part.signature
        elif part.signature:
            parts.append({"text": "", "thoughtSignature": part.signature})

    def _call(self, call: ToolCall, parts: list[dict[str, Any]]) -> None:
        if call.custom:
            self._losses.lose("tools", "this provider has no tools that take free text")
        if call.signature and call.origin != DIALECT_NAME:
            self._losses.always("thinking")
        if call.id:
            self._called[call.id] = call.name
        parts.append(write_call(call, "contents"))

    def _result(self, result: ToolResult) -> dict[str, Any]:
        name = result.name or self._called.get(result.call_id, "")
        if not name:
            raise MalformedRequest(f"The result '{result.call_id[:100]}' belongs to no call.", param="contents")
        response: dict[str, Any] = {"id": result.call_id} if result.call_id else {}
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        pieces: list[dict[str, Any]] = []
        for part in result.parts:
            if isinstance(part, Media):
                self._media(part, pieces)
        texts += [piece["text"] for piece in pieces if "text" in piece]
        document = result.document
        if not is_object(document):
            document = {"error" if result.is_error else "result": "\n".join(texts)}
        response |= {"name": name, "response": document}
        media = [piece for piece in pieces if "text" not in piece]
        return {**response, "parts": media} if media else response

    def _media(self, media: Media, parts: list[dict[str, Any]]) -> None:
        if media.citations:
            self._losses.always("citations")
        if media.detail not in ("", "auto"):
            self._losses.always("detail")
        if media.text and not media.data:
            head = [line for line in (media.name, media.context) if line]
            parts.append({"text": "\n".join((*head, media.text))})
            return
        if media.context:
            parts.append({"text": media.context})
        kind = media.media_type or _USUAL.get(media.kind, "")
        named = {"displayName": media.name} if media.name else {}
        if media.data:
            if not kind:
                self._losses.lose("messages", f"it is not said of what type the {media.kind} is")
                return
            parts.append({"inlineData": {"mimeType": kind, "data": media.data, **named}})
        elif media.file_id and not media.file_id.startswith(_OWN_FILES):
            self._losses.lose("file_id", "an uploaded file is known to the provider only that it was uploaded to")
        elif uri := media.file_id or media.url:
            kind = media.media_type or _type_of(uri)
            typed = {"mimeType": kind} if kind else {}
            parts.append({"fileData": {**typed, "fileUri": uri, **named}})

    def _opaque(self, part: Opaque, parts: list[dict[str, Any]]) -> None:
        if part.dialect != DIALECT_NAME:
            self._losses.always(part.kind)
        elif part.kind in _BESIDE and parts:
            parts[-1] |= part.document
        else:
            parts.append(dict(part.document))


# What says more of the part that it stands in.
_BESIDE = frozenset(
    {"videoMetadata", "video_metadata", "mediaResolution", "media_resolution", "partMetadata", "part_metadata"}
)


def _seal(parts: list[dict[str, Any]]) -> None:
    """Mark the first call of a content when it is not sealed: parallel ones behind it need no seal."""
    call = next((part for part in parts if "functionCall" in part), None)
    if call is not None and "thoughtSignature" not in call:
        call["thoughtSignature"] = UNSEALED


def _type_of(uri: str) -> str:
    path = uri.partition("?")[0].partition("#")[0].lower()
    return next((kind for end, kind in _TYPES.items() if path.endswith(end)), "")
