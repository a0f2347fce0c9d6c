"""Pieces that requests, answers and streams have in common, read into the canonical form and written out of it."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.chat import Citation, Finish, Media, Refusal, Text, TokenLogprob
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.IGNORECASE)
_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_ENDS: dict[Finish, tuple[str, str]] = {
    "length": ("incomplete", "max_output_tokens"),
    "context": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
}


def text_of(holder: dict[str, Any], name: str) -> str:
    """A field that is a string; empty when it is anything else."""
    value = holder.get(name)
    return value if is_text(value) else ""


def read_content(content: Any) -> list[Text | Media | Refusal]:
    """Read the content of a message or of a tool's result; what nobody knows is left out."""
    if is_text(content):
        return [Text(text=content)] if content else []
    parts = [_part(part) for part in content if is_object(part)] if is_array(content) else []
    return [part for part in parts if part is not None]


def _part(part: dict[str, Any]) -> Text | Media | Refusal | None:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return Text(text=text_of(part, "text"), citations=read_citations(part.get("annotations")))
    if kind == "refusal":
        return Refusal(text=text_of(part, "refusal"))
    if kind in ("input_image", "computer_screenshot"):
        return _located("image", text_of(part, "image_url"), part)
    if kind == "input_file":
        if address := text_of(part, "file_url"):
            return Media(kind="document", url=address, name=text_of(part, "filename"))
        return _located("document", text_of(part, "file_data"), part)
    if kind == "input_audio" and is_object(held := part.get("input_audio")):
        return Media(kind="audio", media_type=f"audio/{text_of(held, 'format') or 'wav'}", data=text_of(held, "data"))
    return None


def _located(kind: Any, address: str, part: dict[str, Any]) -> Media:
    name, detail, file_id = (text_of(part, field) for field in ("filename", "detail", "file_id"))
    head = _DATA_URL.match(address)
    if head is not None:
        return Media(kind=kind, media_type=head.group(1), data=address[head.end() :], name=name, detail=detail)
    if kind == "document" and address:
        return Media(kind=kind, data=address, name=name)
    return Media(kind=kind, url=address, file_id="" if address else file_id, name=name, detail=detail)


def write_content(parts: tuple[Any, ...], losses: Losses, *, own_files: bool) -> list[dict[str, Any]]:
    """Write what somebody other than the model says, or a tool gave back.

    Args:
        parts: Text and media; others were written before.
        losses: Takes what has no place.
        own_files: Names of uploaded files are OpenAI's.
    """
    written: list[dict[str, Any]] = []
    for part in parts:
        if not isinstance(part, (Text, Media)):
            losses.always("parts")
            continue
        if part.cache is not None:
            losses.always("cache_control")
        if isinstance(part, Text):
            written.append({"type": "input_text", "text": part.text})
        elif (held := _media(part, losses, own_files=own_files)) is not None:
            written.append(held)
    return written


def _media(part: Media, losses: Losses, *, own_files: bool) -> dict[str, Any] | None:
    if part.file_id and not own_files:
        losses.lose("file_id", "an uploaded file is known to the provider only that it was uploaded to")
        return None
    if part.kind == "image":
        return _image(part)
    if part.kind == "document":
        return _document(part, losses)
    if part.kind == "audio" and part.data:
        kind = _FORMATS.get(part.media_type, part.media_type.removeprefix("audio/"))
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": kind}}
    losses.lose("turns", f"this provider takes no {part.kind}")
    return None


def _image(part: Media) -> dict[str, Any]:
    held: dict[str, Any] = {"type": "input_image", "detail": part.detail or "auto"}
    if part.file_id:
        return {**held, "file_id": part.file_id}
    return {**held, "image_url": f"data:{part.media_type};base64,{part.data}" if part.data else part.url}


def _document(part: Media, losses: Losses) -> dict[str, Any]:
    if part.citations:
        losses.lose("citations", "this provider cites what its own tools find only")
    if part.text:
        return {"type": "input_text", "text": part.text}
    held: dict[str, Any] = {"type": "input_file"}
    if part.name:
        held["filename"] = part.name
    if part.file_id:
        return {**held, "file_id": part.file_id}
    if part.url:
        return {**held, "file_url": part.url}
    return {**held, "file_data": f"data:{part.media_type or 'application/pdf'};base64,{part.data}"}


def read_citations(annotations: Any) -> tuple[Citation, ...]:
    """Read the annotations of a text."""
    notes = [note for note in annotations if is_object(note)] if is_array(annotations) else []
    return tuple(
        Citation(
            kind="url" if note.get("type") == "url_citation" else text_of(note, "type"),
            start=start if is_integer(start := note.get("start_index")) else None,
            end=end if is_integer(end := note.get("end_index")) else None,
            url=text_of(note, "url"),
            title=text_of(note, "title") or text_of(note, "filename"),
            document=note,
            dialect=DIALECT_NAME,
        )
        for note in notes
    )


def write_citations(citations: tuple[Citation, ...], length: int) -> list[dict[str, Any]]:
    """Write annotations of a text of that length; what is no address has no place here."""
    written: list[dict[str, Any]] = []
    for each in citations:
        if each.dialect == DIALECT_NAME:
            written.append(each.document)
        elif each.url:
            place = {"start_index": each.start or 0, "end_index": length if each.end is None else each.end}
            written.append({"type": "url_citation", "url": each.url, "title": each.title, **place})
    return written


def read_logprobs(tokens: Any) -> tuple[TokenLogprob, ...] | None:
    """Read log probabilities; ``None`` when there are none."""
    if not is_array(tokens) or not tokens:
        return None
    return tuple(_token(token) for token in tokens if is_object(token))


def _token(token: dict[str, Any]) -> TokenLogprob:
    likely, spelled = token.get("logprob"), token.get("bytes")
    return TokenLogprob(
        token=text_of(token, "token"),
        logprob=float(likely) if isinstance(likely, (int, float)) else 0.0,
        bytes_=tuple(spelled) if is_array(spelled) and all(map(is_integer, spelled)) else None,
        top=read_logprobs(token.get("top_logprobs")) or (),
    )


def write_logprobs(tokens: tuple[TokenLogprob, ...] | None) -> list[dict[str, Any]]:
    """Write log probabilities."""
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            "bytes": list(each.token.encode() if each.bytes_ is None else each.bytes_),
            "top_logprobs": [
                {"token": other.token, "logprob": other.logprob, "bytes": list(other.bytes_ or other.token.encode())}
                for other in each.top
            ],
        }
        for each in tokens or ()
    ]


def read_finish(response: dict[str, Any], *, called: bool, refused: bool) -> Finish:
    """Say why an answer ended."""
    details = response.get("incomplete_details")
    if response.get("status") == "incomplete":
        reason = details.get("reason") if is_object(details) else ""
        return "content_filter" if reason == "content_filter" else "length"
    if called:
        return "tool_calls"
    return "refusal" if refused else "stop"


def write_finish(finish: Finish | None) -> tuple[str, dict[str, Any] | None]:
    """Give the status of an answer that ended so, and the details of one that is not whole."""
    status, reason = _ENDS.get(finish, ("completed", "")) if finish is not None else ("completed", "")
    return status, {"reason": reason} if reason else None


def write_usage(usage: Usage) -> dict[str, Any]:
    """Write a ``usage`` object."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.written_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
