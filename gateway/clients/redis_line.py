"""One connection to Redis on which questions follow one another without waiting for answers.

Made for one script that is asked for again and again: what is asked is written as it is, an answer goes to whoever
asked, in order, from within ``data_received``. No task, no queue, no future in between. Everything that is not such a
question is the driver's (:mod:`gateway.clients.redis_hints`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from gateway.clients.tls import LEAST, client_context
from gateway.core.errors import StoreUnavailable

# No answer to what we ask is nearly so long; INFO is some kilobytes.
_MAX_ANSWER_BYTES = 1_048_576
_END = b"\r\n"
_BULK, _STATUS, _NUMBER, _ERROR = b"$"[0], b"+"[0], b":"[0], b"-"[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisAccess:
    """Where the server is, and who we are there.

    Attributes:
        user: Empty for the usual one.
        password: ``None`` where none is asked for.
        tls: Whether the connection is encrypted and the server's certificate checked.
    """

    host: str
    port: int
    database: int = 0
    user: str = ""
    password: str | None = field(default=None, repr=False)
    tls: bool = False

    def driver(self) -> dict[str, Any]:
        """The same for redis-py, which makes its connections by itself."""
        told: dict[str, Any] = {"host": self.host, "port": self.port, "db": self.database}
        told |= {"username": self.user or None, "password": self.password}
        return told | {"ssl": self.tls, "ssl_min_version": LEAST}


class RedisFault(msgspec.Struct, frozen=True):
    """The server's refusal.

    Attributes:
        kind: Its first word: ``READONLY``, ``OOM``, ``NOSCRIPT``. The rest may name what is not ours to show.
    """

    kind: str


Answer = bytes | int | RedisFault | None
Answered = Callable[[Answer], None]


def command(*words: bytes) -> bytes:
    """Write a command as the server reads it."""
    return b"*%d\r\n" % len(words) + words_of(*words)


def words_of(*words: bytes) -> bytes:
    """Write some words of a command."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


class RedisLine(asyncio.Protocol):
    """A connection.

    Args:
        lost: Called once when it is over, with a short reason: what was asked and not answered never will be.
    """

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost: Callable[[str], None] | None = lost
        self._waiting: deque[Answered] = deque()
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, text: bytes, answered: Answered) -> None:
        """Send a command; its answer goes to the one given."""
        if self._transport is not None:
            self._waiting.append(answered)
            self._transport.write(text)

    async def answer(self, text: bytes) -> Answer:
        """Send one command and wait for what comes back.

        Raises:
            StoreUnavailable: The connection was lost.
        """
        if self._transport is None:
            raise StoreUnavailable("Redis is gone.")
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        lost = self._lost

        def answered(answer: Answer) -> None:
            if not told.done():
                told.set_result(answer)

        def gone(reason: str) -> None:
            if not told.done():
                told.set_exception(StoreUnavailable("Redis is gone."))
            if lost is not None:
                lost(reason)

        self._lost = gone
        self.ask(text, answered)
        try:
            return await told
        finally:
            if self._lost is gone:
                self._lost = lost

    def close(self, reason: str = "closed") -> None:
        """End the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._waiting.clear()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        self.close("connection lost")

    def data_received(self, data: bytes) -> None:
        """Give answers to those who asked, as far as they are whole."""
        data = self._rest + data if self._rest else data
        at, size, waiting = 0, len(data), self._waiting
        while at < size:
            end = data.find(_END, at)
            if end < 0:
                break
            kind = data[at]
            answer: Answer
            if kind == _BULK:
                length = int(data[at + 1 : end])
                stop = end + 2 + length
                if length < 0:
                    answer, stop = None, end
                elif length > _MAX_ANSWER_BYTES:
                    return self.close("no Redis")
                elif stop + 2 > size:
                    break
                else:
                    answer = data[end + 2 : stop]
            else:
                stop = end
                answer = _short(kind, data[at + 1 : end])
            at = stop + 2
            if not waiting or kind not in (_BULK, _STATUS, _NUMBER, _ERROR):
                # Nobody asked; or it is no server of the kind we speak to.
                return self.close("no Redis")
            waiting.popleft()(answer)
        self._rest = data[at:] if at < size else b""
        if len(self._rest) > 2 * _MAX_ANSWER_BYTES:
            self.close("no Redis")
        return None


def _short(kind: int, said: bytes) -> Answer:
    if kind == _ERROR:
        return RedisFault(said.split(b" ", 1)[0][:32].decode("ascii", "replace"))
    return int(said) if kind == _NUMBER else said


def sound(answer: Answer, what: str = "") -> Answer:
    """Give an answer that is no refusal.

    Raises:
        StoreUnavailable: It is one.
    """
    if isinstance(answer, RedisFault):
        raise StoreUnavailable(f"Redis refuses {what} ({answer.kind})." if what else f"Redis refuses ({answer.kind}).")
    return answer


async def connect(access: RedisAccess, lost: Callable[[str], None]) -> RedisLine:
    """Connect and say who we are. Whoever waits decides for how long.

    Raises:
        StoreUnavailable: It cannot be had; says why, without anything that is secret.
    """
    context = client_context() if access.tls else None
    try:
        _, line = await asyncio.get_running_loop().create_connection(
            lambda: RedisLine(lost), access.host, access.port, ssl=context
        )
    except OSError as error:
        raise StoreUnavailable(f"Redis cannot be reached ({type(error).__name__}).") from None
    opening: list[tuple[bytes, ...]] = []
    if access.password is not None:
        user = (access.user.encode(),) if access.user else ()
        opening.append((b"AUTH", *user, access.password.encode()))
    if access.database:
        opening.append((b"SELECT", b"%d" % access.database))
    try:
        for words in opening:
            sound(await line.answer(command(*words)), words[0].decode())
    except BaseException:
        line.close()
        raise
    return line
