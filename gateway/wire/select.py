"""Which dialect a request is in, by method and path; the body is read here, strictly, once.

What the contract names and nobody built yet is refused here: passed through blindly it would look as if it were there.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.core.errors import GatewayError, MalformedRequest, MethodNotAllowed, NotAvailable, RouteNotFound
from gateway.core.exchange import Incoming, Request
from gateway.core.ports import Dialect
from gateway.wire import (
    anthropic_messages,
    azure,
    bedrock_converse,
    gemini,
    invoked,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_models,
    openai_realtime,
    openai_responses,
    passthrough,
    triton,
)
from gateway.wire.extent import MAX_VALUES, check_extent
from gateway.wire.media_type import check_json
from gateway.wire.request_target import check_query, check_target, plain_path
from gateway.wire.strict_json import parse_body

# The routes that have a dialect of their own: one look-up, POST only.
_BY_PATH: dict[str, Dialect] = {
    "/v1/chat/completions": openai_chat.DIALECT,
    "/v1/completions": openai_completions.DIALECT,
    "/v1/embeddings": openai_embeddings.DIALECT,
    "/v1/messages": anthropic_messages.DIALECT,
    "/v1/messages/count_tokens": anthropic_messages.COUNTING,
    "/anthropic/v1/messages": anthropic_messages.DIALECT,
    "/anthropic/v1/messages/count_tokens": anthropic_messages.COUNTING,
    "/v1/responses": openai_responses.DIALECT,
    "/v1/responses/compact": openai_responses.DIALECT,
    "/v1/responses/input_tokens": openai_responses.DIALECT,
}
# Whose clients also expect errors of other paths in their own form.
_ANTHROPIC = ("/anthropic/", "/v1/messages/")
# Bodies that say themselves in which form they are.
_INVOKED = invoked.UNKNOWN
# Where integers are tokens, by dialect.
_TOKENS = {openai_completions.DIALECT.name: "prompt", openai_embeddings.DIALECT.name: "input"}
_CACHE = b"x-weighbridge-cache"
_POLICY = b"x-weighbridge-policy"
_MEMO = "dialect"
_MODELS = "/v1/models"
_CAPABILITIES = "/v1/capabilities"
_PASSED_THROUGH = ("/v1/", "/providers/")
# TRACE would hand credentials back, CONNECT is a tunnel.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_NOT_BUILT = (
    "/anthropic",
    "/gemini",
    "/v1/messages",
    "/v1beta",
)
_BATCHES = re.compile(r"(?:/anthropic)?/v1/messages/batches(?:/|$)")
_TENSORS = "/v2/"


def select(incoming: Incoming) -> tuple[Dialect, Request]:
    """Find the dialect of a request and understand the request.

    Args:
        incoming: As the listener framed it.

    Raises:
        MalformedRequest: The path, the query or the body cannot be read in one way only, or lacks what it must have.
        RouteNotFound: No such path.
        MethodNotAllowed: The path takes other methods.
        NotAvailable: The path is part of the contract and not built yet.
        RequestTooLarge: The body has too many values.
        GatewayError: The listener's own finding, ``incoming.fault``.
    """
    if incoming.fault is not None:
        raise incoming.fault
    dialect = incoming.memo.get(_MEMO)
    if dialect is None:
        dialect = _by_head(incoming)
        if dialect is None:
            return _elsewhere(incoming)
        incoming.memo[_MEMO] = dialect
    if incoming.path not in _BY_PATH:
        gemini.take_key(incoming)
    document = parse_body(incoming.body)
    if dialect is _INVOKED:
        dialect = invoked.dialect_of(document)
    if len(incoming.body) > MAX_VALUES:
        check_extent(incoming.body, document, tokens=_TOKENS.get(dialect.name, ""))
    return dialect, dialect.parse(incoming, document)


def _by_head(incoming: Incoming) -> Dialect | None:
    """Everything that the head alone decides; ``None`` for paths without a dialect of their own."""
    headers = incoming.headers
    if _POLICY in headers and headers[_POLICY].lower() != b"strict":
        raise MalformedRequest("The header x-weighbridge-policy must be 'strict': it can only make rules stricter.")
    if _CACHE in headers and headers[_CACHE].lower() not in (b"off", b"refresh"):
        raise MalformedRequest("The header x-weighbridge-cache must be 'off' or 'refresh'.")
    dialect = _BY_PATH.get(incoming.path)
    if dialect is None:
        dialect = _by_form(incoming)
    if dialect is not None:
        if incoming.method != "POST":
            raise _takes("POST")
        if incoming.query:
            check_query(incoming.query)
        check_json(headers)
    return dialect


def error_dialect(path: str) -> Dialect:
    """Give the dialect in whose shape a client of this path expects errors, even of requests nobody understood."""
    path = azure.bare_of(path) or path
    if path.startswith(_ANTHROPIC):
        return _BY_PATH.get(path, anthropic_messages.DIALECT)
    if triton.is_below(path):
        return triton.DIALECT
    if bedrock_converse.is_below(path):
        return bedrock_converse.DIALECT
    known = _BY_PATH.get(path) or _kept(path)
    return known or (gemini.DIALECT if gemini.is_below(path) else passthrough.DIALECT)


def _kept(path: str) -> Dialect | None:
    """Answers that a provider keeps, and new ones of a provider that the path names."""
    return openai_responses.dialect_of(path) if "/responses" in path else None


def _by_form(incoming: Incoming) -> Dialect | None:
    """Find the dialect of a path that has a model in it."""
    if triton.is_generate(incoming.path):
        check_target(incoming.path, "")
        return triton.DIALECT
    target = bedrock_converse.find(incoming.path)
    if target is not None:
        return bedrock_converse.DIALECT if target.converses else _INVOKED
    return gemini.dialect_of(incoming)


def _elsewhere(incoming: Incoming) -> tuple[Dialect, Request]:
    path, method = incoming.path, incoming.method
    dialect: Dialect = passthrough.DIALECT
    check_target(path, incoming.query)
    _refuse_not_built(incoming)
    kept = _kept(path) or gemini.listing_of(incoming)
    if kept is not None:
        return _understood(kept, incoming)
    if openai_realtime.is_path(path) and incoming.method == "GET":
        return openai_realtime.DIALECT, openai_realtime.DIALECT.parse(incoming, None)
    if path.startswith(azure.PREFIX):
        return _of_azure(incoming)
    if method not in _METHODS:
        raise _takes(", ".join(sorted(_METHODS)))
    if path in (_MODELS, _CAPABILITIES) or path.startswith(_MODELS + "/"):
        if method == "GET":
            return openai_models.DIALECT, openai_models.DIALECT.parse(incoming, None)
        # A fine-tuned model can be deleted at the provider; a list cannot.
        if method != "DELETE" or path.rstrip("/") in (_MODELS, _CAPABILITIES):
            raise _takes("GET")
    elif path.startswith(_TENSORS) or path == _TENSORS[:-1]:
        dialect = passthrough.KSERVE
    elif not path.startswith(_PASSED_THROUGH):
        raise RouteNotFound("No such path. OpenAI's paths are below /v1, a provider's own below /providers/{name}.")
    return _understood(dialect, incoming)


def _understood(dialect: Dialect, incoming: Incoming) -> tuple[Dialect, Request]:
    document: Any = None
    if passthrough.carries_json(incoming):
        document = parse_body(incoming.body)
        check_extent(incoming.body, document)
    return dialect, dialect.parse(incoming, document)


def _of_azure(incoming: Incoming) -> tuple[Dialect, Request]:
    bare = azure.bare_of(incoming.path)
    if bare is not None:
        return select(azure.bare(incoming, bare))
    if incoming.method != "POST":
        raise _takes("POST")
    check_json(incoming.headers)
    deployment, path = azure.plain_of(incoming.path)
    dialect, document = _BY_PATH.get(path, passthrough.DIALECT), parse_body(incoming.body)
    check_extent(incoming.body, document, tokens=_TOKENS.get(dialect.name, ""))
    plain, document = azure.as_openai(incoming, document, deployment, path)
    return dialect, dialect.parse(plain, document)


def _refuse_not_built(incoming: Incoming) -> None:
    if gemini.listing_of(incoming) is not None:
        return
    plain = plain_path(incoming.path)
    if plain in _BY_PATH:
        # Near enough for a lenient server to take it for the route that has rules of its own.
        raise RouteNotFound(f"No such path; the one meant is {plain}.")
    if (_kept(plain) is None) is not (_kept(incoming.path) is None):
        raise RouteNotFound("No such path; names of answers are written as they were given.")
    if "/realtime/" in plain:
        # They hand out keys of the provider's, with which a client speaks to it past every rule and limit.
        raise NotAvailable("The paths below /realtime are not yet available.")
    if _BATCHES.match(plain):
        raise NotAvailable("Message batches are not yet available; the same requests can be sent one by one.")
    for prefix in _NOT_BUILT:
        if plain == prefix or plain.startswith(prefix + "/"):
            raise NotAvailable(f"The paths below {prefix} are not yet available.")
    if openai_realtime.wants_socket(incoming.headers) and not openai_realtime.is_path(incoming.path):
        raise NotAvailable("WebSocket connections are for /v1/realtime only.")


def _takes(methods: str) -> GatewayError:
    return MethodNotAllowed(f"This path takes {methods}.")
