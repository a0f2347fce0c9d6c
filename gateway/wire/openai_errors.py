"""OpenAI's error shape: ``{"error": {"message", "type", "param", "code"}}``, whole and as the event of a stream.

Shared by every dialect that answers in OpenAI's form. Nothing of an error but ``public_message``, ``kind``, ``param``
and ``code`` is ever shown.
"""

from __future__ import annotations

import orjson

from gateway.core.errors import GatewayError, GatewayFault, StreamFailed


def error_body(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as OpenAI's error document.

    Args:
        error: What went wrong. A fault of ours with status 500 is shown as a generic sentence, whatever it says; a
            :class:`StreamFailed` that carries the provider's own error object is shown as that object.
        exchange_id: Named in the generic sentence, so that whoever reports it can be helped.
    """
    if isinstance(error, StreamFailed) and error.detail is not None:
        return b'{"error":' + error.detail + b"}"
    message = error.public_message
    if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
        message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
    shown = {"message": message, "type": error.kind, "param": error.param, "code": error.code}
    return orjson.dumps({"error": shown})


def error_event(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the last event of a stream; no ``[DONE]`` follows it."""
    # The official clients raise on a data event whose object has a truthy "error".
    return b"data: " + error_body(error, exchange_id) + b"\n\n"
