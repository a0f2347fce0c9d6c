from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.unary_rpc import RpcFailed, UnaryRpc
from tests.support.certificates import certify

PATH = "/a.Service/Export"
HEAD = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]
Told = Callable[[H2Connection, int, bytes], None]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def framed(message: bytes, packed: int = 0) -> bytes:
    return bytes((packed,)) + len(message).to_bytes(4, "big") + message


def says(message: bytes, head: list[tuple[str, str]] = HEAD, trailers: list[tuple[str, str]] = OK) -> Told:
    def told(h2: H2Connection, stream: int, _: bytes) -> None:
        h2.send_headers(stream, head)
        h2.send_data(stream, message)
        h2.send_headers(stream, trailers, end_stream=True)

    return told


def at_once(code: str) -> Told:
    return lambda h2, stream, _: h2.send_headers(stream, [*HEAD, ("grpc-status", code)], end_stream=True)


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen, and wait at the end until each connection is over."""
    ended: list[asyncio.Event] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over = asyncio.Event()
        ended.append(over)
        try:
            # The client may be gone, or go on a moment after it was told that no more is taken.
            with suppress(ConnectionError, ProtocolError):
                await serve(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            over.set()

    made = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()
        await made.wait_closed()
        for each in ended:
            await each.wait()


@asynccontextmanager
async def server(*told: Told, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers each connection's calls by what is told, in turn over all connections."""
    script = list(told)
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        bodies: dict[int, bytes] = {}
        open_still = True
        while open_still:
            writer.write(h2.data_to_send())
            data = await reader.read(65_536)
            if not data:
                break
            for event in h2.receive_data(data):
                if isinstance(event, events.DataReceived):
                    bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                    h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, events.StreamEnded):
                    got.append(bodies[event.stream_id])
                    if script:
                        script.pop(0)(h2, event.stream_id, bodies[event.stream_id])
                    else:
                        open_still = False

    async with listening(serve, context) as port:
        yield port, got


@asynccontextmanager
async def client(port: int, *, compress: bool = False, timeout_s: float = 20.0) -> AsyncIterator[UnaryRpc]:
    rpc = UnaryRpc(f"http://127.0.0.1:{port}", {"X-Key": "k"}, timeout_s, compress=compress)
    try:
        yield rpc
    finally:
        await rpc.close()


def run(told: tuple[Told, ...], scenario: Callable[[UnaryRpc], Awaitable[Any]], **options: Any) -> list[bytes]:
    async def whole() -> list[bytes]:
        async with server(*told) as (port, got), client(port, **options) as rpc:
            await scenario(rpc)
        return got

    return asyncio.run(whole())


def fails(told: Told, code: str) -> None:
    async def scenario(rpc: UnaryRpc) -> None:
        with pytest.raises(RpcFailed) as raised:
            await rpc.call(PATH, b"x")
        assert raised.value.code == code

    run((told,), scenario)


def test_one_connection_takes_one_call_after_the_other() -> None:
    async def scenario(rpc: UnaryRpc) -> None:
        said = await asyncio.gather(*(rpc.call(PATH, b"%d" % number) for number in range(3)))
        assert said == [b"a", b"b", b"c"]

    assert run(tuple(says(framed(each)) for each in (b"a", b"b", b"c")), scenario) == [
        framed(b"0"), framed(b"1"), framed(b"2"),
    ]  # fmt: skip


def test_a_message_is_sent_as_there_is_room_for_it() -> None:
    large = bytes(range(256)) * 4_000

    async def scenario(rpc: UnaryRpc) -> None:
        assert await rpc.call(PATH, large) == b"said"

    assert run((says(framed(b"said")),), scenario) == [framed(large)]


def test_both_sides_may_compress() -> None:
    async def scenario(rpc: UnaryRpc) -> None:
        assert await rpc.call(PATH, b"spans" * 50) == b"said"

    told = says(framed(gzip.compress(b"said"), 1), [*HEAD, ("grpc-encoding", "gzip")])
    (sent,) = run((told,), scenario, compress=True)
    assert sent[:1] == b"\x01"
    assert gzip.decompress(sent[5:]) == b"spans" * 50


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (says(b"", trailers=[("grpc-status", "8"), ("grpc-message", "quoting")]), "RESOURCE_EXHAUSTED"),
        (says(b"", trailers=[("grpc-status", "99")]), "UNKNOWN"),
        (says(b"", trailers=[("grpc-status", "-1")]), "UNKNOWN"),
        (says(framed(b"x"), trailers=[("x", "y")]), "UNKNOWN"),
        (says(b"<html>", [(":status", "503")], [("x", "y")]), "UNAVAILABLE"),
        (says(b"<html>", [(":status", "404")], [("x", "y")]), "UNIMPLEMENTED"),
        (says(framed(b"abc")[:-1]), "INTERNAL"),
        (says(b""), "INTERNAL"),
        (says(framed(b"no gzip", 1), [*HEAD, ("grpc-encoding", "gzip")]), "INTERNAL"),
        (says(framed(b"x", 1), [*HEAD, ("grpc-encoding", "br")]), "INTERNAL"),
        (
            says(framed(gzip.compress(bytes(1_000_000)), 1), [*HEAD, ("grpc-encoding", "gzip")]),
            "RESOURCE_EXHAUSTED",
        ),
        (lambda h2, stream, _: h2.reset_stream(stream, 7), "UNAVAILABLE"),
        (lambda h2, stream, _: h2.reset_stream(stream, 2), "INTERNAL"),
        (at_once("16"), "UNAUTHENTICATED"),
    ],
)  # fmt: skip
def test_what_is_no_answer_has_a_code(told: Told, code: str) -> None:
    fails(told, code)


def test_an_answer_without_an_end_is_not_gathered() -> None:
    def told(h2: H2Connection, stream: int, _: bytes) -> None:
        h2.send_headers(stream, HEAD)
        for _number in range(5):
            h2.send_data(stream, bytes(13_000))

    fails(told, "RESOURCE_EXHAUSTED")


def test_a_connection_that_was_closed_while_idle_is_opened_anew() -> None:
    def ends(h2: H2Connection, stream: int, body: bytes) -> None:
        says(framed(b"first"))(h2, stream, body)
        h2.close_connection()

    async def scenario(rpc: UnaryRpc) -> None:
        assert await rpc.call(PATH, b"1") == b"first"
        assert await rpc.call(PATH, b"2") == b"second"

    assert run((ends, says(framed(b"second"))), scenario) == [framed(b"1"), framed(b"2")]


def test_who_hangs_up_is_not_there_and_is_asked_no_third_time() -> None:
    async def scenario(rpc: UnaryRpc) -> None:
        assert await rpc.call(PATH, b"1") == b"a"
        for _ in range(2):
            with pytest.raises(RpcFailed) as raised:
                await rpc.call(PATH, b"2")
            assert raised.value.code == "UNAVAILABLE"

    # The second call is made on the kept connection and on a new one, the third on a new one.
    assert len(run((says(framed(b"a")),), scenario)) == 4


def test_a_call_ends_in_time() -> None:
    async def scenario(rpc: UnaryRpc) -> None:
        with pytest.raises(RpcFailed) as raised:
            await rpc.call(PATH, b"1")
        assert raised.value.code == "DEADLINE_EXCEEDED"

    run((lambda _h2, _stream, _body: None,), scenario, timeout_s=0.3)


def test_a_server_that_takes_nothing_holds_nobody_up() -> None:
    over = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A window as wide as it gets, and not a byte read after it.
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
        h2.increment_flow_control_window(2**30)
        writer.write(h2.data_to_send())
        cast("asyncio.Transport", writer.transport).pause_reading()
        await over.wait()

    async def scenario() -> None:
        async with listening(never) as port:
            async with client(port, timeout_s=0.5) as rpc, asyncio.timeout(30):
                for _ in range(2):
                    with pytest.raises(RpcFailed) as raised:
                        await rpc.call(PATH, bytes(50_000_000))
                    assert raised.value.code == "DEADLINE_EXCEEDED"
            over.set()

    asyncio.run(scenario())


@pytest.mark.parametrize("trusted", [True, False])
def test_over_tls_only_a_server_that_is_trusted_is_spoken_to(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def scenario() -> None:
        async with server(says(framed(b"a")), context=context) as (port, got):
            rpc = UnaryRpc(f"https://127.0.0.1:{port}", {}, 20.0, compress=False)
            if trusted:
                assert await rpc.call(PATH, b"x") == b"a"
            else:
                with pytest.raises(RpcFailed) as raised:
                    await rpc.call(PATH, b"x")
                assert raised.value.code == "UNAVAILABLE"
                assert got == []
            await rpc.close()

    asyncio.run(scenario())


@given(st.binary(max_size=300))
def test_whatever_a_server_says_it_is_an_answer_or_a_code(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(said)

    async def scenario() -> None:
        async with listening(serve) as port, client(port, timeout_s=5.0) as rpc:
            with pytest.raises(RpcFailed):
                await rpc.call(PATH, b"x")

    asyncio.run(scenario())
