"""What requests, answers and streams have in common: reasons why an answer ends, citations, media, arguments."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import CacheMark, Citation, Finish
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object, is_text

# Only Anthropic's models seal their thoughts here, and their seals hold wherever these models are served.
SEALED_BY = "anthropic_messages"
_READ: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
_WRITTEN: dict[Finish, str] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context": "model_context_window_exceeded",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "content_filtered",
    "pause": "end_turn",
    "error": "malformed_model_output",
}
IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
SOUNDS = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/opus": "opus", "audio/wav": "wav", "audio/x-wav": "wav",
    "audio/aac": "aac", "audio/flac": "flac", "audio/ogg": "ogg", "audio/webm": "webm", "audio/mp4": "mp4",
}  # fmt: skip
FILMS = {
    "video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "mkv", "video/mpeg": "mpeg",
    "video/x-flv": "flv", "video/x-ms-wmv": "wmv", "video/3gpp": "three_gp",
}  # fmt: skip
FORMATS = {"image": IMAGES, "document": DOCUMENTS, "audio": SOUNDS, "video": FILMS}


def media_type(kind: str, written: str) -> str:
    """The media type of a format; empty for one that has none."""
    # The first name of several: the plain one.
    return next((name for name, known in FORMATS[kind].items() if known == written), "")


def read_finish(reason: Any) -> Finish | None:
    """Read a ``stopReason``; one that is new means that the answer is over."""
    return _READ.get(reason, "stop") if is_text(reason) and reason else None


def write_finish(finish: Finish | None, *, called: bool) -> str:
    """Write a ``stopReason``: an answer that calls tools says so, whatever its provider calls that."""
    if called and finish in (None, "stop"):
        return "tool_use"
    return _WRITTEN[finish or "stop"]


def read_citation(note: Any) -> Citation | None:
    """Read one citation; ``None`` when it is none."""
    if not is_object(note):
        return None
    place = note.get("location")
    web = place.get("web") if is_object(place) else None
    url = text_of(web, "url") if is_object(web) else ""
    sources = note.get("sourceContent")
    quotes = [text_of(each, "text") for each in (sources if is_array(sources) else ()) if is_object(each)]
    return Citation(
        kind="url" if url else "document",
        url=url,
        title=text_of(note, "title"),
        quote="".join(quotes),
        document=note,
        dialect=DIALECT_NAME,
    )


def write_citation(citation: Citation) -> dict[str, Any] | None:
    """Write a citation: this dialect's own as it came, of others what is on the web."""
    if citation.dialect == DIALECT_NAME:
        return citation.document
    if not citation.url:
        return None
    note: dict[str, Any] = {"location": {"web": {"url": citation.url}}}
    if citation.title:
        note["title"] = citation.title
    if citation.quote:
        note["sourceContent"] = [{"text": citation.quote}]
    return note


def read_cache(point: Any) -> CacheMark:
    """Read a ``cachePoint``."""
    return CacheMark(ttl=text_of(point, "ttl") if is_object(point) else "")


def write_cache(mark: CacheMark) -> dict[str, Any]:
    """Write the block that marks what stands before it; a time to live that is not known here is the shortest."""
    ttl = {"ttl": mark.ttl} if mark.ttl in ("5m", "1h") else {}
    return {"cachePoint": {"type": "default", **ttl}}


def text_of(holder: dict[str, Any], name: str) -> str:
    """A field that is a string; empty when it is missing or something else."""
    value = holder.get(name)
    return value if is_text(value) else ""
