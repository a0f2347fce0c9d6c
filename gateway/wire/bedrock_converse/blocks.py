"""Content blocks of a conversation, and every text in them.

A block is an object with one field, which says what it is. The input of a tool is looked at as one text, and an edit is
read again; a thought that bears its signature must come back byte for byte, so it is sealed.
"""

from __future__ import annotations

from typing import Any

from gateway.core.segments import Kind, Path
from gateway.wire import block_calls
from gateway.wire.grammar import (
    Found,
    Rule,
    base64_media,
    constant,
    each,
    fields,
    inline_json,
    leaves,
    sealed,
    text,
)
from gateway.wire.shapes import is_object

# A document may nest its blocks as deep as JSON goes; what lies below this is walked leaf by leaf.
_MAX_PATH = 24
_ANY = leaves()
_NUMBER = constant()
CACHE = fields({"type": constant("default"), "ttl": constant("5m", "1h")})
_FORMAT = constant(
    "png", "jpeg", "gif", "webp", "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md", "mkv", "mov", "mp4",
    "webm", "flv", "mpeg", "mpg", "wmv", "three_gp", "mp3", "opus", "wav", "aac", "flac", "ogg", "mka", "x-aac", "m4a",
    "mpga", "pcm",
)  # fmt: skip
_STATUS = constant("success", "error")
_S3 = fields({"uri": text("url"), "bucketOwner": _ANY})
MEDIA = fields(
    {
        "format": _FORMAT,
        "source": fields({"bytes": base64_media, "s3Location": _S3}),
        "error": fields({"message": _ANY}),
    }
)
_PLACE = fields(dict.fromkeys(("documentIndex", "searchResultIndex", "start", "end"), _NUMBER))
_WEB = fields({"url": text("url"), "domain": text("url")})
_LOCATION = fields(
    {
        "web": _WEB,
        **dict.fromkeys(("documentChar", "documentPage", "documentChunk", "searchResultLocation"), _PLACE),
    }
)
_SEAL = sealed(base64_media)
_SAID = fields({"text": text("reasoning"), "signature": _SEAL})
_SIGNED = sealed(_SAID)
_TOOL = fields({"type": _ANY, "name": text("tool_name"), "serverName": _ANY})


def _thought(path: Path, role: str, value: Any, found: Found) -> None:
    signed = is_object(value) and bool(value.get("signature"))
    (_SIGNED if signed else _SAID)(path, role, value, found)


_THOUGHT = fields({"reasoningText": _thought, "redactedContent": _SEAL})
_CALL = fields(
    {"toolUseId": _ANY, "name": text("tool_name"), "input": inline_json, "type": constant("server_tool_use")}
)


def citation(said: Rule) -> Rule:
    """Where a piece of a text is from."""
    return fields(
        {
            "title": said,
            "source": text("url"),
            "sourceContent": each(fields({"text": said})),
            "location": _LOCATION,
        }
    )


def _content(kind: Kind) -> Rule:
    """Blocks whose words are of one kind."""
    said, below = text(kind), leaves(kind)
    words = each(fields({"text": said}))
    document = fields(
        {
            "format": _FORMAT,
            "name": said,
            "source": fields({"bytes": base64_media, "s3Location": _S3, "text": said, "content": words}),
            "context": said,
            "citations": fields({"enabled": _NUMBER}),
        }
    )
    guarded = fields(
        {
            "text": fields({"text": said, "qualifiers": each(constant("grounding_source", "query", "guard_content"))}),
            "image": MEDIA,
        }
    )
    searched = fields(
        {"source": text("url"), "title": said, "content": words, "citations": fields({"enabled": _NUMBER})}
    )

    def result(path: Path, _: str, value: Any, found: Found) -> None:
        (_RESULT if len(path) < _MAX_PATH else below)(path, "tool", value, found)

    return each(
        fields(
            {
                "text": said,
                "json": leaves(kind),
                **dict.fromkeys(("image", "video", "audio"), MEDIA),
                "document": document,
                "toolUse": _CALL,
                "toolResult": result,
                "guardContent": guarded,
                "cachePoint": CACHE,
                "reasoningContent": _THOUGHT,
                "citationsContent": fields({"content": words, "citations": each(citation(said))}),
                "searchResult": searched,
                **dict.fromkeys(("toolAddition", "toolRemoval"), fields({"tool": _TOOL})),
            },
            otherwise=below,
        )
    )


# As a stream begins them, and goes on with a thought.
START_OF_CALL = fields({"toolUseId": _ANY, "name": text("tool_name"), "type": constant("server_tool_use")})
START_OF_RESULT = fields({"toolUseId": _ANY, "type": _ANY, "status": _STATUS})
THOUGHT_DELTA = fields({"text": text("reasoning"), "signature": _SEAL, "redactedContent": _SEAL})
RETURNED = _content("tool_result")
_RESULT = fields({"toolUseId": _ANY, "content": RETURNED, "status": _STATUS, "type": _ANY})
CONTENT = _content("text")
CITATION = citation(text("text"))
MESSAGE = fields({"role": constant("user", "assistant", "system"), "content": CONTENT})


def name_tools(document: Any, messages: Any, found: Found) -> None:
    """Fill in the tool of every segment that has one: see :func:`gateway.wire.block_calls.name_tools`."""
    block_calls.name_tools(document, messages, found, refers="toolUseId", call=_call)


def _call(block: dict[str, Any]) -> tuple[Any, Any]:
    call = block.get("toolUse")
    return (call.get("toolUseId"), call.get("name")) if is_object(call) else (None, None)
