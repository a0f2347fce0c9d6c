"""Content blocks: what both sides of a conversation are made of, and every text in them.

Two of them are not like other text. The input of a tool is JSON that stands in the document as itself: it is looked at
as one text, and an edit is read again. A thought that bears its signature must come back byte for byte, so it is
sealed: who would edit it turns the call back.
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
    url,
)
from gateway.wire.shapes import is_object, is_text

# A document may nest its blocks as deep as JSON goes; what lies below this is walked leaf by leaf.
_MAX_PATH = 24
_ANY = leaves()
_NUMBER = constant()
_SERVED = ("web_search", "web_fetch", "code_execution", "bash_code_execution", "text_editor_code_execution",
           "tool_search", "mcp")  # fmt: skip
TYPE = constant(
    "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "server_tool_use",
    "mcp_tool_use", "tool_result", "tool_reference", "container_upload", "base64", "url", "file", "content",
    "ephemeral", "char_location", "page_location", "content_block_location", "web_search_result_location",
    "search_result_location", "text_delta", "thinking_delta", "signature_delta", "citations_delta", "direct",
    "web_search_result", "code_execution_result", "bash_code_execution_result", "web_fetch_result",
    *(f"{name}_tool_result" for name in _SERVED),
)  # fmt: skip
CACHE = fields({"type": TYPE, "ttl": constant("5m", "1h")})


_SEAL = sealed(base64_media)


def _citation(said: Rule) -> Rule:
    return fields(
        {
            "type": TYPE,
            "enabled": _NUMBER,
            "cited_text": said,
            "document_title": said,
            "title": said,
            "url": text("url"),
            "source": text("url"),
            "encrypted_index": _SEAL,
            "file_id": _ANY,
            **dict.fromkeys(
                (
                    "document_index", "start_char_index", "end_char_index", "start_page_number", "end_page_number",
                    "start_block_index", "end_block_index", "search_result_index",
                ),
                _NUMBER,
            ),
        }
    )  # fmt: skip


_THOUGHT = fields({"type": TYPE, "thinking": text("reasoning"), "signature": _SEAL, "cache_control": CACHE})
_SIGNED_THOUGHT = sealed(_THOUGHT)
_FIELDS: dict[str, Rule] = {
    "type": TYPE,
    "cache_control": CACHE,
    "id": _ANY,
    "name": text("tool_name"),
    "input": inline_json,
    "caller": fields({"type": TYPE, "tool_id": _ANY}),
    "tool_name": text("tool_name"),
    "tool_use_id": _ANY,
    "is_error": _NUMBER,
    "file_id": _ANY,
    # Of a thought that is hidden, and of what a provider's own tool gave back.
    "data": _SEAL,
    "encrypted_content": _SEAL,
    "url": text("url"),
    "page_age": _ANY,
    "return_code": _NUMBER,
}


def _content(kind: Kind) -> Rule:
    """Blocks whose words are of one kind; a bare string is a block of text."""
    said, below = text(kind), leaves(kind)

    def inner(path: Path, role: str, value: Any, found: Found) -> None:
        (rule if len(path) < _MAX_PATH else below)(path, role, value, found)

    source = fields(
        {
            "type": TYPE,
            "media_type": _ANY,
            "data": base64_media,
            "url": url,
            "file_id": _ANY,
            "content": inner,
        },
        otherwise=text("url"),
    )
    written = fields({"type": TYPE, "media_type": constant("text/plain"), "data": said})

    def sources(path: Path, role: str, value: Any, found: Found) -> None:
        plain = is_object(value) and value.get("type") == "text"
        (written if plain else source)(path, role, value, found)

    block = fields(
        {
            "text": said,
            "source": sources,
            "title": said,
            "context": said,
            "content": inner,
            "citations": each(_citation(said)),
            **_FIELDS,
        },
        otherwise=said,
    )

    def blocks(path: Path, role: str, value: Any, found: Found) -> None:
        kind_of = value.get("type") if is_object(value) else None
        if kind_of == "thinking":
            (_SIGNED_THOUGHT if value.get("signature") else _THOUGHT)(path, role, value, found)
        elif is_text(kind_of) and kind_of.endswith("tool_result"):
            RETURNED_BLOCK(path, "tool", value, found)
        else:
            block(path, role, value, found)

    rule = each(blocks if kind == "text" else block)
    return rule


RETURNED_BLOCK = _content("tool_result")
CONTENT = _content("text")
CITATION = _citation(text("text"))


def name_tools(document: Any, messages: Any, found: Found) -> None:
    """Fill in the tool of every segment that has one: see :func:`gateway.wire.block_calls.name_tools`."""
    block_calls.name_tools(document, messages, found, refers="tool_use_id", call=_call)


def _call(block: dict[str, Any]) -> tuple[Any, Any]:
    return block.get("id"), block.get("name")
