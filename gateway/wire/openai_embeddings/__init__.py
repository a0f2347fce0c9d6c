"""OpenAI's embeddings: ``POST /v1/embeddings``. Text in, vectors out; never a stream.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from gateway.wire.openai_embeddings.dialect import DIALECT

__all__ = ["DIALECT"]
