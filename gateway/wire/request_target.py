"""Paths and queries that everybody on the way reads the same: the ones that may go to a provider.

A proxy that joins a client's path to a provider's base URL must not let anybody climb out of it, whatever the server
behind decodes, folds or strips. Dots are refused in every spelling; harmless percent escapes pass as they came.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from gateway.core.errors import MalformedRequest

# Printable ASCII; neither space nor what ends a path, and no backslash, which some servers take for a slash.
_PATH = re.compile(r"/(?:[!$&-;=@-\[\]_a-z|~]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"[!\"$-~]*")
# A dot, a backslash, control characters.
_HIDDEN = re.compile(r"%(?:2e|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
# What would come of decoding twice, however the digits of it are written: any of these, a slash, a percent sign.
_HIDDEN_TWICE = re.compile(r"%(?:2[ef5]|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
_PARAMETERS = re.compile("(?:;|%3b).*", re.IGNORECASE)


def check_target(path: str, query: str) -> None:
    """Check what the client asked for, before any of it becomes part of a URL.

    Args:
        path: As it came, percent-encoded.
        query: Without the question mark.

    Raises:
        MalformedRequest: It could lead elsewhere than it seems, or break out of the request line.
    """
    if _PATH.fullmatch(path) is None or _HIDDEN.search(path) is not None:
        raise MalformedRequest("The path has characters that are not allowed.")
    if "%25" in path and _HIDDEN_TWICE.search(unquote(path)) is not None:
        raise MalformedRequest("The path has characters that are not allowed.")
    # Some servers strip what follows a semicolon before they fold dots and slashes.
    segments = _segments(path)
    if ";" in path or "%3" in path:
        segments = [_PARAMETERS.sub("", segment) for segment in segments]
    # Every segment but what follows a slash at the end; the first is empty, as the path starts with one.
    if "" in segments[1:-1]:
        raise MalformedRequest("The path has an empty segment.")
    if "." in segments or ".." in segments:
        raise MalformedRequest("The path has a dot segment.")
    check_query(query)


def check_query(query: str) -> None:
    """Check a query alone, where the path is known.

    Raises:
        MalformedRequest: It would break out of the request line.
    """
    if query and _QUERY.fullmatch(query) is None:
        raise MalformedRequest("The query has characters that are not allowed.")


def with_model(template: str, model: str) -> str:
    """Write a model's name where ``{model}`` stands in a path, or ``{modelId}``, which Amazon has escaped entirely."""
    if "{modelId}" in template:
        return template.replace("{modelId}", quote(model, safe="-._~"), 1)
    return template.replace("{model}", quote(model, safe="@:,-._~"), 1)


def model_in(written: str) -> str:
    """Read a model's name as it stands in a path, slashes in it included; nothing where it cannot be one."""
    name = unquote(written)
    steps = name.split("/")
    return name if name.isprintable() and not {"", ".", ".."}.intersection(steps) else ""


def plain_path(path: str) -> str:
    """Show a path as the most lenient server could read it: decoded, lower-case, without parameters or final slash."""
    return "/".join(segment.partition(";")[0] for segment in _segments(unquote(unquote(path)).lower())).rstrip("/")


def _segments(path: str) -> list[str]:
    return path.replace("%2F", "/").replace("%2f", "/").split("/")
