"""Triton's error shape: ``{"error": "message"}``, whole and as the event of a stream."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, GatewayFault, StreamFailed
from gateway.wire.shapes import is_text


def error_body(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error.

    Args:
        error: What went wrong. A fault of ours with status 500 is shown as a generic sentence, whatever it says.
        exchange_id: Named in the generic sentence, so that whoever reports it can be helped.
    """
    message = error.public_message
    if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
        message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
    return orjson.dumps({"error": message})


def error_event(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the last event of a stream."""
    return b"data: " + error_body(error, exchange_id) + b"\n\n"


def stream_failure(error: Any) -> StreamFailed:
    """Turn the ``error`` of an event into a failure that keeps the server's own words.

    The status says what it stands for when nothing was sent yet. Triton gives none here, so it is the server's failure.
    """
    return StreamFailed(error if is_text(error) and error else "The server reported an error.", status=500)
