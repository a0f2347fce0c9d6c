"""The dialect ``openai_chat``: chat completions, whole and streamed."""

from __future__ import annotations

from gateway.wire.openai_chat.dialect import DIALECT

__all__ = ["DIALECT"]
