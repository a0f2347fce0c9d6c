"""Access tokens for Google's cloud: a signed statement of who we are against a token, kept and renewed in time.

RFC 7523, as https://developers.google.com/identity/protocols/oauth2/service-account describes it. Signing happens on a
thread. A token is renewed while the old one still holds, so calls wait only for the first; nothing runs between calls.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
import orjson

from gateway.clients.brief_call import ask
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.core.errors import GatewayError, InvalidAnswer, Misconfigured, Overloaded, ProviderError
from gateway.core.service_account import SCOPE, ServiceAccount

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME_S = 3600
# Renewed when less than this is left, and not used when less than that is.
RENEW_S, USABLE_S = 300.0, 30.0
# How long a refusal is remembered, so that calls do not ask again and again.
BACK_OFF_S = 1.0

Ready = Callable[[bytes], None]
Failed = Callable[[GatewayError], None]


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
        account: Whose.
        http: Reaches the server that gives tokens out.
        clock: Tells how long a token still holds.
    """

    def __init__(self, account: ServiceAccount, http: HttpClient, clock: Clock) -> None:
        self._account = account
        self._http = http
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._key: Any = None
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
        now_s = self._clock.unix_ms() // 1000
        statement = await asyncio.to_thread(self._signed, now_s)
        body = urlencode({"grant_type": GRANT, "assertion": statement}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        status, answer = await ask(self._http, self._account.token_uri, headers, body)
        if status != 200:
            raise _refusal(status, answer)
        try:
            given = msgspec.json.decode(answer, type=_Answer)
        except (msgspec.ValidationError, msgspec.DecodeError):
            raise InvalidAnswer("The server that gives out Google's tokens gave none.") from None
        token = given.access_token
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidAnswer("The server that gives out Google's tokens gave one that no header can carry.")
        self._header = b"authorization: Bearer %b\r\n" % token.encode()
        self._expires_s = began_s + given.expires_in
        self._refused = None
        return self._header

    def _signed(self, now_s: int) -> str:
        """Write and sign the statement; on a thread, for it takes a millisecond and more."""
        account = self._account
        if self._key is None:
            self._key = load_key(account.private_key)
        head = {"alg": "RS256", "typ": "JWT", **({"kid": account.private_key_id} if account.private_key_id else {})}
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
        }
        said = _base64(orjson.dumps(head)) + "." + _base64(orjson.dumps(claims))
        return said + "." + _base64(sign(self._key, said.encode()))


def load_key(pem: str) -> Any:
    """Load a private RSA key.

    Raises:
        Misconfigured: It is none, or what reads keys is not installed.
    """
    try:
        serialization = importlib.import_module("cryptography.hazmat.primitives.serialization")
        rsa = importlib.import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    except ModuleNotFoundError:
        raise Misconfigured("kind vertex needs the extra: pip install weighbridge[vertex]") from None
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise Misconfigured("the service account's private_key cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured("the service account's private_key is no RSA key")
    return key


def sign(key: Any, data: bytes) -> bytes:
    """Sign with RS256 (RFC 7518 §3.3)."""
    padding = importlib.import_module("cryptography.hazmat.primitives.asymmetric.padding")
    hashes = importlib.import_module("cryptography.hazmat.primitives.hashes")
    signature: bytes = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return signature


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _refusal(status: int, answer: bytes) -> GatewayError:
    """What a refusal means: an account that is not known stays so, a server in trouble may recover."""
    try:
        said: Any = orjson.loads(answer)
    except orjson.JSONDecodeError:
        said = None
    word = cast("dict[str, Any]", said).get("error") if isinstance(said, dict) else None
    reason = f" ({word})" if isinstance(word, str) and word.isidentifier() else ""
    if status >= 500 or status == 429:
        return ProviderError(f"The server that gives out Google's tokens answered {status}{reason}.")
    return Misconfigured(f"Google gives the service account no token: {status}{reason}.")
