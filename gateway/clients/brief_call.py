"""One small request and its answer, for whoever needs a document now and then: credentials, mostly."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from gateway.clients.http import HttpClient, Origin
from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers, Timeouts

MAX_ANSWER_BYTES = 65_536
_TIMEOUTS = Timeouts(connect_s=5.0, first_token_s=10.0, idle_s=10.0, total_s=15.0)


async def ask(
    http: HttpClient, url: str, headers: dict[str, str], body: bytes | None = None, method: str = ""
) -> tuple[int, bytes]:
    """Send a request and return the status and the body of its answer.

    Args:
        http: Sends it.
        url: Where to.
        headers: Besides those that frame the request.
        body: Makes it a POST.
        method: Another method than GET or POST.

    Raises:
        GatewayError: No answer came.
    """
    parts, origin = urlsplit(url), Origin.parse(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    verb = method or ("GET" if body is None else "POST")
    lines = [f"{verb} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["accept-encoding: identity", f"content-length: {len(body or b'')}"]
    wire = "\r\n".join(lines).encode("latin-1") + b"\r\nhost: %b\r\n\r\n%b" % (origin.host_header, body or b"")
    return await exchange(http, origin, wire)


async def exchange(http: HttpClient, origin: Origin, wire: bytes) -> tuple[int, bytes]:
    """Send a request that is framed already; see :func:`ask`."""
    taken = _Taken(asyncio.get_running_loop().create_future())
    call = http.send(origin, wire, taken, _TIMEOUTS)
    try:
        return await taken.over
    finally:
        call.cancel()


class _Taken:
    """Takes a small answer whole."""

    def __init__(self, over: asyncio.Future[tuple[int, bytes]]) -> None:
        self.over = over
        self._status = 0
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: Headers) -> None:
        self._status = status

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MAX_ANSWER_BYTES:
            self._parts.append(data)

    def on_end(self) -> None:
        if not self.over.done():
            self.over.set_result((self._status, b"".join(self._parts)))

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        self._status = status
        self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        if not self.over.done():
            self.over.set_exception(error)
