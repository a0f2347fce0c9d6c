"""What a principal may ask for."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from gateway.core.errors import PermissionDenied
from gateway.core.exchange import Labels, Principal

# No model is called that; matching time grows with the name.
_MAX_MODEL_CHARS = 200
_MAX_SHOWN_CHARS = 64


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
    if len(model) <= _MAX_MODEL_CHARS and covers(allowed, model):
        return
    raise PermissionDenied(f"This key may not use the model '{model[:_MAX_MODEL_CHARS]}'.", param="model")


def permit_operation(principal: Principal, operation: str, route: str) -> None:
    """Check what is done against what the caller's key allows.

    Args:
        principal: Who is calling; one without a list may do everything.
        operation: ``chat``, ``embeddings``, …; empty for what has no such name.
        route: The template of the path.

    Raises:
        PermissionDenied: No entry of the list names the operation, or covers the route.
    """
    allowed = principal.operations
    if not allowed or (operation and operation in allowed):
        return
    if covers([each for each in allowed if each.startswith("/")], route):
        return
    raise PermissionDenied("This key may not use this endpoint.")


def granted(principal: Principal, labels: Labels | None) -> Labels | None:
    """Check what a call's headers say of it against what the caller's key lets them say.

    Returns:
        What holds for the call: as its headers have it, or stricter.

    Raises:
        PermissionDenied: They set a tag that the key may not set.
    """
    if labels is not None and principal.settable is not None:
        for name in labels.tags:
            if not covers(principal.settable, name):
                raise PermissionDenied(f"This key may not set the tag '{name[:_MAX_SHOWN_CHARS]}'.")
    if not principal.strict:
        return labels
    return Labels(strict=True) if labels is None else msgspec.structs.replace(labels, strict=True)


def covers(patterns: tuple[str, ...] | list[str], name: str) -> bool:
    """Say whether one of some globs fits a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
