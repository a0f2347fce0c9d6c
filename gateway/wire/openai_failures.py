"""Errors that come as an event of a stream, in the shapes that servers of OpenAI's interface give them."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.shapes import is_integer, is_object, is_text


def provider_failure(error: Any) -> StreamFailed:
    """Turn the ``error`` of an event into a failure that keeps the provider's own words and status."""
    if not is_object(error):
        return StreamFailed(error if is_text(error) else "The provider reported an error.")
    message = error.get("message")
    status = 502
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if is_text(value) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if is_integer(value) and 400 <= value <= 599:
            status = value
            break
    shown = message if is_text(message) and message else "The provider reported an error."
    return StreamFailed(shown, status=status, detail=_written(error))


def _written(error: Any) -> bytes:
    try:
        return orjson.dumps(error)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The provider sent an event that is nested too deeply.") from None
