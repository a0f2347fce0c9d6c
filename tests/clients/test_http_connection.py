"""A connection beside the loop; what it does with bytes is tested over sockets in test_http.py."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.clients.http import HttpClient
from gateway.clients.origin import Origin
from tests.clients.test_http import PATIENT, REQUEST, Sink
from tests.support.provider import scripted, whole


def test_whenever_a_call_is_cancelled_its_connection_counts_no_more():
    async def main() -> None:
        never = asyncio.Event()
        async with scripted([never]) as provider:
            client = HttpClient()
            origin = Origin.parse(f"http://127.0.0.1:{provider.port}")
            for turns in range(24):
                call = client.send(origin, REQUEST, Sink(), PATIENT)
                # Before its task has begun, while it connects, and when it is connected.
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
                for _ in range(2000):
                    if client.counts() == (0, 0):
                        break
                    await asyncio.sleep(0.01)
                assert (client.counts(), client.active()) == ((0, 0), 0), turns
            # None was lost on the way: one that nobody cancels has its place.
            call = client.send(origin, REQUEST, Sink(), PATIENT)
            assert (client.counts(), client.active()) == ((1, 0), 1)
            call.cancel()
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize("unasked", [whole(b"stolen"), b"HTTP/1.1 200 OK\r\n", b""])
def test_what_has_come_before_the_next_call_was_sent_never_answers_it(unasked: bytes) -> None:
    """Though the loop has not read it yet; the end of a connection is seen as well."""

    async def main(listener: socket.socket) -> None:
        loop, client = asyncio.get_running_loop(), HttpClient()
        origin = Origin.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")

        async def answered(sink: Sink, answer: bytes) -> socket.socket:
            there, _ = await loop.sock_accept(listener)
            assert await loop.sock_recv(there, 65_536) == REQUEST
            await loop.sock_sendall(there, answer)
            await asyncio.wait_for(sink.done.wait(), 10)
            return there

        first, second = Sink(), Sink()
        client.send(origin, REQUEST, first, PATIENT)
        there = await answered(first, whole(b"first"))
        assert client.counts() == (1, 1)
        # No turn of the loop lies between this and the next request.
        if unasked:
            assert there.send(unasked) == len(unasked)
        else:
            there.shutdown(socket.SHUT_WR)
        client.send(origin, REQUEST, second, PATIENT)
        other = await asyncio.wait_for(answered(second, whole(b"second")), 10)
        assert (first.parts, second.parts, second.error) == ([b"first"], [b"second"], None)
        await client.close()
        there.close()
        other.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        asyncio.run(main(listener))
