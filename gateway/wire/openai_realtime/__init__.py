"""OpenAI's Realtime events, as they go over a WebSocket: ``/v1/realtime``, and Azure's paths for the same.

https://platform.openai.com/docs/api-reference/realtime

One event is one text message. Client events are judged as requests are, one by one; server events as a stream is.
"""

from __future__ import annotations

from gateway.wire.openai_realtime.dialect import DIALECT
from gateway.wire.openai_realtime.request import is_path, protocols_of, provider_target, wants_socket

__all__ = ["DIALECT", "is_path", "protocols_of", "provider_target", "wants_socket"]
