"""The handshake of a session: who asks for which model, and where a provider has its own sessions."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote

from gateway.core.errors import AuthenticationFailed, MalformedRequest, NotAvailable
from gateway.core.exchange import Deployment, Headers, Incoming, Request
from gateway.wire.request_target import check_query
from gateway.wire.websocket import is_key

ROUTE = "/v1/realtime"
_PATHS = frozenset((ROUTE, "/openai/realtime", "/openai/v1/realtime"))
_PROTOCOLS = b"sec-websocket-protocol"
_KEY = b"sec-websocket-key"
_VERSION = b"13"
# A page in a browser cannot set headers; it says who it is in the list of subprotocols, or in Azure's query.
_SECRET = b"openai-insecure-api-key."
_AZURE_KEY = "api-key"
# What we write anew for the provider.
_OURS = frozenset(("model", "deployment", "api-version", _AZURE_KEY))
_PREVIEW = "-preview"
_CREDENTIALS = (b"authorization", b"api-key", b"x-api-key")


def is_path(path: str) -> bool:
    """Say whether sessions are made at a path."""
    return path in _PATHS


def wants_socket(headers: Headers) -> bool:
    """Say whether a request asks for a WebSocket."""
    return headers.get(b"upgrade", b"").lower() == b"websocket"


def parse(incoming: Incoming) -> Request:
    """Understand a handshake, and move the caller's credential to where others look for it.

    Args:
        incoming: The request as it was framed. Its headers and its query are replaced where they hold a credential.

    Raises:
        MalformedRequest: It is no handshake, or names no model.
        AuthenticationFailed: It carries two credentials.
        NotAvailable: It joins a call that was made elsewhere.
    """
    check_query(incoming.query)
    _check_handshake(incoming)
    _take_secret(incoming)
    pairs = dict(parse_qsl(incoming.query, keep_blank_values=True))
    if "call_id" in pairs:
        raise NotAvailable("Joining a call that was made elsewhere is not yet available.")
    model = pairs.get("model") or pairs.get("deployment", "")
    if not model and pairs.get("intent") != "transcription":
        raise MalformedRequest("The query names no model.", param="model")
    if not model.isprintable():
        raise MalformedRequest("The name of the model has characters that cannot be printed.", param="model")
    return Request(
        dialect="openai_realtime",
        operation="chat",
        route=ROUTE,
        upstream_path="/realtime",
        model=model,
        stream=True,
        duplex=True,
    )


def _check_handshake(incoming: Incoming) -> None:
    headers = incoming.headers
    connection = [part.strip() for part in headers.get(b"connection", b"").lower().split(b",")]
    if incoming.method != "GET" or not wants_socket(headers) or b"upgrade" not in connection:
        raise MalformedRequest("This path takes a WebSocket handshake (RFC 6455).")
    if headers.get(b"sec-websocket-version") != _VERSION or not is_key(headers.get(_KEY, b"")):
        raise MalformedRequest("The WebSocket handshake must have version 13 and a key of 16 bytes.")


def _take_secret(incoming: Incoming) -> None:
    protocols = protocols_of(incoming.headers)
    secrets = {each[len(_SECRET) :] for each in protocols if each.startswith(_SECRET)}
    query = incoming.query.split("&") if incoming.query else []
    in_query = [part for part in query if _name(part) == _AZURE_KEY]
    secrets |= {unquote(part.partition("=")[2].replace("+", " ")).encode() for part in in_query}
    if not secrets:
        return
    if len(secrets) > 1 or any(name in incoming.headers for name in _CREDENTIALS):
        raise AuthenticationFailed("The request carries two API keys; send one.")
    left = b", ".join([each for each in protocols if not each.startswith(_SECRET)])
    headers = {name: value for name, value in incoming.headers.items() if name != _PROTOCOLS}
    if left:
        headers[_PROTOCOLS] = left
    incoming.headers = headers | {b"authorization": b"Bearer " + secrets.pop()}
    incoming.query = "&".join([part for part in query if _name(part) != _AZURE_KEY])


def protocols_of(headers: Headers) -> list[bytes]:
    """The subprotocols that a client offers, in its order."""
    return [each for part in headers.get(_PROTOCOLS, b"").split(b",") if (each := part.strip())]


def provider_target(request: Request, deployment: Deployment, query: str) -> str:
    """Write the path and query below a provider's base URL.

    Azure has sessions at dated preview versions, by deployment, and at its undated API, by model; no other version has
    them.

    Args:
        request: As parsed.
        deployment: Whose model it is.
        query: As the client wrote it, without its credential.
    """
    model = quote(deployment.model or request.model, safe="")
    rest = [part for part in query.split("&") if part and _name(part) not in _OURS]
    path, named = request.upstream_path, [f"model={model}"] if model else []
    if deployment.api_version.endswith(_PREVIEW):
        named = [f"api-version={deployment.api_version}", f"deployment={model}"]
    elif deployment.api_version:
        path = "/v1" + path
    return f"{path}?{'&'.join(named + rest)}".rstrip("?")


def _name(part: str) -> str:
    return unquote(part.partition("=")[0].replace("+", " "))
