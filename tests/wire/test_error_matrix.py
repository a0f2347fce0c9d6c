"""Every status of every provider in every client's dialect: status, words, and what the official client makes of it."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import orjson
import pytest

from gateway.core.exchange import Headers
from gateway.wire.bridge import CODECS
from gateway.wire.headers import crossed_headers
from tests.support.golden import SPARE, crossing, dialect_of
from tests.support.provider_errors import BODIES, STATUSES, WORDS

HEADERS: Headers = {b"retry-after": b"7", b"retry-after-ms": b"6500", b"x-should-retry": b"true", b"x-request-id": b"r"}
# The official clients that speak a dialect, and the class of client in each.
CLIENTS = {
    "openai_chat": ("openai", "OpenAI"),
    "openai_responses": ("openai", "OpenAI"),
    "anthropic_messages": ("anthropic", "Anthropic"),
}
CLASSES = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
    409: "ConflictError", 422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError",
}  # fmt: skip
# Of Anthropic's client alone.
OWN = {413: "RequestTooLargeError", 503: "ServiceUnavailableError", 529: "OverloadedError"}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("client", CODECS)
@pytest.mark.parametrize("provider", CODECS)
def test_an_error_keeps_what_a_client_goes_by(provider: str, client: str, status: int) -> None:
    error = crossing(provider, client).error(status, HEADERS, orjson.dumps(BODIES[provider](status)))
    assert (error.status, error.public_message, error.retry_after_s) == (status, WORDS, 6.5)
    body = dialect_of(client).error_body(error, SPARE.id)
    headers = crossed_headers(HEADERS, b"application/json")
    assert {name: headers[name] for name in HEADERS} == HEADERS
    # Who speaks the dialect reads the same out of it again.
    again = CODECS[client].read_error(error.status, headers, orjson.loads(body))
    assert (again.status, again.public_message, again.retry_after_s) == (status, WORDS, 6.5)
    if client in CLIENTS:
        _raised_by_the_official_client(client, status, headers, body)


def _raised_by_the_official_client(dialect: str, status: int, headers: Headers, body: bytes) -> None:
    module, client = _official(*CLIENTS[dialect])
    response = _response(client, status, headers, body)
    raised = client._make_status_error_from_response(response)
    assert client._should_retry(response), "the provider said so"
    names = CLASSES if CLIENTS[dialect][0] == "openai" else {**CLASSES, **OWN}
    default = "InternalServerError" if status >= 500 else "APIStatusError"
    expected = getattr(module, names.get(status, default), module.InternalServerError)
    assert isinstance(raised, expected)
    assert raised.status_code == status
    assert WORDS in str(raised)


@cache
def _official(package: str, name: str) -> tuple[Any, Any]:
    module = importlib.import_module(package)
    return module, getattr(module, name)(api_key="unused", base_url="http://127.0.0.1:9/")


def _response(client: Any, status: int, headers: Headers, body: bytes) -> Any:
    modules = [each.__module__.partition(".")[0] for each in type(client._client).__mro__]
    http = importlib.import_module(next(module for module in modules if module.startswith("httpx")))
    shown = {name.decode(): value.decode() for name, value in headers.items()}
    return http.Response(status, headers=shown, content=body, request=http.Request("POST", "http://127.0.0.1:9/"))
