"""Sends an admitted request to a deployment: builds its bytes, picks its transport, runs the attempt."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from gateway.clients.http import HttpClient, Origin
from gateway.core.errors import Misconfigured
from gateway.core.exchange import Deployment, Headers, Request
from gateway.core.ports import AnswerSink
from gateway.upstream.attempt import Attempt, Call
from gateway.wire.headers import forward_request_headers

_NO_BODY = frozenset({"GET", "HEAD"})


class LocalProvider(Protocol):
    """A provider inside this process."""

    def send(self, path: str, body: bytes, sink: AnswerSink) -> Call:
        """Start an answer."""
        ...


class Outgoing(Protocol):
    """What dispatch reads of a request as the client sent it."""

    method: str
    headers: Headers


class Dispatcher:
    """Starts attempts.

    Args:
        http: The client of every provider with an address.
        local: Providers without one, by kind.
    """

    def __init__(self, http: HttpClient, local: dict[str, LocalProvider]) -> None:
        self._http = http
        self._local = local
        # A deployment is a value of the configuration: few, and looked up on every call.
        self._targets: dict[str, tuple[Origin, bytes]] = {}

    def start(
        self,
        attempt: Attempt,
        deployment: Deployment,
        request: Request,
        body: bytes,
        incoming: Outgoing,
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
        local = self._local.get(deployment.kind)
        if local is not None:
            attempt.call = local.send(request.upstream_path, body, attempt)
            return
        origin, prefix = self._target(deployment.base_url)
        headers = forward_request_headers(
            incoming.headers, drop=consumed, host=origin.host_header, credential=deployment.credential
        )
        method = incoming.method
        length = b"" if method in _NO_BODY and not body else b"content-length: %d\r\n" % len(body)
        wire = b"%b %b%b HTTP/1.1\r\n%b%b\r\n%b" % (
            method.encode("ascii"), prefix, request.upstream_path.encode("latin-1"), headers, length, body,
        )  # fmt: skip
        attempt.call = self._http.send(origin, wire, attempt, deployment.timeouts)

    def _target(self, base_url: str) -> tuple[Origin, bytes]:
        target = self._targets.get(base_url)
        if target is None:
            parts = urlsplit(base_url)
            if parts.query or parts.fragment or parts.username:
                raise Misconfigured(f"'{parts.scheme}://{parts.hostname}' may hold a path only")
            target = self._targets[base_url] = (Origin.parse(base_url), parts.path.rstrip("/").encode("latin-1"))
        return target
