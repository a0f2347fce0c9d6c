"""The lean client: pools, timers, cancellation, backpressure, and answers that break HTTP."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.clients.http import HttpClient
from gateway.clients.http_connection import RESEND_WITHIN_S
from gateway.clients.origin import Origin
from gateway.core.errors import (
    ConnectFailed,
    ConnectTimeout,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    InvalidAnswer,
    Overloaded,
    StreamBroken,
    TotalTimeout,
)
from gateway.core.exchange import Headers, Timeouts
from gateway.wire.headers import answer_headers
from tests.support.provider import CLOSE, END, EVENTS, RESET, Step, chunk, scripted, whole

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
PATIENT = Timeouts(connect_s=5, first_token_s=5, idle_s=5, total_s=10)


class Sink:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.parts: list[bytes] = []
        self.error: GatewayError | None = None
        self.ended = 0
        self.at_once = False
        self.done = asyncio.Event()
        self.some = asyncio.Event()

    def on_head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def on_data(self, data: bytes) -> None:
        self.parts.append(data)
        self.some.set()

    def on_end(self) -> None:
        self.ended += 1
        self.done.set()

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        assert block == answer_headers(headers)
        self.at_once = True
        self.on_head(status, headers)
        self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        assert self.error is None
        self.error = error
        self.done.set()


async def ask(client: HttpClient, port: int, timeouts: Timeouts = PATIENT, wire: bytes = REQUEST) -> Sink:
    sink = Sink()
    client.send(Origin.parse(f"http://127.0.0.1:{port}"), wire, sink, timeouts)
    await asyncio.wait_for(sink.done.wait(), 10)
    return sink


def test_a_whole_answer_arrives_and_the_connection_serves_the_next_call():
    async def main() -> None:
        async with scripted([whole(b'{"a":1}')]) as provider:
            client = HttpClient()
            for _ in range(3):
                sink = await ask(client, provider.port)
                assert (sink.status, b"".join(sink.parts)) == (200, b'{"a":1}')
                assert sink.headers[b"content-type"] == b"application/json"
            assert provider.connections == 1
            assert client.counts() == (1, 1)
            assert client.active() == 0
            await client.close()

    asyncio.run(main())


def dated(second: int, body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = b"HTTP/1.1 200 OK\r\ndate: %d\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (second, size) + body


def test_a_head_like_the_one_before_it_is_not_parsed_again_and_everything_else_is():
    async def main() -> None:
        gate = asyncio.Event()
        streamed = [EVENTS, chunk(b"data: 1\n\n") + END]
        scripts: list[Any] = [[dated(1, b"{}")], [dated(2, b"[1]")], streamed, [dated(4, b"{}")]]
        scripts += [[b"HTTP/1.1 100 Continue\r\n\r\n" + dated(5, b"{}")], [dated(6, b"1")], [dated(7, b"{}")]]
        scripts += [[dated(8, b"[1,2]")[:-1], gate, b"]"]]
        async with scripted(*scripts) as provider:
            client = HttpClient()
            sinks: list[Sink] = []
            for _ in scripts:
                sinks.append(Sink())
                client.send(Origin.parse(f"http://127.0.0.1:{provider.port}"), REQUEST, sinks[-1], PATIENT)
                # The last one comes in two pieces.
                await asyncio.wait_for(sinks[-1].some.wait(), 10)
                if not sinks[-1].done.is_set():
                    gate.set()
                await asyncio.wait_for(sinks[-1].done.wait(), 10)
            assert [sink.at_once for sink in sinks] == [False, True, False, True, False, True, True, False]
            bodies = [b"{}", b"[1]", b"data: 1\n\n", b"{}", b"{}", b"1", b"{}", b"[1,2]"]
            assert [b"".join(sink.parts) for sink in sinks] == bodies
            assert [sink.headers.get(b"date") for sink in sinks] == [b"1", b"2", None, b"4", b"5", b"6", b"7", b"8"]
            assert [sink.ended for sink in sinks] == [1] * len(scripts)
            assert (provider.connections, client.active()) == (1, 0)
            await client.close()

    asyncio.run(main())


def test_what_comes_behind_an_answer_with_a_known_head_is_an_error():
    async def main() -> None:
        async with scripted([dated(1, b"{}")], [dated(2, b"{}") + dated(3, b"{}")]) as provider:
            client = HttpClient()
            assert (await ask(client, provider.port)).error is None
            assert type((await ask(client, provider.port)).error) is InvalidAnswer
            assert client.counts() == (0, 0)
            await client.close()

    asyncio.run(main())


def test_an_answer_to_head_has_no_body_however_well_its_head_is_known():
    async def main() -> None:
        async with scripted([dated(1, b"{}")], [dated(2, b"", 2)], [dated(3, b"{}")]) as provider:
            client = HttpClient()
            assert (await ask(client, provider.port)).error is None
            sink = await ask(client, provider.port, wire=b"HEAD /v1/x HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (sink.error, sink.parts, sink.headers[b"date"]) == (None, [], b"2")
            await client.close()

    asyncio.run(main())


def test_a_chunked_stream_arrives_in_pieces_without_its_framing():
    async def main() -> None:
        async with scripted(
            [EVENTS, chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n"), chunk(b"data: 3\n\n") + END]
        ) as provider:
            client = HttpClient()
            sink = await ask(client, provider.port)
            assert b"".join(sink.parts) == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
            assert sink.ended == 1
            await client.close()

    asyncio.run(main())


def test_a_body_that_ends_with_the_connection_is_whole():
    async def main() -> None:
        async with scripted([b"HTTP/1.1 200 OK\r\n\r\nhello", CLOSE]) as provider:
            client = HttpClient()
            sink = await ask(client, provider.port)
            assert (b"".join(sink.parts), sink.error) == (b"hello", None)
            assert client.counts() == (0, 0)
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([RESET], ConnectFailed),
        ([CLOSE], ConnectFailed),
        ([whole(b"12345")[:-2], CLOSE], StreamBroken),
        ([EVENTS + chunk(b"data: 1\n\n"), RESET], StreamBroken),
        ([b"SSH-2.0-OpenSSH\r\n"], InvalidAnswer),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"], InvalidAnswer),
        ([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"], InvalidAnswer),
        ([b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"y" * 70_000) + b"\r\n"], InvalidAnswer),
        ([EVENTS + b"zz\r\n"], InvalidAnswer),
    ],
)
def test_a_broken_answer_is_a_declared_error_and_its_connection_is_gone(script, error):
    async def main() -> None:
        async with scripted(script) as provider:
            client = HttpClient()
            sink = await ask(client, provider.port)
            assert type(sink.error) is error
            assert sink.ended == 0
            await asyncio.sleep(0)
            assert client.counts()[1] == 0
            await client.close()

    asyncio.run(main())


def test_interim_answers_are_passed_over():
    async def main() -> None:
        async with scripted([b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + whole(b"ok")]) as provider:
            client = HttpClient()
            sink = await ask(client, provider.port)
            assert (sink.status, b"".join(sink.parts)) == (200, b"ok")
            assert b"link" not in sink.headers
            await client.close()

    asyncio.run(main())


def test_an_answer_nobody_asked_for_never_reaches_the_next_call():
    async def main() -> None:
        async with scripted([whole(b"mine") + whole(b"smuggled")], [whole(b"second")]) as provider:
            client = HttpClient()
            first = await ask(client, provider.port)
            second = await ask(client, provider.port)
            assert b"".join(second.parts) == b"second"
            assert first.error is not None or b"".join(first.parts) == b"mine"
            await client.close()

    asyncio.run(main())


def test_a_kept_alive_connection_that_died_is_replaced_without_an_error():
    async def main() -> None:
        async with scripted([whole(b"1")], [CLOSE], [whole(b"2")]) as provider:
            client = HttpClient()
            await ask(client, provider.port)
            sink = await ask(client, provider.port)
            assert (sink.error, b"".join(sink.parts)) == (None, b"2")
            assert provider.connections == 2
            await client.close()

    asyncio.run(main())


def test_a_call_that_the_provider_had_for_a_while_is_not_sent_again_by_itself():
    async def main() -> None:
        late = asyncio.Event()
        async with scripted([whole(b"1")], [late, CLOSE], [whole(b"2")]) as provider:
            client = HttpClient()
            passed_s = 0.0
            client.now = lambda: asyncio.get_running_loop().time() + passed_s
            await ask(client, provider.port)
            asked = asyncio.ensure_future(ask(client, provider.port))
            while len(provider.asked) < 2:
                await asyncio.sleep(0)
            passed_s = RESEND_WITHIN_S
            late.set()
            sink = await asked
            assert type(sink.error) is ConnectFailed
            assert len(provider.asked) == 2
            await client.close()

    asyncio.run(main())


def test_a_head_that_comes_drop_by_drop_must_come_in_time():
    async def main() -> None:
        drops: list[Step] = [step for _ in range(200) for step in (b"x", 0.02)]
        async with scripted([b"HTTP/1.1 200 OK\r\nx-long: ", *drops]) as provider:
            client = HttpClient()
            short = Timeouts(connect_s=5, first_token_s=0.3, idle_s=5, total_s=5)
            assert type((await ask(client, provider.port, short)).error) is FirstTokenTimeout
            await client.close()

    asyncio.run(main())


def test_the_four_timers_have_errors_of_their_own():
    async def main() -> None:
        never = asyncio.Event()
        client = HttpClient()
        async with scripted([never]) as silent, scripted([EVENTS + chunk(b"a"), never]) as stuck:
            short = Timeouts(connect_s=5, first_token_s=0.2, idle_s=0.2, total_s=5)
            assert type((await ask(client, silent.port, short)).error) is FirstTokenTimeout
            assert type((await ask(client, stuck.port, short)).error) is IdleTimeout
            total = Timeouts(connect_s=5, first_token_s=5, idle_s=5, total_s=0.2)
            assert type((await ask(client, stuck.port, total)).error) is TotalTimeout
            never.set()
        await client.close()

    asyncio.run(main())


def test_a_refused_connection_is_a_declared_error():
    async def main() -> None:
        client = HttpClient()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and never listening: the kernel refuses
            sink = await ask(client, taken.getsockname()[1])
        assert type(sink.error) is ConnectFailed
        await client.close()

    asyncio.run(main())


def test_a_connection_that_is_not_made_in_time_is_a_connect_timeout():
    async def main() -> None:
        client = HttpClient()
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for each in (first, second):  # a full backlog answers no further SYN
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            sink = await ask(client, full.getsockname()[1], Timeouts(connect_s=0.2))
        assert type(sink.error) is ConnectTimeout
        await client.close()

    asyncio.run(main())


def test_cancelling_closes_the_connection_and_silences_the_sink():
    async def main() -> None:
        never = asyncio.Event()
        async with scripted([EVENTS + chunk(b"a"), never]) as provider:
            client = HttpClient()
            sink = Sink()
            call = client.send(Origin.parse(f"http://127.0.0.1:{provider.port}"), REQUEST, sink, PATIENT)
            await asyncio.wait_for(sink.some.wait(), 20)
            call.cancel()
            call.cancel()
            await asyncio.wait_for(provider.closed.wait(), 20)
            assert (sink.error, sink.ended, client.active()) == (None, 0, 0)
            assert client.counts() == (0, 0)
            await client.close()

    asyncio.run(main())


def test_a_paused_call_reads_nothing_more_until_it_is_resumed():
    async def main() -> None:
        flood: list[Step] = [EVENTS, *[chunk(b"x" * 65536)] * 400, END]
        async with scripted(flood) as provider:
            client = HttpClient()
            sink = Sink()
            timeouts = Timeouts(connect_s=5, first_token_s=5, idle_s=0.2, total_s=20)
            call = client.send(Origin.parse(f"http://127.0.0.1:{provider.port}"), REQUEST, sink, timeouts)
            await asyncio.wait_for(sink.some.wait(), 20)
            call.pause()
            await asyncio.sleep(0)
            held = sum(map(len, sink.parts))
            ticks = asyncio.get_running_loop().time() + 0.5
            while asyncio.get_running_loop().time() < ticks:
                await asyncio.sleep(0.01)
            assert sum(map(len, sink.parts)) == held, "paused, yet it grew"
            assert sink.error is None, "a pause of ours is no silence of the provider's"
            call.resume()
            await asyncio.wait_for(sink.done.wait(), 10)
            assert sum(map(len, sink.parts)) == 400 * 65536
            await client.close()

    asyncio.run(main())


def test_connections_to_one_origin_are_bounded():
    async def main() -> None:
        never = asyncio.Event()
        async with scripted([never]) as provider:
            client = HttpClient(max_connections=2)
            origin = Origin.parse(f"http://127.0.0.1:{provider.port}")
            calls = [client.send(origin, REQUEST, Sink(), PATIENT) for _ in range(2)]
            sink = Sink()
            client.send(origin, REQUEST, sink, PATIENT)
            assert type(sink.error) is Overloaded
            for call in calls:
                call.cancel()
            await client.close()

    asyncio.run(main())
