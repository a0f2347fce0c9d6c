"""Requests of one connection: how many, and how long they are waited for."""

from __future__ import annotations

import asyncio

import pytest
from h2.errors import ErrorCodes

from gateway.listener import server as listener
from tests.support.stream_client import asking, streaming


def test_a_client_that_takes_none_of_its_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "KEEPALIVE_S", 0.3)

    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.takes = False
            client.ask(1, asking(), b"flood")
            await client.until(lambda: client.told[1].reset is not None)
            assert client.told[1].reset == int(ErrorCodes.INTERNAL_ERROR)
            assert len(client.told[1].body) == 65_535
            while place.server.in_flight():
                await asyncio.sleep(0.001)

    asyncio.run(test())


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    async def test() -> None:
        async with streaming() as place:
            client = await place.client()
            client.ask(1, asking(method="HEAD"))
            told = await client.answer(1)
            assert (told.status, told.body, told.headers["content-length"]) == (200, b"", "0")
            client.ask(3, asking(method="HEAD"), b"hello")
            told = await client.answer(3)
            assert (told.body, told.headers["content-length"]) == (b"", "5")

    asyncio.run(test())
