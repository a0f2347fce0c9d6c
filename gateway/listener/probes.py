"""Probes on the hot side: whoever watches the gateway is answered from its first moment on, and at little cost.

Only a probe as probes are sent is known here: its head came whole, with nothing behind it. Any other takes the way of
every other request.
"""

from __future__ import annotations

from gateway.listener import reply
from gateway.listener.health import Health
from gateway.listener.reader import RequestReader

_PROBES = (b"GET /healthz", b"GET /readyz")


def answer_probe(data: bytes, health: Health) -> tuple[bytes, bool] | None:
    """Answer the first bytes of a connection, or of its next request, when they are a probe.

    Returns:
        The answer, and whether the connection ends with it; ``None`` when they are none.
    """
    if not data.startswith(_PROBES) or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    reader = RequestReader("", 0)
    incoming = reader.feed(data)
    if incoming is None or incoming.fault is not None or reader.head is None:
        return None
    known = health.answer(incoming.path, incoming.query)
    if known is None:
        return None
    close = reader.head.close or health.draining
    return reply.whole(*known, close=close), close
