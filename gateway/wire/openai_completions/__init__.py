"""The dialect ``openai_completions``: legacy text completions, whole and streamed."""

from __future__ import annotations

from gateway.wire.openai_completions.dialect import DIALECT

__all__ = ["DIALECT"]
