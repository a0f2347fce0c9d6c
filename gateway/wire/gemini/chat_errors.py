"""The error answers of a provider that speaks this dialect."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import ProviderAnswered
from gateway.core.exchange import Headers
from gateway.wire.gemini.chat_pieces import text_of
from gateway.wire.gemini.errors import RETRY_INFO
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.retry_after import retry_after_s
from gateway.wire.shapes import is_array, is_object, is_text

MAX_MESSAGE_CHARS = 4_096
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
# A bad key is the client's mistake in Google's eyes; everybody else calls it by another number.
_STATUSES = {"API_KEY_INVALID": 401}


def read_error(status: int, headers: Headers, document: Any) -> ProviderAnswered:
    """Read an error answer: see :meth:`gateway.core.codec.ChatCodec.read_error`."""
    if is_array(document) and document:
        document = document[0]
    held = document.get("error", document) if is_object(document) else document
    message = held if is_text(held) else ""
    code, param, wait = "", None, retry_after_s(headers)
    if is_object(held):
        message = text_of(held, "message")
        code = text_of(held, "status")
        for detail in listed(held.get("details")):
            if not is_object(detail):
                continue
            code = text_of(detail, "reason") or code
            param = param or _field(detail)
            if wait is None and detail.get("@type") == RETRY_INFO:
                wait = _seconds(text_of(detail, "retryDelay"))
    return ProviderAnswered(
        message[:MAX_MESSAGE_CHARS] or f"The provider answered with status {status}.",
        status=_STATUSES.get(code, status),
        code=code.lower(),
        param=param,
        retry_after_s=wait,
    )


def _field(detail: dict[str, Any]) -> str | None:
    for violation in listed(read(detail, "fieldViolations")):
        if is_object(violation) and (field := text_of(violation, "field")):
            return field
    return None


def _seconds(duration: str) -> float | None:
    found = _DURATION.fullmatch(duration)
    return float(found[1]) if found else None
