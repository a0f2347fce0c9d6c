"""Access tokens that stand in for a key: fetched from whoever gives them out, kept, and renewed in time.

A token is renewed while the old one still holds, so calls wait only for the first; many that wait make one fetch, and
nothing runs between calls. How a token is asked for is each account's own: see :class:`Account`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import msgspec
import orjson

from gateway.clients.brief_call import exchange
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient, Origin
from gateway.core.errors import GatewayError, InvalidAnswer, Misconfigured, Overloaded, ProviderError

LIFETIME_S = 3600
# Renewed when less than this is left, and not used when less than that is.
RENEW_S, USABLE_S = 300.0, 30.0
# How long a refusal is remembered, so that calls do not ask again and again.
BACK_OFF_S = 1.0

Ready = Callable[[bytes], None]
Failed = Callable[[GatewayError], None]


class Account(Protocol):
    """Who asks for tokens, and how.

    Attributes:
        origin: Who gives them out.
        whose: As messages name them: ``Google's``.
    """

    origin: Origin
    whose: str

    async def ask(self, now_s: int) -> bytes:
        """Write the whole request for a token.

        Raises:
            GatewayError: It cannot be written.
        """
        ...


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float = LIFETIME_S


class Waiter:
    """Somebody who waits for a token; told once, unless it lets go first."""

    __slots__ = ("failed", "ready")

    def __init__(self, ready: Ready, failed: Failed) -> None:
        self.ready: Ready | None = ready
        self.failed: Failed | None = failed

    def cancel(self) -> None:
        """Wait no longer."""
        self.ready = self.failed = None


class TokenSource:
    """The token of one account.

    Args:
        account: Asks for it.
        http: Reaches the server that gives tokens out.
        clock: Tells how long a token still holds.
    """

    def __init__(self, account: Account, http: HttpClient, clock: Clock) -> None:
        self._account = account
        self._http = http
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._header = b""
        self._expires_s = 0.0
        self._refused: tuple[float, GatewayError] | None = None
        self._waiting: list[Waiter] = []
        self._renewing: asyncio.Task[None] | None = None

    def header(self, wire: bytes = b"") -> bytes | None:
        """The header line that authenticates us, whatever is sent; ``None`` while there is no token that holds."""
        left_s = self._expires_s - self._now_s()
        if left_s < RENEW_S:
            self._renew()
        return self._header if left_s > USABLE_S else None

    def wait(self, ready: Ready, failed: Failed) -> Waiter:
        """Be told of the header line, or why there is none."""
        waiter = Waiter(ready, failed)
        self._waiting.append(waiter)
        self._renew()
        return waiter

    async def close(self) -> None:
        """Stop renewing; who waits is told."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        self._tell(None, Overloaded("The gateway is shutting down."))

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _renew(self) -> None:
        if self._renewing is not None:
            return
        if self._refused is not None and self._now_s() - self._refused[0] < BACK_OFF_S:
            error = self._refused[1]
            self._loop.call_soon(self._tell, None, error)
            return
        self._renewing = self._loop.create_task(self._fetch())

    async def _fetch(self) -> None:
        header, refused = b"", None
        try:
            header = await self._exchange()
        except GatewayError as error:
            refused = error
            self._refused = (self._now_s(), error)
        finally:
            self._renewing = None
        self._tell(header or None, refused)

    def _tell(self, header: bytes | None, error: GatewayError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if header is not None and waiter.ready is not None:
                waiter.ready(header)
            elif error is not None and waiter.failed is not None:
                waiter.failed(type(error)(error.public_message))
            waiter.cancel()

    async def _exchange(self) -> bytes:
        began_s = self._now_s()
        whose = self._account.whose
        status, answer = await exchange(
            self._http, self._account.origin, await self._account.ask(self._clock.unix_ms() // 1000)
        )
        if status != 200:
            raise _refusal(whose, status, answer)
        try:
            # Some write seconds as a string.
            given = msgspec.json.decode(answer, type=_Answer, strict=False)
        except (msgspec.ValidationError, msgspec.DecodeError):
            raise InvalidAnswer(f"The server that gives out {whose} tokens gave none.") from None
        token = given.access_token
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidAnswer(f"The server that gives out {whose} tokens gave one that no header can carry.")
        self._header = b"authorization: Bearer %b\r\n" % token.encode()
        self._expires_s = began_s + given.expires_in
        self._refused = None
        return self._header


def form_request(origin: Origin, path: str, form: dict[str, str]) -> bytes:
    """Write the request that hands a form in."""
    body = urlencode(form).encode()
    return (
        b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        b"accept: application/json\r\naccept-encoding: identity\r\ncontent-length: %d\r\n\r\n%b"
        % (path.encode("latin-1"), origin.host_header, len(body), body)
    )


def _refusal(whose: str, status: int, answer: bytes) -> GatewayError:
    """What a refusal means: an account that is not known stays so, a server in trouble may recover."""
    try:
        said: Any = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    word = cast("dict[str, Any]", said).get("error") if isinstance(said, dict) else None
    reason = f" ({word})" if isinstance(word, str) and word.isidentifier() else ""
    if status >= 500 or status == 429:
        return ProviderError(f"The server that gives out {whose} tokens answered {status}{reason}.")
    return Misconfigured(f"The server that gives out {whose} tokens gives us none: {status}{reason}.")
