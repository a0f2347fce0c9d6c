"""What whole and streamed answers have in common: reasons why they end, citations, and how likely tokens were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.core.chat import Citation, Finish, TokenLogprob
from gateway.wire.openai_chat.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_READ: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}
_WRITTEN: dict[Finish, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "stop",
    # A model that would not and did not say so was cut, as far as this dialect can tell.
    "refusal": "content_filter",
    "error": "content_filter",
}


def read_finish(reason: Any, *, refused: bool) -> Finish | None:
    """Read a ``finish_reason``; servers have words of their own for an answer that is simply over."""
    if not is_text(reason) or not reason:
        return None
    finish = _READ.get(reason, "stop")
    return "refusal" if refused and finish == "stop" else finish


def write_finish(finish: Finish, *, refused: bool) -> str:
    """Write a ``finish_reason``; a refusal that has words ends like any other text."""
    return "stop" if refused and finish == "refusal" else _WRITTEN[finish]


def read_citations(annotations: Any) -> tuple[Citation, ...]:
    """Read the ``annotations`` of a message."""
    read: list[Citation] = []
    for note in annotations if is_array(annotations) else ():
        held = note.get("url_citation") if is_object(note) else None
        if is_object(held):
            start, end, url, title = (held.get(name) for name in ("start_index", "end_index", "url", "title"))
            read.append(
                Citation(
                    kind="url",
                    start=start if is_integer(start) else None,
                    end=end if is_integer(end) else None,
                    url=url if is_text(url) else "",
                    title=title if is_text(title) else "",
                    document=note,
                    dialect=DIALECT_NAME,
                )
            )
    return tuple(read)


def write_citations(citations: Iterable[Citation], offset: int) -> list[dict[str, Any]]:
    """Write what this dialect has a form for: places on the web.

    Args:
        citations: Of one text.
        offset: Where that text starts in the message's content.
    """
    written: list[dict[str, Any]] = []
    for citation in citations:
        if citation.dialect == DIALECT_NAME and not offset:
            written.append(citation.document)
        elif citation.url:
            start = offset + (citation.start or 0)
            end = start if citation.end is None else offset + citation.end
            held = {"url": citation.url, "title": citation.title, "start_index": start, "end_index": end}
            written.append({"type": "url_citation", "url_citation": held})
    return written


def read_logprobs(logprobs: Any) -> tuple[TokenLogprob, ...] | None:
    """Read the ``logprobs`` of a choice: those of its content."""
    tokens = logprobs.get("content") if is_object(logprobs) else None
    if not is_array(tokens):
        return None
    return tuple(_token(token) for token in tokens if is_object(token))


def write_logprobs(logprobs: tuple[TokenLogprob, ...] | None) -> dict[str, Any] | None:
    """Write the ``logprobs`` of a choice."""
    return None if logprobs is None else {"content": [_written(token) for token in logprobs], "refusal": None}


def made_id(answer_id: str, choice: int, call: int) -> str:
    """Make the id of a call that came without one: the same each time, and another one in each answer."""
    tail = "".join([char for char in answer_id if char.isalnum()])[-20:]
    return "call_" + "_".join([part for part in (tail, str(choice) if choice else "", str(call)) if part])


def _token(token: dict[str, Any]) -> TokenLogprob:
    numbers, top, likely = token.get("bytes"), token.get("top_logprobs"), token.get("logprob")
    text = token.get("token")
    return TokenLogprob(
        token=text if is_text(text) else "",
        logprob=float(likely) if isinstance(likely, (int, float)) else 0.0,
        bytes_=tuple(numbers) if is_array(numbers) and all(is_integer(n) for n in numbers) else None,
        top=tuple(_token(each) for each in top if is_object(each)) if is_array(top) else (),
    )


def _written(token: TokenLogprob) -> dict[str, Any]:
    return {**_likely(token), "top_logprobs": [_likely(each) for each in token.top]}


def _likely(token: TokenLogprob) -> dict[str, Any]:
    numbers = None if token.bytes_ is None else list(token.bytes_)
    return {"token": token.token, "logprob": token.logprob, "bytes": numbers}
