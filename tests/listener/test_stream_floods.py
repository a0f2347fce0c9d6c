"""Clients of HTTP/2 that mean no good: they take back, flood, unpack, and send what is no frame."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, Frame, PingFrame, PriorityFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.listener import streams
from gateway.listener.stream_frames import MAX_STREAMS
from tests.support.listening import Echo
from tests.support.stream_client import asking, streaming

CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


class Stubborn(Echo):
    """Takes its time to hear that nobody waits any more."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self.now = 0

    async def handle(self, incoming: Any, reply: Any) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            await self.release.wait()
        finally:
            self.now -= 1


def test_a_client_that_resets_as_fast_as_it_asks_gets_no_more_work_done_than_others_and_is_sent_away() -> None:
    async def test() -> None:
        stubborn = Stubborn()
        async with streaming(stubborn) as place:
            client = await place.client()
            await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
            with suppress(ConnectionError):
                for number in range(1, 1601, 2):
                    client.h2.send_headers(number, asking(), end_stream=True)
                    client.flush()
                    # In a breath of its own, so that it is begun.
                    await client.writer.drain()
                    await asyncio.sleep(0)
                    client.h2.reset_stream(number, ErrorCodes.CANCEL)
                    client.flush()
            await client.ends()
            assert 0 < stubborn.most <= MAX_STREAMS
            while place.server.connections():
                await asyncio.sleep(0.001)

    run(test())


def test_more_streams_than_may_be_end_the_connection() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
            client.h2.remote_settings.max_concurrent_streams = 1000
            client.h2.remote_settings.acknowledge()
            for number in range(1, 2 * MAX_STREAMS + 2, 2):
                client.ask(number, asking(), b"wait")
            await client.ends()
            assert client.goodbye
            assert len(place.echo.seen) <= MAX_STREAMS

    run(test())


# --- what says nothing


def noise(kind: str) -> Frame:
    if kind == "ping":
        return PingFrame(0, opaque_data=b"12345678")
    if kind == "settings":
        return SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535})
    if kind == "priority":
        return PriorityFrame(1, depends_on=0, stream_weight=1)
    return DataFrame(1, data=b"")


@pytest.mark.parametrize("kind", ["ping", "settings", "priority", "empty data"])
def test_frames_that_say_nothing_come_to_an_end(kind: str) -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(), b"x", end=False)
            flood = noise(kind).serialize() * 5000
            client.writer.write(flood)
            await client.ends()
            # What lies unread when a connection ends makes the kernel take back what was said last.
            assert {why for _, why in client.goodbye} <= {CALM}
            while place.server.connections():
                await asyncio.sleep(0.001)

    run(test())


def test_few_bytes_that_stand_for_many_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "NOISE", (2000.0, 0.0))

    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            await client.until(lambda: client.h2.remote_settings.max_concurrent_streams == MAX_STREAMS)
            large = [*asking(), *[("x-large", "x" * 3000)] * 20]
            with suppress(ConnectionError):
                for number in range(1, 401, 2):
                    client.ask(number, large)
                    await client.writer.drain()
                    await client.answer(number)
                    if client.over:
                        break
            assert client.goodbye[-1][1] == CALM
            assert len(place.echo.seen) < 80

    run(test())


def test_a_client_that_asks_for_replies_and_reads_none_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "NOISE", (1e9, 1e9))
    monkeypatch.setattr(streams, "MAX_UNREAD", 300_000)

    async def test() -> None:
        async with streaming(sends=4096) as place:
            client = await place.client(receives=4096)
            flood = noise("ping").serialize() * 4000
            with suppress(ConnectionError, TimeoutError):
                while place.server.connections():
                    client.writer.write(flood)
                    await asyncio.wait_for(client.writer.drain(), 1)
            while place.server.connections():
                await asyncio.sleep(0.01)

    run(test())


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 255), st.sampled_from([0, 1, 1, 2, 3, 5]), st.binary(max_size=40)),
        max_size=8,
    )
)
def test_whatever_frames_come_the_connection_lives_or_ends(frames: list[tuple[int, int, int, bytes]]) -> None:
    wire = PREFACE + b"\x00\x00\x00\x04\x00" + bytes(4)
    for kind, flags, number, payload in frames:
        wire += len(payload).to_bytes(3, "big") + bytes([kind, flags]) + number.to_bytes(4, "big") + payload

    async def test() -> None:
        failed: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        async with streaming() as place:
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(wire)
            writer.write_eof()
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
            while place.server.connections():
                await asyncio.sleep(0)
        assert not failed

    run(test())
