from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from gateway.clients.guarded_post import AddressForbidden, GuardedPost, NotDelivered

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Server:
    """Answers posts, and remembers them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.port = 0
        # Who closes the server waits for answers that are under way, for a minute.
        self._over = asyncio.Event()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path, await request.read()))
        if request.path == "/away":
            raise web.HTTPFound("/other")
        if request.path == "/never":
            await self._over.wait()
        return web.Response(status=202)


def test_a_post_arrives_where_it_may_and_follows_nobody_elsewhere() -> None:
    async def run() -> None:
        async with Server() as server:
            post = GuardedPost(LOOPBACK, 10.0)
            base = f"http://127.0.0.1:{server.port}"
            assert await post.post(f"{base}/hook", {"x-a": "b"}, b"{}") == 202
            assert await post.post(f"{base}/away", {}, b"{}") == 302
            assert [path for path, _ in server.seen] == ["/hook", "/away"]
            assert server.seen[0][1] == b"{}"
            with pytest.raises(NotDelivered, match="in time"):
                await GuardedPost(LOOPBACK, 0.2).post(f"{base}/never", {}, b"{}")

    asyncio.run(run())


# Other ways to write 127.0.0.1; the system's resolver takes them.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_an_address_inside_gets_a_connection(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with Server() as server:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
            # Some of these are no URL for the client to begin with.
            with pytest.raises((AddressForbidden, NotDelivered)):
                await GuardedPost((), 10.0).post(f"http://{host}:{server.port}/hook", {}, b"{}")
            assert server.seen == []

    asyncio.run(run())


def test_the_address_that_is_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to something public first and to something inside the next time gains nothing."""

    async def run() -> None:
        async with Server() as server:
            loop = asyncio.get_running_loop()
            answers = iter([("127.0.0.1", server.port)] * 2)

            async def resolve(*_: object, **__: object):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", next(answers))]

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            with pytest.raises(AddressForbidden):
                await GuardedPost((), 10.0).post(f"http://hooks.example.com:{server.port}/", {}, b"{}")
            assert server.seen == []

    asyncio.run(run())


def test_nobody_there_is_not_delivered_and_no_address_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NotDelivered) as caught:
            asyncio.run(GuardedPost(LOOPBACK, 5.0).post(f"http://127.0.0.1:{port}/secret-path", {}, b""))
    assert "127.0.0.1" not in str(caught.value)
    assert "secret" not in str(caught.value)
