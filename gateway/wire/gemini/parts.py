"""The pieces that requests and answers are made of: where in a ``Content`` its texts stand."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.core.segments import KEY, Path, Segment, walk_leaves
from gateway.wire.gemini.spelling import either, listed, read, snake
from gateway.wire.grammar import Found, Rule, base64_media, constant, each, fields, leaves, said_by, text, url
from gateway.wire.shapes import is_object, is_text

NUMBER = constant()
CODE_TOOL = "code_execution"
_LEAF = leaves()
_ROLES = {"user": "user", "model": "assistant", "function": "tool", "tool": "tool", "system": "system"}
_ROLE = constant(*_ROLES)
_MIME = constant(
    "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/gif", "audio/wav", "audio/mp3",
    "audio/mpeg", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac", "audio/pcm", "video/mp4", "video/mpeg",
    "video/mov", "video/quicktime", "video/webm", "application/pdf", "application/json", "text/plain", "text/html",
    "text/csv", "text/markdown",
)  # fmt: skip
_BLOB = fields(either({"mimeType": _MIME, "data": base64_media, "displayName": text("file_name")}))
# Nothing but text, however it is encoded: not media.
_TEXT_BLOB = fields(either({"mimeType": _MIME, "data": text("text"), "displayName": text("file_name")}))
_FILE = fields(either({"fileUri": url, "mimeType": _MIME, "displayName": text("file_name")}))
_RESOLUTION = constant(
    "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH", "MEDIA_RESOLUTION_ULTRA_HIGH"
)
_PARTIAL = fields(either({"jsonPath": _LEAF, "stringValue": text("tool_argument"), "willContinue": NUMBER}))
_CALL = fields(either({"id": _LEAF, "name": text("tool_name"), "willContinue": NUMBER, "partialArgs": each(_PARTIAL)}))


def is_words(blob: Any) -> bool:
    """Say whether inline data is text that a model reads as such."""
    mime = read(blob, "mimeType")
    return is_text(mime) and (mime.startswith("text/") or mime.endswith(("json", "xml", "+json", "+xml")))


def _blob(path: Path, role: str, value: Any, found: Found) -> None:
    (_TEXT_BLOB if is_words(value) else _BLOB)(path, role, value, found)


def _call(path: Path, role: str, value: Any, found: Found) -> None:
    """A call: its arguments are an object, and are judged as the JSON text that other dialects have there."""
    if not is_object(value):
        _CALL(path, role, value, found)
        return
    start = len(found)
    _CALL(path, role, {name: item for name, item in value.items() if name != "args"}, found)
    args = value.get("args")
    if is_object(args):
        written = orjson.dumps(args).decode()
        found.append(Segment((*path, "args"), role, "tool_argument", written, encoded=True, inline=True))
    elif args is not None:
        _LEAF((*path, "args"), role, args, found)
    name = value.get("name")
    if is_text(name) and name:
        _of_tool(found, start, name)


def _response(path: Path, role: str, value: Any, found: Found) -> None:
    """What a tool gave back: an object of any form, said by the tool whoever sends it."""
    if not is_object(value):
        _LEAF(path, "tool", value, found)
        return
    start = len(found)
    for name, item in value.items():
        here = (*path, name)
        if name in ("response", "result"):
            found.extend(walk_leaves(item, here, role="tool", kind="tool_result"))
        elif name == "name":
            text("tool_name")(here, role, item, found)
        elif name == "parts":
            each(_PIECE)(here, "tool", item, found)
        elif name in _RESPONSE_WORDS:
            _LEAF(here, role, item, found)
        else:
            found.append(Segment((*here, KEY), "tool", "json_key", name))
            _LEAF(here, "tool", item, found)
    name = value.get("name")
    if is_text(name) and name:
        _of_tool(found, start, name)


_RESPONSE_WORDS = frozenset(("id", "willContinue", "will_continue", "scheduling"))


def _of_tool(found: Found, start: int, tool: str) -> None:
    for at in range(start, len(found)):
        if found[at].kind in ("tool_argument", "tool_result"):
            found[at] = msgspec.structs.replace(found[at], tool=tool)


def _output(path: Path, role: str, value: Any, found: Found) -> None:
    del role
    if is_text(value) and value:
        found.append(Segment(path, "tool", "tool_result", value, tool=CODE_TOOL))
    else:
        _LEAF(path, "tool", value, found)


_OUTCOME = constant("OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")
_PIECE_RULES: dict[str, Rule] = {
    "text": text("text"),
    "thought": NUMBER,
    "thoughtSignature": base64_media,
    "inlineData": _blob,
    "fileData": _FILE,
    "functionCall": _call,
    "functionResponse": _response,
    "executableCode": fields(either({"id": _LEAF, "language": constant("PYTHON"), "code": text("text")})),
    "videoMetadata": fields(either({"startOffset": _LEAF, "endOffset": _LEAF, "fps": NUMBER})),
    "mediaResolution": fields({"level": _RESOLUTION}),
}


def _rule(output: Rule) -> Rule:
    result = fields(either({"id": _LEAF, "outcome": _OUTCOME, "output": output}))
    rules = either({**_PIECE_RULES, "codeExecutionResult": result})
    said = fields(rules, otherwise=text("text"))
    thought = fields({**rules, "text": text("reasoning")}, otherwise=text("text"))

    def rule(path: Path, role: str, value: Any, found: Found) -> None:
        (thought if is_object(value) and value.get("thought") is True else said)(path, role, value, found)

    return rule


# In an answer the output of the provider's own tool is part of what is shown to the client.
ANSWER_PART = _rule(text("text"))
_PIECE = _rule(_output)


def _speaker(content: Any) -> str:
    role = content.get("role") if is_object(content) else None
    # One that nobody is named for is the user's.
    return "user" if role is None else _ROLES.get(role, "") if is_text(role) else ""


_CONTENT = fields({"role": _ROLE, "parts": each(_PIECE)}, otherwise=text("text"))
CONTENTS = each(said_by(_speaker, _CONTENT))
SYSTEM = each(said_by(lambda _: "system", _CONTENT))
CONTENT_OF_USER = said_by(lambda _: "user", _CONTENT)


def spoken(parts: Any) -> bool:
    """Say whether parts can be those of a content: objects, or one object."""
    return all(is_object(part) for part in listed(parts))


def is_part(part: Any, name: str) -> bool:
    """Say whether a part is of a kind, in either spelling."""
    return is_object(part) and (name in part or snake(name) in part)
