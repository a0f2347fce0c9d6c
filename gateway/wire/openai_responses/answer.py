"""Whole answers: every text in them, what they say of themselves, and what repeats their text.

An answer repeats much of its request (instructions, tools, the shape of the text). That is text like any other: a
provider can put anything there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Path, Segment
from gateway.core.usage import set_apart
from gateway.wire.as_written import as_written
from gateway.wire.grammar import Found, Rule, constant, each, fields, figures, leaves, nothing, text
from gateway.wire.openai_responses.items import NUMBER, item_of, name_results
from gateway.wire.openai_responses.request import ASKED
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text

_STATUS = constant("completed", "failed", "in_progress", "cancelled", "queued", "incomplete")
_REASON = constant("max_output_tokens", "max_messages", "content_filter", "steered")
OF_RESPONSE: dict[str, Rule] = {
    **ASKED,
    "id": nothing,
    "object": constant("response", "list", "response.deleted", "response.compaction", "response.input_tokens"),
    "created_at": NUMBER,
    "completed_at": NUMBER,
    "status": _STATUS,
    "error": fields({"code": leaves(), "message": text("text"), "param": leaves(), "type": leaves()}),
    "incomplete_details": fields({"reason": _REASON}),
    "model": nothing,
    "previous_response_id": nothing,
    "output": each(item_of("assistant")),
    "usage": figures,
    "tool_usage": leaves(),
    "deleted": NUMBER,
    "input_tokens": NUMBER,
    # Lists of input items.
    "data": each(item_of("user")),
    "first_id": nothing,
    "last_id": nothing,
    "has_more": NUMBER,
}
_ANSWER = fields(OF_RESPONSE)
_COUNTED = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})
# Items that stand for uses of tools which are billed beside the tokens, and what prices call these tools.
_BILLED = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
_ENDED = ("completed", "incomplete", "failed", "cancelled")


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str = ""
    container_id: str | None = None
    action: Any = None


class _Answer(msgspec.Struct):
    usage: Any = None
    model: str = ""
    status: str = ""
    incomplete_details: _Incomplete | None = None
    output: list[_Item] = []
    service_tier: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole answer, in the order in which it stands there."""
    found: Found = []
    _ANSWER((), "assistant", document, found)
    if is_object(document):
        for name in ("output", "data"):
            name_results(document.get(name), (name,), found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    texts = [
        as_written(segment)
        for segment in answer_segments(document)
        if segment.kind in _COUNTED and segment.role == "assistant" and segment.path[0] == "output"
    ]
    return "\n".join(texts)


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, model and status; a field of the wrong type counts as absent."""
    if not is_object(document):
        return AnswerFacts()
    model, status, details = document.get("model"), document.get("status"), document.get("incomplete_details")
    reason = details.get("reason") if is_object(details) else None
    facts = _facts(model, status, reason, document.get("usage"))
    facts.usage = set_apart(facts.usage, document.get("service_tier"), _billed(document.get("output")))
    return facts


def skim(body: bytes) -> AnswerFacts:
    """Read the same from the bytes, without building the rest; nothing when they are no JSON."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return read_answer(orjson.loads(body))
        except orjson.JSONDecodeError:
            return AnswerFacts()
    details = answer.incomplete_details
    facts = _facts(answer.model, answer.status, details.reason if details is not None else None, answer.usage)
    if any(item.type in _BILLED for item in answer.output):
        calls = _billed([msgspec.to_builtins(item) for item in answer.output])
    else:
        calls = ()
    facts.usage = set_apart(facts.usage, answer.service_tier, calls)
    return facts


def _billed(output: Any) -> tuple[tuple[str, int], ...]:
    """Count what is billed by the piece: searches, containers in which code ran, images."""
    counts: dict[str, int] = {}
    containers: set[str] = set()
    for item in output if is_array(output) else ():
        kind = item.get("type") if is_object(item) else None
        tool = _BILLED.get(kind) if is_text(kind) else None
        if tool is None:
            continue
        action, container = item.get("action"), item.get("container_id")
        if tool == "web_search" and is_object(action) and action.get("type", "search") != "search":
            # Opening a page that was found, or looking for words on it, is not billed.
            continue
        if tool == "code_interpreter" and is_text(container):
            if container in containers:
                continue
            containers.add(container)
        counts[tool] = counts.get(tool, 0) + 1
    return tuple(counts.items())


def unweighed(facts: AnswerFacts) -> AnswerFacts:
    """The same facts of an answer that was fetched, not made: mostly its tokens were weighed when it was made."""
    facts.fetched, facts.usage = facts.usage, None
    return facts


def _facts(model: Any, status: Any, reason: Any, usage: Any) -> AnswerFacts:
    ended = status if is_text(status) and status in _ENDED else ""
    return AnswerFacts(
        model_served=model if is_text(model) else "",
        finish_reason=reason if ended == "incomplete" and is_text(reason) else ended,
        usage=openai_usage(usage),
    )


def strip_repeats(document: Any, paths: set[Path]) -> Any:
    """Return a copy in which edited parts have no log probabilities: their tokens spell the text out once more.

    Args:
        document: A whole answer. Not changed.
        paths: Where it was edited.
    """
    parts = {path[:4] for path in paths if len(path) > 4 and path[0] in ("output", "data") and path[2] == "content"}
    for path in parts:
        document = _without_logprobs(document, path)
    return document


def _without_logprobs(value: Any, path: Path) -> Any:
    if not path:
        return {**value, "logprobs": []} if is_object(value) and value.get("logprobs") else value
    step: Any = path[0]
    if is_object(value) and step in value:
        inner = _without_logprobs(value[step], path[1:])
        return value if inner is value[step] else {**value, step: inner}
    if is_array(value) and is_integer(step) and 0 <= step < len(value):
        inner = _without_logprobs(value[step], path[1:])
        return value if inner is value[step] else [*value[:step], inner, *value[step + 1 :]]
    return value
