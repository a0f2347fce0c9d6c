"""What requests, answers and streams have in common: reasons why an answer ends, citations, arguments of tools."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.chat import CacheMark, Citation, Finish
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object, is_text

_READ: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
_WRITTEN: dict[Finish, str] = {
    **{finish: reason for reason, finish in _READ.items()},
    # The only word here for an answer that somebody has cut.
    "content_filter": "refusal",
    "error": "refusal",
}
_ON_THE_WEB = "web_search_result_location"


def read_finish(reason: Any) -> Finish | None:
    """Read a ``stop_reason``; one that is new means that the answer is over."""
    return _READ.get(reason, "stop") if is_text(reason) and reason else None


def write_finish(finish: Finish | None, *, called: bool) -> str:
    """Write a ``stop_reason``: an answer that calls tools says so, whatever its provider calls that."""
    if called and finish in (None, "stop"):
        return "tool_use"
    return _WRITTEN[finish or "stop"]


def read_citation(note: Any) -> Citation | None:
    """Read one citation; ``None`` when it is none."""
    if not is_object(note):
        return None
    kind, url, file = _text(note, "type"), _text(note, "url"), _text(note, "file_id")
    return Citation(
        kind="url" if url else "file" if file else "document" if kind else "",
        url=url or _text(note, "source"),
        title=_text(note, "title") or _text(note, "document_title"),
        quote=_text(note, "cited_text"),
        document=note,
        dialect=DIALECT_NAME,
    )


def read_citations(notes: Any, length: int) -> tuple[Citation, ...]:
    """Read the citations of a text of this length: each is for all of it."""
    read = [read_citation(note) for note in (notes if is_array(notes) else ())]
    return tuple(msgspec.structs.replace(each, start=0, end=length) for each in read if each is not None)


def write_citation(citation: Citation) -> dict[str, Any] | None:
    """Write a citation: this dialect's own as it came, of others what is on the web."""
    if citation.dialect == DIALECT_NAME:
        return citation.document
    if not citation.url:
        return None
    held = {"cited_text": citation.quote, "encrypted_index": "", "title": citation.title or None}
    return {"type": _ON_THE_WEB, "url": citation.url, **held}


def read_cache(block: dict[str, Any]) -> CacheMark | None:
    """Read the ``cache_control`` of a block."""
    mark = block.get("cache_control")
    return CacheMark(ttl=_text(mark, "ttl")) if is_object(mark) else None


def write_cache(mark: CacheMark | None) -> dict[str, Any]:
    """Write it, as a field to be added; a time to live that is not known here is the shortest."""
    if mark is None:
        return {}
    held = {"type": "ephemeral"}
    return {"cache_control": {**held, "ttl": mark.ttl} if mark.ttl in ("5m", "1h") else held}


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
