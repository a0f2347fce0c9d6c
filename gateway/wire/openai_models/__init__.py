"""OpenAI's list of models: ``GET /v1/models`` and ``GET /v1/models/{id}``. No body goes in.

https://platform.openai.com/docs/api-reference/models
"""

from __future__ import annotations

from gateway.wire.openai_models.answer import model_body, models_body
from gateway.wire.openai_models.dialect import DIALECT

__all__ = ["DIALECT", "model_body", "models_body"]
