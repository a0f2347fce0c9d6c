"""Images inside a document: where they are, in whichever dialect, and who sent them.

Dialects write them in few ways: as a data URL in a string, or as base64 beside its media type. An image behind an
address is none: nothing here is ever fetched.
"""

from __future__ import annotations

from typing import Any, cast

from gateway.core.segments import Path, Segment

_DATA_URL = "data:image/"
_MEDIA = "image/"
# Where dialects keep what is said, and where they write the media type of what lies beside it in ``data``.
_MEDIA_FIELDS = ("media_type", "mimeType", "mime_type")
_TOOLS = frozenset({"tool_result", "functionResponse", "function_response", "toolResult"})
_ROLES = {"model": "assistant", "function": "tool"}


def find_images(document: Any) -> list[Segment]:
    """Return the images of a request in document order, each a segment of the kind ``image`` whose text is base64.

    Iterative: a document of any depth costs no Python stack.
    """
    found: list[Segment] = []
    stack: list[tuple[Path, Any, str]] = [((), document, "")]
    while stack:
        path, value, role = stack.pop()
        if isinstance(value, dict):
            held = cast("dict[str, Any]", value)
            role = _role(held, role)
            if (place := _beside_its_type(held)) is not None:
                found.append(Segment((*path, place), role, "image", held[place]))
                continue
            stack.extend(
                ((*path, name), held[name], "tool" if name in _TOOLS else role)
                for name in reversed(held)
                if held[name].__class__ in (dict, list, str)
            )
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            stack.extend(((*path, at), items[at], role) for at in range(len(items) - 1, -1, -1))
        elif isinstance(value, str) and value[: len(_DATA_URL)].lower() == _DATA_URL:
            found.append(Segment(path, role, "image", value))
    return found


def base64_of(text: str) -> str:
    """Return the base64 of an image's segment; empty for a data URL that is written in another way."""
    if not text[: len(_DATA_URL)].lower().startswith(_DATA_URL):
        return text
    head, comma, data = text.partition(",")
    return data if comma and head.lower().endswith(";base64") else ""


def _role(held: dict[str, Any], role: str) -> str:
    said = held.get("role")
    if isinstance(said, str):
        # A tool's result stays one, whoever carries it.
        return role if role == "tool" else _ROLES.get(said, said)
    kind = held.get("type")
    return "tool" if isinstance(kind, str) and (kind in _TOOLS or kind.endswith("_call_output")) else role


def _beside_its_type(held: dict[str, Any]) -> str | None:
    """Where an object holds an image whose type it names, or that Converse says the format of."""
    for field in _MEDIA_FIELDS:
        named = held.get(field)
        if isinstance(named, str) and named.lower().startswith(_MEDIA) and isinstance(held.get("data"), str):
            return "data"
    return None
