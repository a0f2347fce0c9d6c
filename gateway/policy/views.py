"""``views``: which readings of a text a detector looks at."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BeforeValidator, WithJsonSchema

from gateway.config.validation import suggestion
from gateway.core.views import VIEW_NAMES


def _views(value: object) -> object:
    """Read ``all``, or names of views."""
    if value == "all":
        return value
    names = cast("list[object]", value) if isinstance(value, list) else [value]
    for name in names:
        if name not in VIEW_NAMES:
            hint = suggestion(str(name), VIEW_NAMES) or f"; there are {', '.join(VIEW_NAMES)}"
            raise ValueError(f"no view is called '{name}'{hint}")
    if not names:
        raise ValueError("should be all, or a list of views")
    return names


Views = Annotated[
    Any,
    BeforeValidator(_views),
    WithJsonSchema(
        {"anyOf": [{"enum": ["all", *VIEW_NAMES]}, {"type": "array", "items": {"enum": [*VIEW_NAMES]}, "minItems": 1}]}
    ),
]
