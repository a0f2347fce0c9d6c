"""Errors inside a session: an event of the type ``error``, after which the session goes on or is closed."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, GatewayFault
from gateway.wire.shapes import is_object, is_text


def error_event(error: GatewayError, exchange_id: str, caused_by: Any = None) -> bytes:
    """Encode an error event.

    Args:
        error: What went wrong. A fault of ours is shown as a generic sentence.
        exchange_id: Named in that sentence; the event's own name is made of it.
        caused_by: The client's event at fault, whose name the client is told.
    """
    message = error.public_message
    if error.status == 500 and isinstance(error, GatewayFault):
        message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
    name = caused_by.get("event_id") if is_object(caused_by) else None
    shown = {
        "type": error.kind,
        "code": error.code,
        "message": message,
        "param": error.param,
        "event_id": name if is_text(name) else None,
    }
    return orjson.dumps({"type": "error", "event_id": f"event_{exchange_id.replace('-', '')}", "error": shown})
