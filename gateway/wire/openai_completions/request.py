"""Legacy completions requests: what we read of them, and every text in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.grammar import Found, constant, each, fields, leaves, nothing, text
from gateway.wire.openai_request import body_object, read_request
from gateway.wire.shapes import is_array, is_integer, is_text

DIALECT_NAME = "openai_completions"

_NUMBER = constant()


_text_leaves = leaves("text")


def _prompt_item(path: Path, role: str, value: Any, found: Found) -> None:
    """Strings are text; token numbers are none, since nobody here can read them."""
    if is_array(value):
        if not all(is_integer(item) for item in value):
            _text_leaves(path, role, value, found)
    elif not is_integer(value):
        _text_leaves(path, role, value, found)


_REQUEST = fields(
    {
        "model": nothing,
        "prompt": each(_prompt_item),
        "suffix": text("text"),
        "stop": each(leaves()),
        "user": leaves(),
        "metadata": leaves(),
        "logit_bias": leaves(),
        "stream_options": fields({"include_usage": _NUMBER, "include_obfuscation": _NUMBER}),
        **dict.fromkeys(
            (
                "stream", "n", "best_of", "echo", "temperature", "top_p", "top_k", "min_p", "max_tokens", "seed",
                "presence_penalty", "frequency_penalty", "logprobs",
            ),
            _NUMBER,
        ),
    }
)  # fmt: skip


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a completions request: see :meth:`gateway.core.ports.Dialect.parse`."""
    document = body_object(document)
    prompt = document.get("prompt")
    if prompt is not None and not is_text(prompt) and not is_array(prompt):
        raise MalformedRequest("'prompt' must be a string or an array.", param="prompt")
    return read_request(incoming, document, dialect=DIALECT_NAME, operation="text_completion", path="/completions")


def segments(document: Any) -> Iterator[Segment]:
    """Every text of a completions request, in the order in which it stands there."""
    found: Found = []
    _REQUEST((), "user", document, found)
    return iter(found)
