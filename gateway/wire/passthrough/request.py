"""A request of no known dialect: where it goes, and the few fields that mean the same almost everywhere."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import MalformedRequest, RouteNotFound
from gateway.core.exchange import Headers, Incoming, Request
from gateway.wire.shapes import is_integer, is_object, is_text

# Routes are names in policies, records and metrics: a bounded set, whatever paths clients make up.
FAMILIES = frozenset({
    "assistants", "audio", "batches", "chat", "chatkit", "containers", "conversations", "evals", "files", "fine_tuning",
    "images", "models", "moderations", "organization", "realtime", "rerank", "responses", "score", "skills", "threads",
    "tokenize", "uploads", "vector_stores", "videos",
})  # fmt: skip
_OF_A_PROVIDER = "/providers/"
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_JSON_TYPES = frozenset((b"application/json", b"text/json"))
_UTF8 = frozenset((b"utf-8", b"utf8"))
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
    """Say whether the body is to be read as JSON: its type says so, or it has none and looks like it.

    Raises:
        MalformedRequest: The type says JSON in a character set other than UTF-8, or in a content coding.
    """
    headers, body = incoming.headers, incoming.body
    if not body:
        return False
    media, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    media = media.strip()
    if not media:
        return body.lstrip(b" \t\r\n")[:1] in (b"{", b"[")
    if media not in _JSON_TYPES and not media.endswith(b"+json"):
        return False
    _, _, charset = parameters.replace(b" ", b"").partition(b"charset=")
    if charset and charset.strip(b'"') not in _UTF8:
        raise MalformedRequest("A JSON body must be UTF-8.")
    if _is_coded(headers):
        raise MalformedRequest("A JSON body must come without a content coding.")
    return True


def unscanned(request: Request) -> bool:
    """Say whether the request has a body that no guard can read: forms, audio, files."""
    return request.document is None and bool(request.body)


def _is_coded(headers: Headers) -> bool:
    return headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b"")


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
