"""Content blocks read into the parts of turns and answers. A point of the cache marks the part before it."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.chat import Media, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from gateway.core.errors import MalformedRequest
from gateway.wire.bedrock_converse.chat_pieces import SEALED_BY, media_type, read_cache, read_citation, text_of
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.block_calls import arguments_text
from gateway.wire.shapes import is_array, is_object, is_text

_MARKED = (Text, Media, ToolCall, ToolResult)
_MEDIA = ("image", "document", "audio", "video")


def read_content(content: Any, where: str) -> list[Part]:
    """Read the content of a message.

    Raises:
        MalformedRequest: It is no array of blocks, naming the field.
    """
    if not is_array(content):
        raise wrong(where, "an array of blocks")
    parts: list[Part] = []
    for at, block in enumerate(content):
        if not is_object(block) or not block:
            raise wrong(f"{where}[{at}]", "an object with one field")
        if "cachePoint" in block:
            _mark(parts, block["cachePoint"])
        else:
            parts.append(_block(block, f"{where}[{at}]"))
    return parts


def _mark(parts: list[Part], point: Any) -> None:
    if parts and isinstance(last := parts[-1], _MARKED):
        parts[-1] = msgspec.structs.replace(last, cache=read_cache(point))
    else:
        parts.append(Opaque(dialect=DIALECT_NAME, kind="cachePoint", document={"cachePoint": point}))


def _block(block: dict[str, Any], where: str) -> Part:
    if "text" in block:
        return Text(text=needed(block, "text", where))
    kind = next((name for name in _MEDIA if name in block), "")
    if kind:
        return _media(block[kind], kind, f"{where}.{kind}")
    if "toolUse" in block:
        return _call(block, f"{where}.toolUse")
    if "toolResult" in block:
        return _result(block, f"{where}.toolResult")
    if "reasoningContent" in block:
        return _thought(block["reasoningContent"], f"{where}.reasoningContent")
    if "citationsContent" in block:
        return _cited(block["citationsContent"], f"{where}.citationsContent")
    if "guardContent" in block:
        return _guarded(block["guardContent"], f"{where}.guardContent")
    if "searchResult" in block:
        return _found(block["searchResult"], f"{where}.searchResult")
    return Opaque(dialect=DIALECT_NAME, kind=next(iter(block)), document=block)


def _call(block: dict[str, Any], where: str) -> Part:
    call = block["toolUse"]
    if not is_object(call):
        raise wrong(where, "an object")
    if call.get("type") is not None:
        return Opaque(dialect=DIALECT_NAME, kind="toolUse", document=block)
    given = call.get("input")
    if given is not None and not is_object(given):
        raise wrong(f"{where}.input", "an object")
    identity, name = needed(call, "toolUseId", where), needed(call, "name", where)
    return ToolCall(id=identity, name=name, arguments=arguments_text(given or {}))


def _result(block: dict[str, Any], where: str) -> Part:
    result = block["toolResult"]
    if not is_object(result):
        raise wrong(where, "an object")
    if result.get("type") is not None:
        return Opaque(dialect=DIALECT_NAME, kind="toolResult", document=block)
    content = result.get("content")
    parts: list[Text | Media] = []
    only: Any = None
    for at, each in enumerate(content if is_array(content) else ()):
        if is_object(each) and "json" in each:
            only = each["json"]
            parts.append(Text(text=arguments_text(only)))
            continue
        for part in read_content([each], f"{where}.content[{at}]"):
            if not isinstance(part, (Text, Media)):
                raise wrong(f"{where}.content", "text, JSON, images and documents")
            parts.append(part)
    alone = len(parts) == 1 and only is not None
    return ToolResult(
        call_id=needed(result, "toolUseId", where),
        parts=() if alone else tuple(parts),
        document=only if alone else None,
        is_error=result.get("status") == "error",
    )


def _thought(thought: Any, where: str) -> Reasoning:
    if not is_object(thought):
        raise wrong(where, "an object")
    if hidden := text_of(thought, "redactedContent"):
        return Reasoning(encrypted=hidden, origin=SEALED_BY)
    said = thought.get("reasoningText")
    if not is_object(said):
        raise wrong(f"{where}.reasoningText", "an object")
    return Reasoning(text=text_of(said, "text"), signature=text_of(said, "signature"), origin=SEALED_BY)


def _cited(cited: Any, where: str) -> Text:
    if not is_object(cited):
        raise wrong(where, "an object")
    content, notes = cited.get("content"), cited.get("citations")
    text = "".join(text_of(each, "text") for each in (content if is_array(content) else ()) if is_object(each))
    read = [read_citation(note) for note in (notes if is_array(notes) else ())]
    places = tuple(msgspec.structs.replace(each, start=0, end=len(text)) for each in read if each is not None)
    return Text(text=text, citations=places)


def _guarded(guarded: Any, where: str) -> Part:
    """What a guardrail of the provider's is to look at is a part of the conversation like any other."""
    held = guarded.get("text") if is_object(guarded) else None
    if is_object(held):
        return Text(text=needed(held, "text", f"{where}.text"))
    if is_object(guarded) and "image" in guarded:
        return _media(guarded["image"], "image", f"{where}.image")
    raise wrong(where, "text or an image")


def _found(result: Any, where: str) -> Media:
    if not is_object(result):
        raise wrong(where, "an object")
    cited = result.get("citations")
    return Media(
        kind="document",
        text=_joined(result.get("content")),
        name=text_of(result, "title"),
        context=text_of(result, "source"),
        citations=is_object(cited) and cited.get("enabled") is True,
    )


def _media(held: Any, kind: Any, where: str) -> Media:
    source = held.get("source") if is_object(held) else None
    if not is_object(held) or not is_object(source):
        raise wrong(f"{where}.source", "an object")
    cited, stored = held.get("citations"), source.get("s3Location")
    media = Media(
        kind=kind,
        media_type=media_type(kind, text_of(held, "format")),
        name=text_of(held, "name"),
        context=text_of(held, "context"),
        citations=is_object(cited) and cited.get("enabled") is True,
    )
    if is_object(stored):
        # Only this provider can read it there.
        return msgspec.structs.replace(media, file_id=needed(stored, "uri", f"{where}.source.s3Location"))
    if "bytes" in source:
        return msgspec.structs.replace(media, data=needed(source, "bytes", f"{where}.source"))
    words = source["text"] if is_text(source.get("text")) else _joined(source.get("content"))
    if kind != "document" or not words:
        raise wrong(f"{where}.source", "bytes, text or a place in S3")
    return msgspec.structs.replace(media, text=words, media_type="")


def _joined(content: Any) -> str:
    texts = [text_of(each, "text") for each in (content if is_array(content) else ()) if is_object(each)]
    return "\n".join(texts)


def wrong(where: str, wanted: str) -> MalformedRequest:
    """Say which field is wrong."""
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)


def needed(holder: dict[str, Any], name: str, where: str) -> str:
    """A field that must be a string.

    Raises:
        MalformedRequest: It is none.
    """
    value = holder.get(name)
    if not is_text(value) or (name != "text" and not value):
        raise wrong(f"{where}.{name}" if where else name, "a string that is not empty")
    return value
