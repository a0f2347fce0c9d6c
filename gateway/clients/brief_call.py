"""One small request and its answer, for whoever needs a document now and then: credentials, mostly."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from gateway.clients.http import HttpClient
from gateway.clients.origin import Origin
from gateway.core.errors import GatewayError, InvalidAnswer
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
    origin = Origin.parse(url)
    verb = method or ("GET" if body is None else "POST")
    return await exchange(http, origin, _framed(origin, verb, url, headers, body or b""))


async def exchange(http: HttpClient, origin: Origin, wire: bytes) -> tuple[int, bytes]:
    """Send a request that is framed already; see :func:`ask`."""
    taken = _Taken(asyncio.get_running_loop().create_future())
    call = http.send(origin, wire, taken, _TIMEOUTS)
    try:
        return await taken.over
    finally:
        call.cancel()


async def fetch(http: HttpClient, url: str, headers: dict[str, str], most_bytes: int, timeouts: Timeouts) -> bytes:
    """Fetch a document whole.

    Raises:
        GatewayError: No answer came in time, another one than 200, or a longer one.
    """
    origin = Origin.parse(url)
    taken = _Taken(asyncio.get_running_loop().create_future(), most_bytes, whole=True)
    call = http.send(origin, _framed(origin, "GET", url, headers, b""), taken, timeouts)
    try:
        status, body = await taken.over
    finally:
        call.cancel()
    if status != 200:
        raise InvalidAnswer(f"The server answered {status}.")
    return body


def _framed(origin: Origin, verb: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{verb} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["accept-encoding: identity", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\nhost: %b\r\n\r\n%b" % (origin.host_header, body)


class _Taken:
    """Takes a small answer: as much of it as it may have, or all of it or nothing."""

    def __init__(
        self, over: asyncio.Future[tuple[int, bytes]], most_bytes: int = MAX_ANSWER_BYTES, *, whole: bool = False
    ) -> None:
        self.over = over
        self._most_bytes = most_bytes
        self._whole = whole
        self._status = 0
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: Headers) -> None:
        self._status = status

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._most_bytes:
            self._parts.append(data)
        elif self._whole:
            self._parts.clear()
            self.on_fail(InvalidAnswer(f"The answer is larger than {self._most_bytes} bytes."))

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
