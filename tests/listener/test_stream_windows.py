"""Who may send how much: bodies that wait for each other never wait for ever."""

from __future__ import annotations

import asyncio

import pytest

from gateway.listener import stream_windows
from gateway.listener.stream_frames import STREAM_WINDOW
from tests.support.stream_client import asking, streaming


def test_bodies_wait_when_there_are_too_many_but_for_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_windows, "MAX_UNFINISHED", 100_000)

    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            await client.until(lambda: client.h2.outbound_flow_control_window > 4 * STREAM_WINDOW)
            for number in (1, 3, 5):
                client.ask(number, asking(), None, end=False)
            # The later ones get so far, and no further.
            for number in (3, 5):
                client.h2.send_data(number, b"x" * 16_384)
                client.h2.send_data(number, b"x" * 16_384)
                client.h2.send_data(number, b"x" * 16_384)
                client.h2.send_data(number, b"x" * (STREAM_WINDOW - 3 * 16_384))
                client.flush()
            client.h2.ping(b"12345678")
            client.flush()
            await client.until(lambda: client.h2.local_flow_control_window(3) == STREAM_WINDOW)
            assert client.h2.local_flow_control_window(5) < STREAM_WINDOW
            await client.upload(1, b"y" * 300_000)
            assert (await client.answer(1)).body == b"y" * 300_000
            await client.upload(3, b"z" * 200_000)
            await client.upload(5, b"z" * 200_000)
            for number in (3, 5):
                assert len((await client.answer(number)).body) == STREAM_WINDOW + 200_000

    asyncio.run(test())


def test_answers_are_sent_in_turn() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.takes = False
            for number in (1, 3):
                client.ask(number, asking(), None, end=False)
                await client.upload(number, b"%d" % number * 200_000)
            await client.until(lambda: client.told[3].status and len(client.told[1].body) == STREAM_WINDOW)
            client.h2.increment_flow_control_window(1_000_000, 1)
            client.h2.increment_flow_control_window(1_000_000, 3)
            # The same for both, of what the connection gives.
            before = {number: len(client.told[number].body) for number in (1, 3)}
            client.h2.increment_flow_control_window(65_536)
            client.flush()
            await client.until(
                lambda: sum(len(client.told[number].body) for number in (1, 3)) >= STREAM_WINDOW + 65_536
            )
            gained = {number: len(client.told[number].body) - before[number] for number in (1, 3)}
            assert abs(gained[1] - gained[3]) <= 16_384

    asyncio.run(test())
