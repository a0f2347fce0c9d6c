from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.clients.brief_call import MAX_ANSWER_BYTES, ask
from gateway.clients.http import HttpClient
from gateway.core.errors import ConnectFailed, GatewayError
from tests.support.provider import RESET, Step, chunk, scripted, whole


def asked(*script: Step, **options: Any) -> tuple[tuple[int, bytes], list[str]]:
    async def main() -> tuple[tuple[int, bytes], list[str]]:
        async with scripted(list(script)) as server:
            http = HttpClient()
            try:
                url = f"http://127.0.0.1:{server.port}/a?b=c"
                got = await asyncio.wait_for(ask(http, url, {"x-mine": "1"}, **options), 20)
                first = server.asked[0]
                return got, [first.method, first.path, first.headers["x-mine"], first.body.decode()]
            finally:
                await http.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, ["GET", "/a?b=c", "1", ""]),
        ({"body": b"hi"}, ["POST", "/a?b=c", "1", "hi"]),
        ({"method": "PUT"}, ["PUT", "/a?b=c", "1", ""]),
    ],
)
def test_a_request_and_its_answer(options: dict[str, Any], sent: list[str]) -> None:
    assert asked(whole(b"said", "201 Created"), **options) == ((201, b"said"), sent)


def test_an_answer_is_small_or_cut() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    (status, body), _ = asked(head, chunk(b"a" * 10), chunk(b"b" * MAX_ANSWER_BYTES), b"0\r\n\r\n")
    assert status == 200
    assert len(body) <= MAX_ANSWER_BYTES


def test_no_answer_is_an_error() -> None:
    with pytest.raises(GatewayError):
        asked(RESET)

    async def nobody() -> None:
        http = HttpClient()
        try:
            await ask(http, "http://127.0.0.1:9/", {})
        finally:
            await http.close()

    with pytest.raises(ConnectFailed):
        asyncio.run(nobody())
