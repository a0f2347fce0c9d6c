"""The dialect ``anthropic_messages``: messages, whole and streamed, and the counting of their tokens."""

from __future__ import annotations

from gateway.wire.anthropic_messages.codec import CODEC
from gateway.wire.anthropic_messages.counting import COUNTING
from gateway.wire.anthropic_messages.dialect import DIALECT

__all__ = ["CODEC", "COUNTING", "DIALECT"]
