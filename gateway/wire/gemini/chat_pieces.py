"""What requests, whole answers and streams have in common: parts, reasons why an answer ends, places on the web."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.chat import Citation, Finish, Media, MediaKind, Opaque, Part, Reasoning, Text, TokenLogprob, ToolCall
from gateway.core.errors import MalformedRequest
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.gemini.spelling import listed, read, snake
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.strict_json import parse_body

_FILTERED = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR",
     "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "NO_IMAGE"}
)  # fmt: skip
_WRITTEN: dict[Finish, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "STOP",
    "error": "OTHER",
}
_KINDS: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}
# Fields of a part that are read; others go along as pieces that only this dialect knows.
_READ = frozenset({"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse"})
_KNOWN = _READ | {snake(name) for name in _READ}
_STANDARD = str.maketrans("-_", "+/")
_OWN_FILES = ("gs://", "https://generativelanguage.googleapis.com/", "files/")


def read_finish(reason: Any, *, called: bool) -> Finish | None:
    """Read a ``finishReason``.

    Args:
        reason: As it came; anything.
        called: The answer asks for tools, which is no reason of its own here.
    """
    if not is_text(reason) or not reason or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    if reason == "STOP":
        return "tool_calls" if called else "stop"
    if reason == "MAX_TOKENS":
        return "length"
    return "content_filter" if reason in _FILTERED else "error"


def write_finish(finish: Finish) -> str:
    """Write a ``finishReason``."""
    return _WRITTEN[finish]


def read_part(part: dict[str, Any]) -> list[Part]:
    """Read a part of a content, results of tools left out; a seal on text is a thought without words behind it."""
    signature = read(part, "thoughtSignature")
    signature = signature if is_text(signature) else ""
    parts: list[Part] = []
    if is_text(text := part.get("text")):
        if part.get("thought") is True:
            parts.append(Reasoning(text=text, signature=signature, summary=True, origin=DIALECT_NAME))
            signature = ""
        elif text:
            parts.append(Text(text=text))
    elif is_object(blob := read(part, "inlineData")):
        parts.append(read_blob(blob))
    elif is_object(file := read(part, "fileData")):
        parts.append(_file(file))
    elif is_object(call := read(part, "functionCall")):
        parts.append(read_call(call, signature))
        signature = ""
    if signature:
        parts.append(Reasoning(signature=signature, origin=DIALECT_NAME))
    parts += [
        Opaque(dialect=DIALECT_NAME, kind=name, document={name: value})
        for name, value in part.items()
        if name not in _KNOWN and value is not None
    ]
    return parts


def read_call(call: dict[str, Any], signature: str = "") -> ToolCall:
    """Read a call that came whole."""
    args = call.get("args")
    return ToolCall(
        id=text_of(call, "id"),
        name=text_of(call, "name"),
        arguments=orjson.dumps(args).decode() if is_object(args) else "{}",
        signature=signature,
        origin=DIALECT_NAME if signature else "",
    )


def read_blob(blob: dict[str, Any]) -> Media:
    """Read media that stand in the document; their base64 may be of either alphabet."""
    mime = text_of(blob, "mimeType")
    data = text_of(blob, "data").translate(_STANDARD)
    return Media(kind=media_kind(mime), media_type=mime, data=data, name=text_of(blob, "displayName"))


def _file(file: dict[str, Any]) -> Media:
    mime, uri = text_of(file, "mimeType"), text_of(file, "fileUri")
    own = uri.startswith(_OWN_FILES)
    return Media(
        kind=media_kind(mime),
        media_type=mime,
        url="" if own else uri,
        file_id=uri if own else "",
        name=text_of(file, "displayName"),
    )


def media_kind(mime: str) -> MediaKind:
    """What a media type is of."""
    return _KINDS.get(mime.partition("/")[0], "document")


def write_call(call: ToolCall, where: str = "functionCall") -> dict[str, Any]:
    """Write a call as a part.

    Raises:
        MalformedRequest: Its arguments are no JSON object.
    """
    held: dict[str, Any] = {"name": call.name, "args": arguments_of(call, where)}
    part: dict[str, Any] = {"functionCall": {"id": call.id, **held} if call.id else held}
    if call.signature and call.origin == DIALECT_NAME:
        part["thoughtSignature"] = call.signature
    return part


def arguments_of(call: ToolCall, where: str) -> dict[str, Any]:
    """Return the arguments of a call as the object that stands for them here.

    Raises:
        MalformedRequest: They are none.
    """
    if call.custom:
        return {"input": call.arguments}
    try:
        args = parse_body(call.arguments.encode() or b"{}")
    except (MalformedRequest, UnicodeEncodeError):
        args = None
    if not is_object(args):
        raise MalformedRequest(f"The arguments of the call of '{call.name}' are no JSON object.", param=where)
    return args


def write_citations(citations: tuple[Citation, ...], offset: int) -> list[dict[str, Any]]:
    """Write where a text is from; what has no address has no place here."""
    written: list[dict[str, Any]] = []
    for citation in citations:
        if citation.url:
            start = offset + (citation.start or 0)
            held: dict[str, Any] = {"startIndex": start, "uri": citation.url}
            if citation.end is not None:
                held["endIndex"] = offset + citation.end
            written.append({**held, "title": citation.title} if citation.title else held)
    return written


def read_citations(candidate: dict[str, Any], text: str) -> tuple[Citation, ...]:
    """Read what a candidate says of where its text is from: of a search's results, and of recited sources.

    Args:
        candidate: Or a piece of one.
        text: Its whole text, for places are counted in bytes.
    """
    found: list[Citation] = []
    grounding = candidate.get("groundingMetadata")
    chunks = listed(read(grounding, "groundingChunks"))
    encoded = text.encode()
    for support in listed(read(grounding, "groundingSupports")):
        held = read(support, "segment")
        start, end = _place(held, "startIndex", encoded), _place(held, "endIndex", encoded)
        for number in listed(read(support, "groundingChunkIndices")):
            web = read(chunks[number], "web") if is_integer(number) and 0 <= number < len(chunks) else None
            if is_object(web) and (uri := text_of(web, "uri")):
                quote = text_of(held, "text") if is_object(held) else ""
                found.append(
                    Citation(kind="url", start=start or 0, end=end, url=uri, title=text_of(web, "title"), quote=quote)
                )
    for source in listed(read(candidate.get("citationMetadata"), "citations")):
        if is_object(source) and (uri := text_of(source, "uri")):
            start, end = _place(source, "startIndex", encoded), _place(source, "endIndex", encoded)
            found.append(Citation(kind="url", start=start or 0, end=end, url=uri, title=text_of(source, "title")))
    return tuple(found)


def _place(holder: Any, name: str, encoded: bytes) -> int | None:
    at = read(holder, name)
    return len(encoded[:at].decode("utf-8", "ignore")) if is_integer(at) and at >= 0 else None


def read_logprobs(result: Any) -> tuple[TokenLogprob, ...] | None:
    """Read a ``logprobsResult``."""
    chosen = read(result, "chosenCandidates")
    if not is_array(chosen):
        return None
    others = listed(read(result, "topCandidates"))
    tokens: list[TokenLogprob] = []
    for at, token in enumerate(chosen):
        top = listed(read(others[at], "candidates")) if at < len(others) else []
        token_, likely = _likely(token)
        tokens.append(TokenLogprob(token=token_, logprob=likely, top=tuple(_other(each) for each in top)))
    return tuple(tokens)


def write_logprobs(tokens: tuple[TokenLogprob, ...]) -> dict[str, Any]:
    """Write a ``logprobsResult``."""
    top = [{"candidates": [_token(each) for each in token.top]} for token in tokens]
    return {
        "chosenCandidates": [_token(token) for token in tokens],
        **({"topCandidates": top} if any(t.top for t in tokens) else {}),
    }


def _other(token: Any) -> TokenLogprob:
    text, likely = _likely(token)
    return TokenLogprob(token=text, logprob=likely)


def _likely(token: Any) -> tuple[str, float]:
    text, likely = read(token, "token"), read(token, "logProbability")
    return text if is_text(text) else "", float(likely) if isinstance(likely, (int, float)) else 0.0


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logProbability": token.logprob}


def text_of(holder: dict[str, Any], name: str) -> str:
    """A field that is a text; empty when it is none."""
    value = read(holder, name)
    return value if is_text(value) else ""
