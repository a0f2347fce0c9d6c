"""Content blocks read into the parts of turns and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.core.chat import Media, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from gateway.core.errors import MalformedRequest
from gateway.wire.anthropic_messages.chat_pieces import read_cache, read_citations
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.block_calls import arguments_text
from gateway.wire.shapes import is_array, is_object, is_text


def read_content(content: Any, where: str) -> list[Part]:
    """Read the content of a message: a string, or blocks.

    Raises:
        MalformedRequest: It is neither, naming the field.
    """
    if is_text(content):
        return [Text(text=content)] if content else []
    if not is_array(content):
        raise _wrong(where, "a string or an array of blocks")
    parts: list[Part] = []
    for at, block in enumerate(content):
        if not is_object(block):
            raise _wrong(f"{where}[{at}]", "an object")
        parts.append(_block(block, f"{where}[{at}]"))
    return parts


def _block(block: dict[str, Any], where: str) -> Part:
    kind = block.get("type")
    if not is_text(kind):
        raise _wrong(f"{where}.type", "a string")
    if kind == "text":
        text = _text(block, "text", where)
        return Text(text=text, cache=read_cache(block), citations=read_citations(block.get("citations"), len(text)))
    if kind in ("image", "document"):
        return _media(block, kind, where)
    if kind == "search_result":
        return _search_result(block, where)
    if kind == "thinking":
        return Reasoning(
            text=_text(block, "thinking", where), signature=_text(block, "signature", where), origin=DIALECT_NAME
        )
    if kind == "redacted_thinking":
        return Reasoning(encrypted=_text(block, "data", where), origin=DIALECT_NAME)
    if kind == "tool_use":
        return _call(block, where)
    if kind == "tool_result":
        return _result(block, where)
    return Opaque(dialect=DIALECT_NAME, kind=kind, document=block)


def _call(block: dict[str, Any], where: str) -> ToolCall:
    name, given = _text(block, "name", where), block.get("input")
    if not name:
        raise _wrong(f"{where}.name", "a string that is not empty")
    if given is not None and not is_object(given):
        raise _wrong(f"{where}.input", "an object")
    return ToolCall(
        id=_text(block, "id", where), name=name, arguments=arguments_text(given or {}), cache=read_cache(block)
    )


def _result(block: dict[str, Any], where: str) -> ToolResult:
    parts: list[Text | Media] = []
    content = block.get("content")
    for part in read_content("" if content is None else content, f"{where}.content"):
        if isinstance(part, (Text, Media)):
            parts.append(part)
        elif isinstance(part, Opaque):
            # A reference to a tool, say: what it says is all that others can know of it.
            parts.append(Text(text=arguments_text(part.document)))
        else:
            raise _wrong(f"{where}.content", "text, images and documents")
    identity = _text(block, "tool_use_id", where)
    if not identity:
        raise _wrong(f"{where}.tool_use_id", "a string that is not empty")
    return ToolResult(
        call_id=identity, parts=tuple(parts), is_error=block.get("is_error") is True, cache=read_cache(block)
    )


def _media(block: dict[str, Any], kind: Any, where: str) -> Media:
    source = block.get("source")
    if not is_object(source):
        raise _wrong(f"{where}.source", "an object")
    cited = block.get("citations")
    media = Media(
        kind=kind,
        media_type=_text(source, "media_type", where),
        name=_text(block, "title", where),
        context=_text(block, "context", where),
        citations=is_object(cited) and cited.get("enabled") is True,
        cache=read_cache(block),
    )
    inside = f"{where}.source"
    by = source.get("type")
    if by == "text":
        return msgspec.structs.replace(media, text=_text(source, "data", inside))
    if by == "content":
        said = read_content(source.get("content", ""), f"{inside}.content")
        if not all(isinstance(part, Text) for part in said):
            raise _wrong(f"{inside}.content", "text, where it is to be carried to another provider")
        return msgspec.structs.replace(media, text="\n".join(part.text for part in said if isinstance(part, Text)))
    held = {"base64": "data", "url": "url", "file": "file_id"}.get(by if is_text(by) else "")
    if held is None or not (value := _text(source, held, inside)):
        raise _wrong(inside, "of type base64, url, file, text or content, and not empty")
    return msgspec.structs.replace(media, **{held: value})


def _search_result(block: dict[str, Any], where: str) -> Media:
    said = read_content(block.get("content", ""), f"{where}.content")
    cited = block.get("citations")
    return Media(
        kind="document",
        media_type="text/plain",
        text="\n".join(part.text for part in said if isinstance(part, Text)),
        name=_text(block, "title", where),
        context=_text(block, "source", where),
        citations=is_object(cited) and cited.get("enabled") is True,
        cache=read_cache(block),
    )


def named_results(parts: Iterator[Part], names: dict[str, str]) -> list[Part]:
    """Give the results of tools the names of their tools.

    Args:
        parts: Of one turn.
        names: Of the tools called so far, by the ids of their calls; those of this turn are added.
    """
    named: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCall):
            names[part.id] = part.name
        elif isinstance(part, ToolResult) and part.call_id in names:
            named.append(msgspec.structs.replace(part, name=names[part.call_id]))
            continue
        named.append(part)
    return named


def _text(holder: dict[str, Any], name: str, where: str) -> str:
    value = holder.get(name)
    if value is not None and not is_text(value):
        raise _wrong(f"{where}.{name}", "a string")
    return value or ""


def _wrong(where: str, wanted: str) -> MalformedRequest:
    return MalformedRequest(f"'{where}' must be {wanted}.", param=where)
