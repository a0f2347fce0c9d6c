"""The error answers of a provider that speaks this dialect."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ProviderAnswered
from gateway.core.exchange import Headers
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_object, is_text

MAX_MESSAGE_CHARS = 4_096


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    held = document.get("error", document) if is_object(document) else document
    message = held if is_text(held) else ""
    code = ""
    if is_object(held):
        details = held.get("details")
        message = _text(held, "message")
        code = (_text(details, "error_code") if is_object(details) else "") or _text(held, "type")
    return ProviderAnswered(
        message[:MAX_MESSAGE_CHARS] or f"The provider answered with status {status}.",
        status=status,
        code=code,
        retry_after_s=retry_after_s(headers),
    )


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
