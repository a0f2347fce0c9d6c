"""What chat and completions requests have in common: the fields we act on, and the bytes that go upstream."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Incoming, Request
from gateway.wire.patch import asks_usage, dump, edited, patched
from gateway.wire.shapes import is_integer, is_object, is_text

MAX_CHOICES = 128


def read_request(incoming: Incoming, document: dict[str, Any], *, dialect: str, operation: str, path: str) -> Request:
    """Read the fields that every generating request has; the dialect has checked its own.

    Args:
        incoming: The request as it was framed.
        document: Its body, parsed strictly.
        dialect: The dialect's name.
        operation: OpenTelemetry's name of what is asked for.
        path: The path below a provider's base URL, with a leading slash.

    Raises:
        MalformedRequest: A field that we act on is missing or of the wrong type.
    """
    model = document.get("model")
    if not is_text(model) or not model:
        raise MalformedRequest("'model' must be a string that is not empty.", param="model")
    stream = ("stream" in document or "stream_options" in document) and _read_stream(document)
    return Request(
        dialect=dialect,
        operation=operation,
        route="/v1" + path,
        upstream_path=f"{path}?{incoming.query}" if incoming.query else path,
        document=document,
        body=incoming.body,
        model=model,
        stream=stream,
        wants_usage=stream and asks_usage(document),
        choices=_read_choices(document) if "n" in document else 1,
        max_output_tokens=_read_max_tokens(document),
    )


def body_object(document: Any) -> dict[str, Any]:
    """Return the document when it is an object.

    Raises:
        MalformedRequest: It is not.
    """
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    return document


def upstream_body(request: Request, document: Any, model: str) -> bytes:
    """Give the bytes for the provider: see :meth:`gateway.core.ports.Dialect.upstream_body`.

    A stream always asks the provider for its usage, since an estimate misses reasoning tokens; a client that did not
    ask is not shown it.
    """
    model = "" if model == request.model else model
    if not model and not request.stream and document is request.document:
        return request.body
    if document is request.document:
        return patched(request.body, document, model=model, usage=request.stream)
    return dump(edited(document, model=model, usage=request.stream))


def _read_stream(document: dict[str, Any]) -> bool:
    stream = document.get("stream")
    if stream is not None and stream.__class__ is not bool:
        raise MalformedRequest("'stream' must be true, false or null.", param="stream")
    options = document.get("stream_options")
    if options is not None and not is_object(options):
        raise MalformedRequest("'stream_options' must be an object or null.", param="stream_options")
    return stream is True


def _read_choices(document: dict[str, Any]) -> int:
    choices = document.get("n")
    if choices is None:
        return 1
    if not is_integer(choices) or not 1 <= choices <= MAX_CHOICES:
        raise MalformedRequest(f"'n' must be an integer from 1 to {MAX_CHOICES}.", param="n")
    return choices


def _read_max_tokens(document: dict[str, Any]) -> int | None:
    older = _limit(document, "max_tokens") if "max_tokens" in document else None
    if "max_completion_tokens" not in document or document["max_completion_tokens"] is None:
        return older
    return _limit(document, "max_completion_tokens")


def _limit(document: dict[str, Any], name: str) -> int | None:
    value = document[name]
    if value is None:
        return None
    if not is_integer(value):
        raise MalformedRequest(f"'{name}' must be an integer or null.", param=name)
    # Some servers take a negative number for "no limit".
    return value if value >= 0 else None
