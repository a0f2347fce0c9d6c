"""The listener over real sockets, both sides: framing, deadlines, pipelining, disconnects, drain."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.listening import CLOSING, COLD, HOT, Echo, listening, post, talk


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
def test_both_sides_give_the_same_bytes(start):
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            whole = await talk(port, post(start, b"hello", CLOSING))
            path = start.split(b" ")[1]
            head = b"HTTP/1.1 200 OK\r\nx-path: " + path + b"\r\nconnection: close\r\ncontent-length: 5\r\n\r\n"
            assert whole == head + b"hello"
            stream = await talk(port, post(start, b"stream", CLOSING))
            head, _, body = stream.partition(b"\r\n\r\n")
            assert b"transfer-encoding: chunked" in head
            assert body == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"

    asyncio.run(main())


SMUGGLED = {
    "conflicting lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "equal lengths twice": b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "length list": b"content-length: 5, 5\r\n\r\nhello",
    "signed length": b"content-length: +5\r\n\r\nhello",
    "length and chunked": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "hidden coding": b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "coding twice": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "bare LF": b"x: y\ncontent-length: 0\r\n\r\n",
    "bare CR": b"x: y\rz: 1\r\ncontent-length: 0\r\n\r\n",
    "LF LF": b"content-length: 0\n\n",
    "folded": b"x: y\r\n z\r\ncontent-length: 0\r\n\r\n",
    "space before colon": b"content-length : 5\r\n\r\nhello",
    "NUL": b"x: a\0b\r\ncontent-length: 0\r\n\r\n",
    "host twice": b"host: b\r\ncontent-length: 0\r\n\r\n",
    "credentials twice": b"authorization: a\r\nauthorization: b\r\ncontent-length: 0\r\n\r\n",
    "bad chunk": b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "chunk ended by LF": b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
@pytest.mark.parametrize("rest", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_framing_that_can_be_read_two_ways_is_refused_and_the_connection_closed(start, rest):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (_, port):
            answer = await talk(port, start + rest + b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 "), answer
            assert answer.count(b"HTTP/1.1") == 1
            assert b"connection: close" in answer
            assert [i for i in handler.seen if i.fault is None] == []
            assert len(handler.refused) == 1

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"content-length: 1001\r\n\r\n", 413),
        (b"transfer-encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 4095 + b"\r\n0\r\n\r\n", 413),
        (b"x: %b\r\n" % (b"y" * 70_000) + b"content-length: 0\r\n\r\n", 431),
        (b"".join(b"x%d: y\r\n" % n for n in range(200)) + b"content-length: 0\r\n\r\n", 431),
    ],
    ids=["length", "chunks", "long head", "many lines"],
)
def test_what_is_too_large_has_its_status(start, rest, status):
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            answer = await talk(port, start + rest)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:80]

    asyncio.run(main())


def test_a_client_that_sends_a_huge_body_still_reads_its_413():
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            answer = await talk(port, HOT + b"content-length: 41943040\r\n\r\n" + b"x" * 41_943_040)
            assert answer.startswith(b"HTTP/1.1 413 ")

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
@pytest.mark.parametrize("rest", [b"", b"x: y", b"content-length: 9\r\n\r\nabc"], ids=["line", "header", "body"])
def test_a_request_that_stops_halfway_is_a_408(start, rest):
    async def main() -> None:
        handler = Echo()
        async with listening(handler, header_timeout_s=0.3) as (_, port):
            answer = await talk(port, start + rest)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert len(handler.refused) == 1

    asyncio.run(main())


def test_a_connection_that_says_nothing_is_closed_without_a_word():
    async def main() -> None:
        handler = Echo()
        async with listening(handler, header_timeout_s=0.3) as (_, port):
            assert await talk(port) == b""
            assert handler.seen == handler.refused == []

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
def test_pipelined_requests_are_answered_in_order(start):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (_, port):
            answer = await talk(port, post(start, b"1") + post(start, b"2") + post(COLD, b"3", CLOSING))
            bodies = [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]
            assert bodies == [b"1", b"2", b"3"]

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
def test_a_client_that_leaves_cancels_its_call(start):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (server, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(start, b"wait"))
            while not handler.seen:
                await asyncio.sleep(0.005)
            writer.close()
            await asyncio.wait_for(handler.cancelled.wait(), 20)
            await asyncio.sleep(0.01)
            assert (server.in_flight(), server.connections()) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
def test_a_client_that_reads_slowly_pauses_its_feeder(start):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(start, b"flood", CLOSING))
            while handler.flow != ["pause"]:
                await asyncio.sleep(0.005)
            reading = asyncio.ensure_future(reader.read(-1))
            while handler.flow != ["pause", "resume"]:
                await asyncio.sleep(0.005)
            handler.release.set()
            assert len(await asyncio.wait_for(reading, 10)) > 8_000_000
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("start", [HOT, COLD], ids=["hot", "cold"])
def test_a_bug_is_a_500_that_says_nothing_and_the_next_request_is_served(start, caplog):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (_, port):
            answer = await talk(port, post(start, b"bug"), post(start, b"fine", CLOSING))
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert answer.endswith(b"fine")
            assert b"secret" not in answer

    asyncio.run(main())
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_expect_100_continue_is_answered_before_the_body_comes():
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            answer = await talk(port, HOT + CLOSING + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n", b"ok")
            assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

    asyncio.run(main())


def test_http_1_0_gets_a_stream_without_chunks():
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            start = b"POST /v1/chat/completions HTTP/1.0\r\n"
            answer = await talk(port, post(start, b"stream"))
            assert answer.endswith(b"\r\n\r\nonetwothree")
            assert b"chunked" not in answer

    asyncio.run(main())


def test_draining_refuses_new_calls_and_finishes_old_ones():
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (server, port):
            old = asyncio.ensure_future(talk(port, post(HOT, b"wait")))
            while not handler.seen:
                await asyncio.sleep(0.005)
            server.drain()
            ready = await talk(port, b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert ready.startswith(b"HTTP/1.1 503 ")
            assert b'"draining"' in ready
            new = await talk(port, post(HOT, b"new"))
            assert new.startswith(b"HTTP/1.1 503 ")
            assert new.endswith(b"draining")
            handler.release.set()
            answer = await old
            assert answer.endswith(b"waited")
            assert b"connection: close" in answer

    asyncio.run(main())


def test_probes_answer():
    async def main() -> None:
        async with listening(Echo()) as (_, port):
            for path in (b"/healthz", b"/readyz", b"/readyz?verbose"):
                answer = await talk(port, b"GET " + path + b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")

    asyncio.run(main())


REQUEST = (
    post(HOT, b"hello world", b"x-a: 1\r\n")
    + HOT
    + CLOSING
    + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, len(REQUEST) - 1), max_size=8, unique=True))
def test_requests_are_the_same_however_they_are_cut(cuts):
    async def main() -> None:
        handler = Echo()
        async with listening(handler) as (_, port):
            marks = [0, *sorted(cuts), len(REQUEST)]
            await talk(port, *(REQUEST[a:b] for a, b in pairwise(marks)))
            assert [i.body for i in handler.seen] == [b"hello world", b"hello"]
            assert handler.refused == []

    asyncio.run(main())


@settings(max_examples=40)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda b: HOT + b + b"\r\n\r\n")))
def test_garbage_is_refused_or_waited_for_and_never_breaks_the_server(data):
    async def main() -> None:
        handler = Echo()
        async with listening(handler, header_timeout_s=1) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            writer.write_eof()
            with suppress(ConnectionResetError):
                await asyncio.wait_for(reader.read(-1), 10)
            writer.close()
            assert (await talk(port, post(HOT, b"fine", CLOSING))).endswith(b"fine")

    asyncio.run(main())
