"""What a principal may ask for."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.core.errors import PermissionDenied
from gateway.core.exchange import Principal

# No model is called that; matching time grows with the name.
_MAX_MODEL_CHARS = 200


def permit_model(principal: Principal, model: str) -> None:
    """Check a model against the names that the caller's key allows.

    Args:
        principal: Who is calling; one without a list may name every model.
        model: As the client wrote it.

    Raises:
        PermissionDenied: No entry of the list covers the name.
    """
    allowed = principal.models
    if not allowed or model in allowed:
        return
    if len(model) <= _MAX_MODEL_CHARS:
        for pattern in allowed:
            if fnmatchcase(model, pattern):
                return
    raise PermissionDenied(f"This key may not use the model '{model[:_MAX_MODEL_CHARS]}'.", param="model")
