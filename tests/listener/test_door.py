"""What happens to connections that need the cold side before it is loaded. In processes where nothing else loads it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.support.gateway_run import environment
from tests.support.listening import COLD, Echo, listening, post, talk

START = """
import asyncio, sys
from gateway.listener import door
from tests.support.listening import CLOSING, COLD, HOT, Echo, listening, post, talk

async def main():
    handler = Echo()
    async with listening(handler) as (server, port):
        assert door.MODULE not in sys.modules
        assert not [name for name in sys.modules if name.startswith("aiohttp")]
        %s

asyncio.run(main())
"""


def runs(tmp_path: Path, body: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START % body], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_connections_wait_for_the_cold_side_and_hot_ones_do_not(tmp_path: Path) -> None:
    body = """
        cold = [asyncio.ensure_future(talk(port, post(COLD, b"c", CLOSING))) for _ in range(3)]
        while not server._cold._waiting:
            await asyncio.sleep(0.001)
        probe = b"GET /readyz HTTP/1.1\\r\\nhost: a\\r\\n" + CLOSING + b"\\r\\n"
        assert (await talk(port, probe))[9:12] == b"200"
        assert (await talk(port, post(HOT, b"h", CLOSING))).endswith(b"h")
        for answer in await asyncio.gather(*cold):
            assert answer.startswith(b"HTTP/1.1 200 OK"), answer
        assert sorted(each.body for each in handler.seen) == [b"c", b"c", b"c", b"h"]
        assert server.connections() == 0
    """
    runs(tmp_path, body.strip())


def test_a_client_that_goes_meanwhile_is_gone(tmp_path: Path) -> None:
    body = """
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(COLD, b"gone"))
        while not server._cold._waiting:
            await asyncio.sleep(0.001)
        writer.transport.abort()
        assert (await talk(port, post(COLD, b"c", CLOSING))).endswith(b"c")
        assert server.connections() == 0
    """
    runs(tmp_path, body.strip())


def test_a_cold_side_that_cannot_be_loaded_ends_its_connections(tmp_path: Path) -> None:
    body = """
        door.MODULE = "gateway.listener.nothing"
        try:
            assert await talk(port, post(COLD, b"c")) == b""
        except ConnectionResetError:
            pass
        assert (await talk(port, post(HOT, b"h", CLOSING))).endswith(b"h")
    """
    runs(tmp_path, body.strip())


def test_closing_waits_for_what_is_being_loaded(tmp_path: Path) -> None:
    body = """
        asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(COLD, b"c"))
        while not server._cold._waiting:
            await asyncio.sleep(0.001)
        await server.close(0.1)
        assert server._cold._loading is None
        assert server.connections() == 0
    """
    runs(tmp_path, body.strip())


def test_a_cold_side_that_is_there_takes_connections_at_once() -> None:
    async def main() -> None:
        __import__("gateway.listener.cold")
        async with listening(Echo()) as (server, port):
            assert (await talk(port, post(COLD, b"c", b"connection: close\r\n"))).endswith(b"c")
            assert server.connections() == 0

    asyncio.run(main())
