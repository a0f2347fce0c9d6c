"""Triton's generate extension: ``/v2/models/{model}[/versions/{version}]/generate`` and ``/generate_stream``.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_generate.md
"""

from __future__ import annotations

from gateway.wire.triton.described import described
from gateway.wire.triton.dialect import DIALECT
from gateway.wire.triton.paths import check_own, is_below, is_generate

__all__ = ["DIALECT", "check_own", "described", "is_below", "is_generate"]
