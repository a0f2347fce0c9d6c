"""Sends an admitted request to a deployment: builds its bytes, picks its transport, starts the attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ssl import SSLContext
from typing import Protocol
from urllib.parse import urlsplit

from gateway.clients.origin import Origin
from gateway.clients.websocket import Answered, open_line
from gateway.core.call import Call
from gateway.core.errors import Misconfigured, NotAvailable
from gateway.core.exchange import Deployment, Headers, Incoming, Request, Timeouts
from gateway.core.ports import AnswerSink
from gateway.upstream.attempt import Attempt, Running
from gateway.upstream.catalog import DESCRIBED, CatalogProvider, DescribedModel, Listing
from gateway.upstream.crossing import CrossingSink
from gateway.upstream.tokens import AwaitedCall, Tokens
from gateway.wire import azure, openai_realtime
from gateway.wire.bridge import Crossing
from gateway.wire.headers import crossed_request_headers, forward_request_headers
from gateway.wire.own_keys import query_kept, reveals, shown, target_kept
from gateway.wire.patch import dump
from gateway.wire.request_target import with_model
from gateway.wire.triton.rpc_paths import rpc_headers

_NO_BODY = frozenset({"GET", "HEAD"})
# Deployments of one pipeline that are kept resolved; wildcard aliases make one for each model name in use.
_MAX_TARGETS = 4096
# Where a request's head is remembered, as it goes on.
FORWARDED = "forwarded"
_PROTOCOLS = b"sec-websocket-protocol"
# Of a handshake with us; the one with the provider is another.
_HANDSHAKE = frozenset(
    (_PROTOCOLS, b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-accept")
)
_RPC = ("grpc://", "grpcs://")


class Transport(Protocol):
    """Takes requests to where they go; :class:`gateway.clients.http.HttpClient`, mostly."""

    def send(self, origin: Origin, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> Running:
        """Start a request."""
        ...

    def context(self) -> SSLContext:
        """Give what TLS is spoken with."""
        ...


class LocalProvider(Protocol):
    """A provider inside this process."""

    def send(self, path: str, body: bytes, sink: AnswerSink) -> Running:
        """Start an answer."""
        ...


class Taker(AnswerSink, Protocol):
    """Takes an answer, and can stop it; an attempt is one."""

    @property
    def running(self) -> Running | None:
        """The answer on its way."""
        ...

    @running.setter
    def running(self, value: Running | None) -> None: ...


class RpcClient(Protocol):
    """Speaks gRPC to servers, and answers as their HTTP side would."""

    def send(
        self, server: str, path: str, body: bytes, headers: Headers, sink: AnswerSink, timeouts: Timeouts
    ) -> Running:
        """Start an answer."""
        ...


class Target:
    """Where a deployment's requests go, worked out once. ``server`` is set where it is spoken to by gRPC."""

    __slots__ = ("deployment", "local", "origin", "prefix", "server", "tokens")

    def __init__(self, deployment: Deployment, local: LocalProvider | None, tokens: Tokens | None) -> None:
        self.deployment = deployment
        self.local = local
        self.tokens = tokens
        self.server = deployment.base_url if deployment.base_url.startswith(_RPC) else ""
        if local is None and not self.server:
            parts = urlsplit(deployment.base_url)
            if parts.query or parts.fragment or parts.username:
                raise Misconfigured(f"the base URL of provider '{deployment.provider}' may hold a path only")
            self.origin = Origin.parse(deployment.base_url)
            self.prefix = parts.path.rstrip("/").encode("latin-1")


class Dispatcher:
    """Starts attempts.

    Args:
        http: Takes calls to every provider with an address.
        local: Providers without one, by kind.
        tokens: Where the credentials come from that must be fetched, by provider.
        rpc: The client of providers that are spoken to by gRPC.
    """

    def __init__(
        self,
        http: Transport,
        local: dict[str, LocalProvider],
        tokens: Mapping[str, Tokens] | None = None,
        rpc: RpcClient | None = None,
    ) -> None:
        self._http = http
        self._rpc = rpc
        self._local = local
        self._tokens = tokens or {}
        self._targets: dict[int, Target] = {}

    def start(
        self,
        attempt: Taker,
        deployment: Deployment,
        request: Request,
        body: bytes,
        incoming: Incoming,
        consumed: frozenset[bytes],
    ) -> None:
        """Send a request.

        Args:
            attempt: Takes the answer.
            deployment: Where to.
            request: What was asked, for its path.
            body: The admitted body.
            incoming: The request as the client sent it, for its method and headers.
            consumed: Headers that carried the caller's credential for us.
        """
        target = self._targets.get(id(deployment))
        if target is None or target.deployment is not deployment:
            target = self._resolve(deployment)
        if target.local is not None:
            attempt.running = target.local.send(request.upstream_path, body, attempt)
            return
        if target.server:
            headers = rpc_headers(incoming.headers, consumed, deployment.credential or b"")
            attempt.running = self._called(target, _path(request, deployment), body, headers, attempt)
            return
        memo = incoming.memo.get(FORWARDED)
        # Requests with one head go the same way mostly, to one deployment: the head for it is encoded once.
        # Nearly always: what is asked of an answer that is screened depends on the rules in force.
        if memo is not None and memo[0] is target and memo[1] is consumed and memo[3] == request.upstream_path:
            head = memo[2]
        else:
            head = _head(target, request, incoming, consumed)
            incoming.memo[FORWARDED] = (target, consumed, head, request.upstream_path)
        if not body and incoming.method in _NO_BODY:
            wire = head + b"\r\n"
        else:
            wire = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        if target.tokens is None:
            attempt.running = self._http.send(target.origin, wire, attempt, deployment.timeouts)
        else:
            attempt.running = self._authorized(target, target.tokens, wire, attempt)

    def start_crossing(
        self, attempt: Attempt, deployment: Deployment, crossing: Crossing, call: Call, consumed: frozenset[bytes]
    ) -> None:
        """Send a request to a provider that speaks another dialect than the client.

        Args:
            attempt: Takes the answer, in the client's dialect.
            deployment: Where to.
            crossing: The request as the provider takes it.
            call: The exchange.
            consumed: Headers that carried the caller's credential for us.
        """
        target = self._targets.get(id(deployment))
        if target is None or target.deployment is not deployment:
            target = self._resolve(deployment)
        sink = CrossingSink(attempt, crossing, call.dialect)
        asked, body = crossing.wire, dump(crossing.wire.document)
        if target.local is not None:
            attempt.running = target.local.send(asked.path, body, sink)
            return
        if target.server:
            sent = rpc_headers(call.incoming.headers, consumed, deployment.credential or b"")
            attempt.running = self._called(target, asked.path, body, sent, sink)
            return
        headers = crossed_request_headers(
            call.incoming.headers,
            drop=consumed,
            asked=asked.headers,
            host=target.origin.host_header,
            credential=deployment.credential or b"",
        )
        asked_for = call.request.model if call.request is not None else ""
        path = _at(asked.path, deployment, deployment.model or asked_for)
        wire = b"POST %b%b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (
            target.prefix, path.encode("latin-1"), headers, len(body), body,
        )  # fmt: skip
        if target.tokens is None:
            attempt.running = self._http.send(target.origin, wire, sink, deployment.timeouts)
        else:
            attempt.running = self._authorized(target, target.tokens, wire, sink)

    async def open(
        self, deployment: Deployment, request: Request, incoming: Incoming, consumed: frozenset[bytes]
    ) -> Answered:
        """Ask a deployment for a session; arguments as for :meth:`start`.

        Raises:
            GatewayError: There is no connection, no token, or no answer to the handshake.
        """
        target = self._targets.get(id(deployment))
        if target is None or target.deployment is not deployment:
            target = self._resolve(deployment)
        if target.local is not None or target.server:
            raise NotAvailable(f"The provider '{deployment.provider}' has no sessions.")
        headers = forward_request_headers(
            incoming.headers,
            drop=consumed | _HANDSHAKE,
            host=target.origin.host_header,
            credential=deployment.credential,
        )
        passes, secrets = deployment.credential is None, shown(incoming.headers, consumed)
        query = incoming.query if passes else query_kept(incoming.query, secrets)
        path = openai_realtime.provider_target(request, deployment, query)
        offered = openai_realtime.protocols_of(incoming.headers)
        protocols = b", ".join([each for each in offered if passes or not reveals(each, secrets)])
        if protocols:
            headers += b"%b: %b\r\n" % (_PROTOCOLS, protocols)
        head = b"GET %b%b HTTP/1.1\r\n%b" % (target.prefix, path.encode("latin-1"), headers)
        if target.tokens is not None:
            head += target.tokens.header(head + b"\r\n") or await _token(target.tokens)
        return await open_line(target.origin, head, deployment.timeouts, self._http.context)

    def _called(self, target: Target, path: str, body: bytes, headers: Headers, sink: AnswerSink) -> Running:
        """Send a request by gRPC."""
        if self._rpc is None:
            raise Misconfigured("gRPC is not set up")
        return self._rpc.send(target.server, path, body, headers, sink, target.deployment.timeouts)

    def _authorized(self, target: Target, tokens: Tokens, wire: bytes, sink: AnswerSink) -> Running:
        """Send a request with a token or a signature, as soon as there is one."""
        at = wire.find(b"\r\n") + 2

        def send(header: bytes) -> Running:
            authorized = b"".join((wire[:at], header, wire[at:]))
            return self._http.send(target.origin, authorized, sink, target.deployment.timeouts)

        def go_on(header: bytes) -> Running:
            return send(tokens.header(wire) or header)

        header = tokens.header(wire)
        return AwaitedCall(tokens, sink, go_on) if header is None else send(header)

    def _resolve(self, deployment: Deployment) -> Target:
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
        local, tokens = self._local.get(deployment.kind), self._tokens.get(deployment.provider)
        if deployment.kind == DESCRIBED:
            local = DescribedModel(deployment.model)
        elif isinstance(deployment, Listing) and isinstance(local, CatalogProvider):
            local = local.of(deployment.only)
        target = self._targets[id(deployment)] = Target(deployment, local, tokens)
        return target


async def _token(tokens: Tokens) -> bytes:
    """Wait for a token."""
    known: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    waiting = tokens.wait(
        lambda header: None if known.done() else known.set_result(header),
        lambda error: None if known.done() else known.set_exception(error),
    )
    try:
        return await known
    finally:
        waiting.cancel()


def _head(target: Target, request: Request, incoming: Incoming, consumed: frozenset[bytes]) -> bytes:
    """Encode the head of a request, but for its length."""
    deployment = target.deployment
    headers = forward_request_headers(
        incoming.headers, drop=consumed, host=target.origin.host_header, credential=deployment.credential
    )
    path = _path(request, deployment, shown(incoming.headers, consumed))
    return b"%b %b%b HTTP/1.1\r\n%b" % (
        incoming.method.encode("ascii"), target.prefix, path.encode("latin-1"), headers,
    )  # fmt: skip


def _path(request: Request, deployment: Deployment, secrets: tuple[bytes, ...] = ()) -> str:
    path = request.upstream_path
    if deployment.credential is not None and "?" in path:
        path = target_kept(path, secrets)
    if not request.model_in_path:
        return _at(path, deployment, deployment.model or request.model)
    return with_model(path, deployment.model or request.model)


def _at(path: str, deployment: Deployment, model: str) -> str:
    return azure.path_at(path, model, deployment.api_version) if deployment.api_version else path
