"""HTTP/2 on a real socket: requests side by side, clients that take back, flood, stall; and the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from h2.errors import ErrorCodes

from gateway.listener import streams
from gateway.listener.stream_frames import MAX_STREAMS
from tests.support.listening import Echo
from tests.support.stream_client import asking, streaming

CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_each_stream_is_a_request_as_any_other() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, [*asking("/v1/x?a=b", "PUT", x_own="1", cookie="a=b"), ("cookie", "c=d")], b"hello")
            told = await client.answer(1)
            assert (told.status, told.body) == (200, b"hello")
            assert told.headers == {"x-path": "/v1/x", "content-length": "5"}
            (asked,) = place.echo.seen
            assert (asked.method, asked.path, asked.query, asked.body) == ("PUT", "/v1/x", "a=b", b"hello")
            assert asked.headers == {b"host": b"model.example", b"x-own": b"1", b"cookie": b"a=b; c=d"}
            assert asked.peer.startswith("127.0.0.1:")
            assert place.echo.commits == 1
            client.ask(3, asking(), b"stream")
            told = await client.answer(3)
            assert (told.body, told.headers) == (b"onetwothree", {"content-type": "text/event-stream"})

    run(test())


def test_one_that_waits_holds_up_no_other() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"wait")
            for number in range(3, 41, 2):
                client.ask(number, asking(), b"%d" % number)
            for number in range(3, 41, 2):
                assert (await client.answer(number)).body == b"%d" % number
            assert place.server.in_flight() == 1
            place.echo.release.set()
            assert (await client.answer(1)).body == b"waited"

    run(test())


def test_bodies_arrive_whole_whatever_the_windows_are() -> None:
    async def test() -> None:
        async with streaming(max_body_bytes=3_000_000) as place:
            client = await place.client()
            bodies = {number: bytes([number]) * 700_000 for number in (1, 3, 5)}
            for number in bodies:
                client.ask(number, asking(), None, end=False)
            # One after the other: those that come later wait for nobody.
            for number, body in reversed(bodies.items()):
                await client.upload(number, body)
            for number, body in bodies.items():
                assert (await client.answer(number)).body == body

    run(test())


def test_a_body_that_is_too_large_is_refused_before_it_has_come() -> None:
    async def test() -> None:
        async with streaming(max_body_bytes=100_000) as place:
            client = await place.client()
            client.ask(1, asking(content_length="100001"), None, end=False)
            assert (await client.answer(1)).status == 413
            client.ask(3, asking(), None, end=False)
            await client.upload(3, b"x" * 200_000)
            told = await client.answer(3)
            assert told.status == 413
            # The connection is none the worse.
            client.ask(5, asking(), b"ok")
            assert (await client.answer(5)).body == b"ok"
            assert [error.status for error in place.echo.refused] == [413, 413]

    run(test())


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (asking("no-slash"), 400),
        (asking("/a b"), 400),
        (asking("/é"), 400),
        (asking(method="get"), 400),
        ([*asking(), ("authorization", "a"), ("authorization", "b")], 400),
        ([*asking(), *[("x-large", "x" * 7_000)] * 10], None),
        (asking() + [(f"x-{number}", "") for number in range(129)], 431),
        ([(":method", "CONNECT"), (":authority", "a:1")], 400),
        (asking(content_length="x"), None),
        ([*asking(), ("connection", "close")], None),
        ([*asking(), ("transfer-encoding", "chunked")], None),
        ([*asking(), ("X-Upper", "a")], None),
        ([*asking(), ("x-line", "a\r\nb: c")], None),
        ([*asking(), ("host", "other.example")], None),
        ([(":method", "GET"), (":scheme", "https"), (":path", "/")], None),
    ],
)
def test_what_is_no_request_is_refused_or_ends_the_connection(
    fields: list[tuple[str, str]], status: int | None
) -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            config = client.h2.config
            config.validate_outbound_headers = config.normalize_outbound_headers = False
            client.ask(1, [(name.encode(), value.encode()) for name, value in fields])
            if status is None:
                await client.ends()
                assert client.goodbye
                assert not [asked for asked in place.echo.seen if asked.fault is None]
            else:
                assert (await client.answer(1)).status == status

    run(test())


def test_who_asks_to_go_on_is_told_to() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(expect="100-continue"), None, end=False)
            await client.until(lambda: client.told[1].informed)
            assert client.told[1].informed == [100]
            await client.upload(1, b"body")
            assert (await client.answer(1)).body == b"body"

    run(test())


def test_trailers_end_a_body_and_say_nothing_of_it() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            for number, name, status in ((1, "x-checksum", 200), (3, "content-length", 400)):
                client.ask(number, asking(), b"body", end=False)
                client.h2.config.validate_outbound_headers = False
                client.h2.send_headers(number, [(name, "4")], end_stream=True)
                client.flush()
                assert (await client.answer(number)).status == status

    run(test())


# --- what a client takes back


def test_a_stream_that_is_taken_back_stops_its_work_and_no_other() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"wait")
            await place_has(place.echo, 1)
            client.h2.reset_stream(1, ErrorCodes.CANCEL)
            client.ask(3, asking(), b"ok")
            assert (await client.answer(3)).body == b"ok"
            await place.echo.cancelled.wait()

    run(test())


async def place_has(echo: Echo, count: int) -> None:
    while len(echo.seen) < count:
        await asyncio.sleep(0.001)


def test_what_is_taken_back_in_the_same_breath_is_not_begun() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
            client.h2.send_headers(1, asking(), end_stream=False)
            client.h2.send_data(1, b"hello", end_stream=True)
            client.h2.reset_stream(1, ErrorCodes.CANCEL)
            client.ask(3, asking(), b"ok")
            assert (await client.answer(3)).body == b"ok"
            assert [asked.body for asked in place.echo.seen] == [b"ok"]

    run(test())


# --- who does not take, or does not send


def test_a_client_that_takes_nothing_makes_only_its_own_stream_wait() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.takes = False
            client.ask(1, asking(), b"flood")
            await client.until(lambda: len(client.told[1].body) == 65_535)
            assert place.echo.flow == ["pause"]
            # The connection's window is empty as well; then the client takes all.
            client.takes = True
            client.h2.increment_flow_control_window(16_000_000)
            client.h2.increment_flow_control_window(16_000_000, 1)
            client.flush()
            await client.until(lambda: len(client.told[1].body) == 8_000_000)
            assert place.echo.flow == ["pause", "resume"]
            place.echo.release.set()
            assert (await client.answer(1)).ended

    run(test())


def test_a_request_that_does_not_come_is_not_waited_for() -> None:
    async def test() -> None:
        async with streaming(header_timeout_s=0.2) as place:
            client = await place.client()
            client.ask(1, asking(), b"beginning", end=False)
            told = await client.answer(1)
            assert told.status == 408
            silent = await place.client()
            await silent.ends()
            assert silent.goodbye[-1][1] == 0

    run(test())


def test_a_client_that_goes_takes_its_work_with_it() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"wait")
            await place_has(place.echo, 1)
            client.writer.close()
            await place.echo.cancelled.wait()
            while place.server.connections() or place.server.in_flight():
                await asyncio.sleep(0.001)

    run(test())


def test_an_answer_that_is_cut_does_not_look_whole() -> None:
    class Cutting(Echo):
        async def handle(self, incoming: Any, reply: Any) -> None:
            reply.start(200, b"")
            reply.write(b"half")
            reply.abort()

    async def test() -> None:
        async with streaming(Cutting()) as place:
            client = await place.client()
            client.ask(1, asking(), b"x")
            told = await client.answer(1)
            assert (told.ended, told.reset) == (False, int(ErrorCodes.INTERNAL_ERROR))

    run(test())


# --- the end


def test_a_gateway_that_goes_says_so_and_answers_what_was_asked() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"wait")
            await place_has(place.echo, 1)
            place.server.announce()
            await client.until(lambda: client.goodbye)
            assert client.goodbye == [(2**31 - 1, 0)]
            # Who has not heard of it yet is served.
            client.ask(3, asking(), b"ok")
            assert (await client.answer(3)).body == b"ok"
            place.server.drain()
            await client.until(lambda: len(client.goodbye) == 2)
            assert client.goodbye[1] == (3, 0)
            client.ask(5, asking(), b"late")
            assert (await client.answer(5)).reset == int(ErrorCodes.REFUSED_STREAM)
            place.echo.release.set()
            assert (await client.answer(1)).body == b"waited"
            await client.ends()
            assert [asked.body for asked in place.echo.seen] == [b"wait", b"ok"]

    run(test())


def test_an_answer_that_is_still_being_taken_outlives_the_work_on_it() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.takes = False
            client.ask(1, asking(), None, end=False)
            await client.upload(1, b"x" * 300_000)
            await client.until(lambda: len(client.told[1].body) == 65_535)
            place.server.drain()
            closing = asyncio.get_running_loop().create_task(place.server.close(5))
            await asyncio.sleep(0)
            client.takes = True
            client.h2.increment_flow_control_window(1_000_000)
            client.h2.increment_flow_control_window(1_000_000, 1)
            client.flush()
            assert (await client.answer(1)).body == b"x" * 300_000
            assert await closing == 0

    run(test())


def test_a_client_that_will_go_is_answered_first() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"wait")
            await place_has(place.echo, 1)
            frame = b"\x00\x00\x08\x07\x00" + bytes(4) + bytes(8)
            client.writer.write(frame)
            await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
            place.echo.release.set()
            assert (await client.answer(1)).body == b"waited"
            await client.ends()

    run(test())


def test_after_many_requests_the_client_is_asked_to_connect_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_REQUESTS", 3)

    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            for number in (1, 3, 5):
                client.ask(number, asking(), b"%d" % number)
            for number in (1, 3, 5):
                assert (await client.answer(number)).body == b"%d" % number
            await client.ends()
            assert client.goodbye == [(5, 0)]

    run(test())
