"""The tools that a request offers to the model, and where it tells the model to use one, in any dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from gateway.core.segments import Path

# Where a definition keeps its name, besides in itself.
_HOLDERS = ("function", "custom", "toolSpec")
_LISTS = ("tools", "functions")
_GROUPS = ("functionDeclarations", "function_declarations")
_CHOICES = ("tool_choice", "function_call")
# Types that say how a tool is defined or chosen, and name none.
_UNNAMED = frozenset({"function", "custom", "tool", "allowed_tools", "auto", "any", "none", "required"})


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def offered(document: Any) -> Iterator[tuple[Path, str]]:
    """Yield every definition of a tool with its name; empty for one that has none.

    A tool that the provider runs itself has no name but its type (``web_search``).
    """
    for key in _LISTS if is_object(document) else ():
        yield from _listed((key,), document.get(key))
    config = document.get("toolConfig") if is_object(document) else None
    if is_object(config):
        yield from _listed(("toolConfig", "tools"), config.get("tools"))


def chosen(document: Any) -> Iterator[tuple[Path, str]]:
    """Yield every place at which a request names a tool that the model must or may use."""
    for key in _CHOICES if is_object(document) else ():
        choice = document.get(key)
        if not is_object(choice):
            continue
        name = tool_name(choice)
        if name:
            yield (key,), name
        for holder, path in ((choice, (key, "tools")), (choice.get("allowed_tools"), (key, "allowed_tools", "tools"))):
            if is_object(holder):
                yield from _listed(path, holder.get("tools"))


def tool_name(definition: Any) -> str:
    """Return the name of a tool by its definition or choice; empty when it has none."""
    if not is_object(definition):
        return ""
    for holder in (definition, *[definition.get(key) for key in _HOLDERS]):
        name = holder.get("name") if is_object(holder) else None
        if isinstance(name, str) and name:
            return name
    kind = definition.get("type")
    return kind if isinstance(kind, str) and kind not in _UNNAMED else ""


def _listed(path: Path, listed: Any) -> Iterator[tuple[Path, str]]:
    for index, definition in enumerate(listed if is_array(listed) else ()):
        groups = [key for key in _GROUPS if is_object(definition) and is_array(definition.get(key))]
        if not groups:
            yield (*path, index), tool_name(definition)
        for key in groups:
            yield from _listed((*path, index, key), definition[key])
