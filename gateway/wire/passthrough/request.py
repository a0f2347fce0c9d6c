"""A request of no known dialect: where it goes, and the few fields that mean the same almost everywhere."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import RouteNotFound
from gateway.core.exchange import Incoming, Request
from gateway.wire.media_type import check_json, is_json
from gateway.wire.passthrough.binary import HEAD_LENGTH
from gateway.wire.shapes import is_integer, is_object, is_text

# Routes are names in policies, records and metrics: a bounded set, whatever paths clients make up.
FAMILIES = frozenset({
    "assistants", "audio", "batches", "chat", "chatkit", "containers", "conversations", "evals", "files", "fine_tuning",
    "images", "models", "moderations", "organization", "realtime", "rerank", "responses", "score", "skills", "threads",
    "tokenize", "uploads", "vector_stores", "videos",
})  # fmt: skip
_OF_A_PROVIDER = "/providers/"
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What clients call the most tokens that a model may write.
_MOST_TOKENS = ("max_output_tokens", "max_completion_tokens", "max_tokens")


def parse(incoming: Incoming, document: Any) -> Request:
    """Understand as much of a request as can be.

    Args:
        incoming: The request as it was framed; its path was checked for climbing out.
        document: Its body, parsed strictly; ``None`` when it is no JSON.

    Raises:
        RouteNotFound: The path names no provider.
    """
    provider, route, below = _target(incoming.path)
    request = Request(
        dialect="passthrough",
        operation="chat" if route == "/v1/responses" and incoming.method == "POST" else "",
        route=route,
        upstream_path=f"{below}?{incoming.query}" if incoming.query else below,
        provider=provider,
        document=document,
        body=incoming.body,
        # A stored answer can be asked for again as a stream, by GET.
        stream="stream=true" in incoming.query.split("&"),
    )
    if is_object(document):
        model = document.get("model")
        if is_text(model):
            request.model = model
        request.stream = request.stream or document.get("stream") is True
        request.max_output_tokens = _most_tokens(document)
    return request


def carries_json(incoming: Incoming) -> bool:
    """Say whether the body is to be read as JSON, all of it.

    Raises:
        MalformedRequest: The type says JSON in a character set other than UTF-8, or in a content coding.
    """
    if HEAD_LENGTH in incoming.headers and incoming.path.startswith("/v2/"):
        return False
    if not is_json(incoming.headers, incoming.body):
        return False
    check_json(incoming.headers)
    return True


def unscanned(request: Request) -> bool:
    """Say whether the request has a body that no guard can read: forms, audio, files."""
    return request.document is None and bool(request.body)


def _target(path: str) -> tuple[str, str, str]:
    """Split a path into the provider it names, its template, and what is below the provider's base URL."""
    if path.startswith(_OF_A_PROVIDER):
        name, _, below = path[len(_OF_A_PROVIDER) :].partition("/")
        if _PROVIDER_NAME.fullmatch(name) is None:
            raise RouteNotFound("The path names no provider: /providers/{name}/{path}.")
        return name, "/providers/{name}/*", "/" + below
    below = path.removeprefix("/v1")
    family, slash, _ = below[1:].partition("/")
    if family not in FAMILIES:
        return "", "/v1/*", below
    return "", f"/v1/{family}/*" if slash else f"/v1/{family}", below


def _most_tokens(document: dict[str, Any]) -> int | None:
    for name in _MOST_TOKENS:
        value = document.get(name)
        if is_integer(value) and value > 0:
            return value
    return None
