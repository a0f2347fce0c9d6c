"""The error answers of a provider that speaks Responses."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ProviderAnswered
from gateway.core.exchange import Headers
from gateway.wire.openai_responses.chat_pieces import text_of
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_object, is_text

MAX_MESSAGE_CHARS = 4_096


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    held = document.get("error", document) if is_object(document) else document
    code = param = ""
    message = held if is_text(held) else ""
    if is_object(held):
        message = text_of(held, "message") or text_of(held, "detail")
        code, param = text_of(held, "code") or text_of(held, "type"), text_of(held, "param")
    return ProviderAnswered(
        message[:MAX_MESSAGE_CHARS] or f"The provider answered with status {status}.",
        status=status,
        code=code,
        param=param or None,
        retry_after_s=retry_after_s(headers),
    )
