"""Handshakes with providers: what opens a line, and every way in which none is opened."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable

import pytest

from gateway.clients.origin import Origin
from gateway.clients.websocket import Answered, open_line
from gateway.core.errors import ConnectFailed, FirstTokenTimeout, GatewayError, InvalidAnswer
from gateway.core.exchange import Timeouts
from gateway.wire.websocket import accepted
from tests.support.provider import CLOSE, RESET, Asked, ScriptedProvider, Step, scripted, whole

HEAD = b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: h\r\nauthorization: Bearer k\r\n"
PATIENT = Timeouts(connect_s=5, first_token_s=5)
Script = list[Step] | Callable[[Asked], list[Step]]


def no_tls() -> ssl.SSLContext:
    raise AssertionError


def switched(*more: Step, headers: bytes = b"", key: str = "") -> Callable[[Asked], list[Step]]:
    """Answer a handshake as a server does, in two packets, the second one with bytes behind it."""

    def script(asked: Asked) -> list[Step]:
        accept = accepted((key or asked.headers["sec-websocket-key"]).encode())
        head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        return [head, headers + b"sec-websocket-accept: " + accept + b"\r\n\r\n" + b"first", *more]

    return script


async def dial(provider: ScriptedProvider, timeouts: Timeouts = PATIENT) -> Answered:
    return await open_line(Origin.parse(provider.url), HEAD, timeouts, no_tls)


def refused(script: Script, error: type[GatewayError], timeouts: Timeouts = PATIENT) -> ScriptedProvider:
    async def main() -> ScriptedProvider:
        async with scripted(script) as provider:
            with pytest.raises(error):
                await dial(provider, timeouts)
            # The connection is not left open.
            await asyncio.wait_for(provider.closed.wait(), 20)
            return provider

    return asyncio.run(main())


def test_an_open_line_carries_bytes_both_ways() -> None:
    async def main() -> None:
        async with scripted(switched(headers=b"x-request-id: 1\r\n"), [b"second"]) as provider:
            answered = await dial(provider)
            line = answered.line
            assert (answered.status, answered.headers[b"x-request-id"]) == (101, b"1")
            assert line is not None
            assert await line.read() == b"first"
            line.write(b"GET / HTTP/1.1\r\nx: y\r\n\r\n")
            await line.drained()
            assert await line.read() == b"second"
            assert provider.asked[1].headers == {"x": "y"}
            line.close()
            line.write(b"nothing")
            await line.drained()

    asyncio.run(main())


def test_the_handshake_is_a_new_one_each_time() -> None:
    async def main() -> None:
        async with scripted(switched()) as provider:
            for _ in range(2):
                answered = await dial(provider)
                assert answered.line is not None
                answered.line.close()
            first, second = provider.asked
            assert (first.method, first.path) == ("GET", "/v1/realtime?model=m")
            assert first.headers["authorization"] == "Bearer k"
            assert first.headers["upgrade"] == "websocket"
            assert first.headers["sec-websocket-version"] == "13"
            assert first.headers["sec-websocket-key"] != second.headers["sec-websocket-key"]
            assert re.fullmatch(r"[A-Za-z0-9+/]{22}==", first.headers["sec-websocket-key"])

    asyncio.run(main())


@pytest.mark.parametrize(
    "steps",
    [
        [whole(b'{"error":{}}', "401 Unauthorized", b"content-type: application/json\r\nx-request-id: r\r\n")],
        [b"HTTP/1.1 401 Unauthorized\r\nx-request-id: r\r\n\r\n", b'{"error":{}}', CLOSE],
        [b"HTTP/1.1 401 U\r\nx-request-id: r\r\ntransfer-encoding: chunked\r\n\r\n", b'c\r\n{"error":{}}\r\n0\r\n\r\n'],
    ],
)
def test_a_refusal_comes_whole(steps: list[Step]) -> None:
    async def main() -> Answered:
        async with scripted(steps) as provider:
            return await dial(provider)

    answered = asyncio.run(main())
    assert (answered.status, answered.body, answered.line) == (401, b'{"error":{}}', None)
    assert answered.headers[b"x-request-id"] == b"r"


@pytest.mark.parametrize(
    "script",
    [
        switched(key="dGhlIHNhbXBsZSBub25jZQ=="),
        switched(headers=b"sec-websocket-extensions: permessage-deflate\r\n"),
        [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", CLOSE],
        [b"nonsense\r\n\r\n", CLOSE],
        [b"HTTP/1.1 401 Unauth", CLOSE],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 2_000_000, CLOSE],
    ],
)
def test_what_is_no_answer_to_our_handshake_is_refused(script: Script) -> None:
    refused(script, InvalidAnswer)


def test_a_connection_that_is_cut_is_told_of() -> None:
    refused([RESET], ConnectFailed)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def main() -> None:
        async with scripted([asyncio.Event()]) as provider:
            with pytest.raises(FirstTokenTimeout):
                await dial(provider, Timeouts(connect_s=5, first_token_s=0.05))

    asyncio.run(main())


def test_nobody_there_is_told_of() -> None:
    async def main() -> None:
        async with scripted([CLOSE]) as provider:
            origin = Origin.parse(provider.url)
        with pytest.raises(ConnectFailed):
            await open_line(origin, HEAD, PATIENT, no_tls)

    asyncio.run(main())
