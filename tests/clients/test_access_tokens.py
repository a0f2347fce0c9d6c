"""Tokens that are fetched, kept and renewed; the account is one of Google's, whose statements are checked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest

from gateway.clients.access_tokens import TokenSource
from gateway.clients.google_tokens import GoogleAccount
from gateway.clients.http import HttpClient
from gateway.clients.renewed import BACK_OFF_S
from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer, Misconfigured, Overloaded, ProviderError
from tests.support.clock import ManualClock
from tests.support.google_account import account, given
from tests.support.provider import RESET, ScriptedProvider, Step, scripted, whole

Work = Callable[[TokenSource, ScriptedProvider, ManualClock], Awaitable[None]]


def run(work: Work, *scripts: list[Step]) -> ScriptedProvider:
    async def main() -> ScriptedProvider:
        async with scripted(*scripts) as server:
            http, clock = HttpClient(), ManualClock()
            source = TokenSource(GoogleAccount(account(f"http://127.0.0.1:{server.port}/token")), http, clock)
            try:
                await asyncio.wait_for(work(source, server, clock), 20)
            finally:
                await source.close()
                await http.close()
            return server

    return asyncio.run(main())


async def awaited(source: TokenSource) -> bytes:
    told = asyncio.get_running_loop().create_future()
    source.wait(told.set_result, told.set_exception)
    return await told


def refusal(status: str, **said: str) -> list[Step]:
    return [whole(orjson.dumps(said), status)]


def test_many_calls_wait_for_one_token() -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        headers = await asyncio.gather(*(awaited(source) for _ in range(50)))
        assert set(headers) == {b"authorization: Bearer ya29.first\r\n"}
        assert len(server.asked) == 1

    run(work, given())


def test_a_token_is_renewed_while_the_old_one_holds_and_never_used_past_its_time() -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        await awaited(source)
        clock.advance(3600 - 301)
        source.header()
        assert len(server.asked) == 1
        clock.advance(100)
        assert source.header() == b"authorization: Bearer ya29.first\r\n"
        while source.header() != b"authorization: Bearer second\r\n":
            await asyncio.sleep(0.001)
        assert len(server.asked) == 2
        clock.advance(3600 - 20)
        assert source.header() is None

    run(work, given(), given("second"))


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        (refusal("400 Bad Request", error="invalid_grant"), Misconfigured, "invalid_grant"),
        (refusal("401 Unauthorized", error="not an identifier"), Misconfigured, "401"),
        (refusal("503 Service Unavailable"), ProviderError, "503"),
        (refusal("429 Too Many Requests"), ProviderError, "429"),
        ([whole(b"<html>", "404 Not Found")], Misconfigured, "404"),
        ([whole(b"{}")], InvalidAnswer, "none"),
        ([whole(b'{"access_token":"a\\nb"}')], InvalidAnswer, "header"),
        ([RESET], GatewayError, ""),
    ],
)
def test_who_waits_learns_why_there_is_no_token(script: list[Step], kind: type[GatewayError], word: str) -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        with pytest.raises(kind) as failed:
            await awaited(source)
        assert word in failed.value.public_message
        assert "not an identifier" not in failed.value.public_message

    run(work, script)


def test_a_refusal_is_not_asked_for_again_at_once_and_is_not_final() -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        for _ in range(5):
            with pytest.raises(Misconfigured):
                await awaited(source)
        assert len(server.asked) == 1
        clock.advance(BACK_OFF_S)
        assert await awaited(source)
        assert len(server.asked) == 2

    run(work, refusal("400 Bad Request", error="invalid_grant"), given())


def test_who_lets_go_is_told_nothing_and_who_waits_at_the_end_is() -> None:
    async def work(source: TokenSource, server: ScriptedProvider, clock: ManualClock) -> None:
        told: list[object] = []
        source.wait(told.append, told.append).cancel()
        waiting = asyncio.ensure_future(awaited(source))
        await asyncio.sleep(0)
        await source.close()
        with pytest.raises(Overloaded):
            await waiting
        assert told == []

    run(work, [asyncio.Event()])


def test_a_server_that_cannot_be_reached_is_a_failed_connection() -> None:
    async def main() -> None:
        http = HttpClient()
        source = TokenSource(GoogleAccount(account("http://127.0.0.1:9/token")), http, ManualClock())
        with pytest.raises(ConnectFailed):
            await asyncio.wait_for(awaited(source), 20)
        await source.close()
        await http.close()

    asyncio.run(main())
