"""An embeddings request: what it asks for, and its text."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.core.segments import Path, Segment
from gateway.wire.grammar import Found, constant, fields, leaves, nothing, text
from gateway.wire.shapes import is_array, is_integer, is_object, is_text


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand a request.

    Args:
        incoming: The request as it was framed.
        document: Its body, parsed strictly.

    Raises:
        MalformedRequest: It is not an object, or has no model or no input of a known form.
    """
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    model = document.get("model")
    if not is_text(model) or not model:
        raise MalformedRequest("'model' must be a string that is not empty.", param="model")
    if not _is_input(document.get("input")):
        raise MalformedRequest("'input' must be a string, strings, or lists of token numbers.", param="input")
    query = incoming.query
    return Request(
        dialect="openai_embeddings",
        operation="embeddings",
        route="/v1/embeddings",
        upstream_path=f"/embeddings?{query}" if query else "/embeddings",
        document=document,
        body=incoming.body,
        model=model,
    )


def _is_input(value: Any) -> bool:
    # Only the first item is looked at: the provider checks the rest, and every text is a segment wherever it stands.
    if not is_array(value):
        return is_text(value)
    return bool(value) and (is_text(value[0]) or is_integer(value[0]) or is_array(value[0]))


_user_text = text("text")


def _input(path: Path, role: str, value: Any, found: Found) -> None:
    """Strings, to any depth of arrays; numbers are tokens, which are not text here."""
    if not is_array(value):
        _user_text(path, "user", value, found)
        return
    for index, item in enumerate(value):
        if not is_integer(item):
            _input((*path, index), role, item, found)


_request = fields(
    {
        "model": nothing,
        "input": _input,
        "encoding_format": constant("float", "base64"),
        "dimensions": constant(),
        "user": leaves(),
    }
)


def segments(document: Any) -> list[Segment]:
    """List every text to be embedded and whatever else is text."""
    found: Found = []
    _request((), "", document, found)
    return found
