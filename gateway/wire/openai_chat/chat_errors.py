"""The error answers of a provider that speaks chat, in the forms that its many servers have."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ProviderAnswered
from gateway.core.exchange import Headers
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_array, is_object, is_text

MAX_MESSAGE_CHARS = 4_096


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    held = document.get("error", document) if is_object(document) else document
    if is_array(held) and held:
        held = held[0]
    code = param = ""
    message = held if is_text(held) else ""
    if is_object(held):
        message = next((text for name in ("message", "detail", "error") if is_text(text := held.get(name))), "")
        code, param = _text(held, "code") or _text(held, "type"), _text(held, "param")
    return ProviderAnswered(
        message[:MAX_MESSAGE_CHARS] or f"The provider answered with status {status}.",
        status=status,
        code=code,
        param=param or None,
        retry_after_s=retry_after_s(headers),
    )


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
