"""Connections that a firewall has sent here: each goes where it was going, or to who stands in for that."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.clients.certificates import Authority, Contexts, Pair, make_authority
from gateway.core.errors import Misconfigured, PermissionDenied
from gateway.listener.gatehouse import Gatehouse, Told
from gateway.listener.health import Health
from gateway.listener.newcomer import Newcomer
from gateway.listener.server import Handler, ListenerOptions, Server
from tests.support.listening import CLOSING, HOT, Echo, post

NOW = datetime.now(UTC)
ASKED = post(HOT, b"hello", CLOSING)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_authority("Test", NOW)


class Hosts:
    """Stands in for ``model.example``; what it is told is kept."""

    def __init__(self, pair: Pair, folder: Path, handler: Echo, *, only_models: bool) -> None:
        self.only_models = only_models
        self.told: list[Told] = []
        self.asked: list[tuple[str, int, bool]] = []
        self.over = False
        self._contexts = Contexts(Authority(pair.certificate, pair.key), folder)
        self._handler = handler

    def find(self, host: str, port: int, *, tls: bool) -> str:
        self.asked.append((host, port, tls))
        return "model" if host == "model.example" else ""

    def guest(self, name: str) -> Handler:
        assert name == "model"
        return self._handler

    async def context(self, host: str) -> ssl.SSLContext:
        if self.over:
            raise Misconfigured("The authority's certificate is over.")
        return self._contexts.find(host, NOW)

    def tell(self, told: Told) -> None:
        self.told.append(told)


class House:
    """A gatehouse whose newcomers were going somewhere."""

    def __init__(self, hosts: Hosts, own: Echo, guest: Echo, gate: Gatehouse) -> None:
        self.hosts = hosts
        self.own = own
        self.guest = guest
        self.gate = gate
        self.port = 0
        self.sent_to: tuple[str, int] | None = None

    def newcomer(self) -> Newcomer:
        house = self

        class Sent(Newcomer):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                self.sent_to = house.sent_to

        return Sent(self.gate)

    async def talk(self, data: bytes, tls: ssl.SSLContext | None = None, name: str | None = None) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name)
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    def trusting(self, pair: Pair) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=pair.certificate.decode())


@asynccontextmanager
async def house(pair: Pair, folder: Path, *, only_models: bool = False) -> AsyncIterator[House]:
    own, guest = Echo(), Echo()
    options = ListenerOptions(max_body_bytes=1000, header_timeout_s=2.0)

    def serving(handler: Callable[[], Handler]) -> Server:
        return Server(handler, Health(dict), options, time.monotonic_ns, lambda: None)

    hosts = Hosts(pair, folder, guest, only_models=only_models)
    gate = Gatehouse(serving(lambda: own), hosts, serving, 2.0)
    made = House(hosts, own, guest, gate)
    server = await asyncio.get_running_loop().create_server(made.newcomer, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(60):
            yield made
    finally:
        server.close()
        await gate.close(1)
        while gate.connections():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def elsewhere(*, speaks_first: bool = False) -> AsyncIterator[tuple[str, int, list[bytes]]]:
    """Somebody else, who keeps what he is told."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if speaks_first:
            writer.write(b"welcome")
        heard.append(await reader.read(65_536))
        writer.write(b"from elsewhere")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield host, port, heard
    finally:
        server.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_who_was_going_to_a_host_of_models_is_served_by_the_name_it_says(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here:
            here.sent_to = ("203.0.113.9", 443)
            got = await here.talk(ASKED, here.trusting(pair), "model.example")
            assert got.startswith(b"HTTP/1.1 200 OK\r\n")
            assert got.endswith(b"hello")
            assert here.hosts.asked == [("model.example", 443, True)]
            # Without TLS, the header says it.
            here.sent_to = ("203.0.113.9", 80)
            got = await here.talk(ASKED.replace(b"host: a", b"host: Model.example"))
            assert got.endswith(b"hello")
            assert here.hosts.asked[1:] == [("model.example", 80, False)]
            assert (len(here.guest.seen), len(here.own.seen)) == (2, 0)

    run(test())


def test_who_was_going_elsewhere_goes_there_with_every_byte(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here, elsewhere() as (host, port, heard):
            here.sent_to = (host, port)
            # Whatever it speaks.
            for data in (b"\x00\x01\x02", b"HELO a\r\n", ASKED, b"CONNECT b:1 HTTP/1.1\r\n\r\n"):
                assert await here.talk(data) == b"from elsewhere"
                assert heard[-1] == data
            # TLS as well, which ends there and not here.
            with pytest.raises(ssl.SSLError):
                await here.talk(b"", here.trusting(pair), "other.example")
            assert heard[-1].startswith(b"\x16\x03")
            while len(here.hosts.told) < 5:
                await asyncio.sleep(0.001)
            assert {each.host for each in here.hosts.told} == {f"{host}:{port}"}
            assert [each.bytes_in for each in here.hosts.told[:4]] == [3, 8, len(ASKED), 24]
            assert not here.own.seen

    run(test())


def test_who_says_nothing_waits_for_the_other_to_speak(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here, elsewhere(speaks_first=True) as (host, port, _):
            here.sent_to = (host, port)
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            assert await reader.readexactly(7) == b"welcome"
            writer.write(b"quit")
            assert await reader.read() == b"from elsewhere"
            writer.close()

    run(test())


def test_with_only_models_all_others_are_refused_and_told_of(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path, only_models=True) as here, elsewhere() as (host, port, heard):
            here.sent_to = (host, port)
            for data in (b"\x00\x01\x02", ASKED):
                assert await here.talk(data) == b""
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await here.talk(b"", here.trusting(pair), "other.example")
            assert heard == []
            assert [type(each.fault) for each in here.hosts.told] == [PermissionDenied] * 3

    run(test())


def test_a_certificate_that_is_over_ends_the_connection_and_nothing_else(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here:
            here.hosts.over = True
            here.sent_to = ("203.0.113.9", 443)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await here.talk(ASKED, here.trusting(pair), "model.example")
            assert [type(each.fault) for each in here.hosts.told] == [Misconfigured]
            # By a proxy's request there is somebody to tell.
            here.sent_to = None
            got = await here.talk(b"CONNECT model.example:443 HTTP/1.1\r\nhost: a\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 500 ")
            here.hosts.over = False
            here.sent_to = ("203.0.113.9", 443)
            assert (await here.talk(ASKED, here.trusting(pair), "model.example")).endswith(b"hello")

    run(test())


def test_who_leaves_in_the_middle_leaves_nothing(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here:
            here.sent_to = ("203.0.113.9", 443)
            for data in (b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"):
                _, writer = await asyncio.open_connection("127.0.0.1", here.port)
                writer.write(data)
                await asyncio.sleep(0)
                writer.transport.abort()
            while here.gate.connections():
                await asyncio.sleep(0.001)

    run(test())


def test_while_it_drains_guests_are_told_so(pair: Pair, tmp_path: Path) -> None:
    async def test() -> None:
        async with house(pair, tmp_path) as here:
            here.sent_to = ("203.0.113.9", 443)
            here.gate.drain()
            await here.talk(ASKED, here.trusting(pair), "model.example")
            assert [type(each.fault).__name__ for each in here.guest.seen] == ["Draining"]

    run(test())
