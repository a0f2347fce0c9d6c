"""Access tokens that stand in for a key: fetched from whoever gives them out, kept, and renewed in time.

How a token is asked for is each account's own: see :class:`Account`.
"""

from __future__ import annotations

from typing import Any, Protocol, cast
from urllib.parse import urlencode

import msgspec
import orjson

from gateway.clients.brief_call import exchange
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.clients.origin import Origin
from gateway.clients.renewed import RENEW_S, Renewed
from gateway.core.errors import GatewayError, InvalidAnswer, Misconfigured, ProviderError

LIFETIME_S = 3600
# Not used when less than this is left.
USABLE_S = 30.0


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


class TokenSource(Renewed):
    """The token of one account.

    Args:
        account: Asks for it.
        http: Reaches the server that gives tokens out.
        clock: Tells how long a token still holds.
    """

    def __init__(self, account: Account, http: HttpClient, clock: Clock) -> None:
        super().__init__(lambda: clock.monotonic_ns() / 1e9)
        self._account = account
        self._http = http
        self._clock = clock
        self._header = b""
        self._expires_s = 0.0

    def header(self, wire: bytes = b"") -> bytes | None:
        """The header line that authenticates us, whatever is sent; ``None`` while there is no token that holds."""
        left_s = self._expires_s - self._now_s()
        if left_s < RENEW_S:
            self.renew()
        return self._header if left_s > USABLE_S else None

    async def fetch(self) -> bytes:
        """Fetch a token, and return its header line."""
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
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise InvalidAnswer(f"The server that gives out {whose} tokens gave none.") from None
        token = given.access_token
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidAnswer(f"The server that gives out {whose} tokens gave one that no header can carry.")
        self._header = b"authorization: Bearer %b\r\n" % token.encode()
        self._expires_s = began_s + given.expires_in
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
