"""A server of Envoy's protocol of external processors: messages of gRPC in and out, and someone else knows them.

https://github.com/envoyproxy/envoy/blob/main/api/envoy/service/ext_proc/v3/external_processor.proto
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from gateway.core.errors import Misconfigured
from gateway.wire.ext_proc.asked import Part, read_part
from gateway.wire.protobuf import Unreadable

log = logging.getLogger("weighbridge.listener")
SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
EXTRA = "pip install 'weighbridge[otel]'"
# Of one message: a piece of a body that Envoy gathers is as large as the body may be.
SPARE_BYTES = 1_048_576
MAX_METADATA_BYTES = 65_536
# At once, of one connection.
MAX_STREAMS = 10_000
PROVIDER = "x-weighbridge-provider"


class Exchange(Protocol):
    """One exchange; :class:`gateway.listener.passing.Passing`."""

    news: Callable[[], None]

    def take(self, part: Part) -> None:
        """Take a part of it."""
        ...

    def give(self) -> bytes | None:
        """Give the next message, if there is any."""
        ...

    async def readable(self) -> None:
        """Wait while nothing more should be taken."""
        ...

    def left(self) -> None:
        """It is over."""
        ...


class ExtProcServer:
    """The server. Belongs to the loop that it is made on.

    Args:
        begin: Begins an exchange: with Envoy's address, and the provider that it names.
        max_body_bytes: Largest body.

    Raises:
        Misconfigured: What it needs is not installed.
    """

    def __init__(self, begin: Callable[[str, str], Exchange], max_body_bytes: int) -> None:
        self._begin = begin
        try:
            self._grpc: Any = import_module("grpc")
            aio: Any = import_module("grpc.aio")
        except ImportError:
            raise Misconfigured(f"--ext-proc needs a package that is not installed: {EXTRA}") from None
        self._eof: Any = aio.EOF
        self._lost: tuple[type[BaseException], ...] = (aio.AioRpcError, aio.InternalError, aio.UsageError)
        options = (
            ("grpc.max_receive_message_length", max_body_bytes + SPARE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            ("grpc.so_reuseport", 1),
        )
        self._server: Any = aio.server(options=options)
        handler = self._grpc.stream_stream_rpc_method_handler(self._process)
        self._server.add_generic_rpc_handlers(
            (self._grpc.method_handlers_generic_handler(SERVICE, {"Process": handler}),)
        )

    async def start(self, address: str) -> None:
        """Listen.

        Raises:
            Misconfigured: The address is taken.
        """
        try:
            self._server.add_insecure_port(address)
        except RuntimeError:
            raise Misconfigured(f"cannot listen on {address}") from None
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no more exchanges; end those that are there, cut what is not done in time."""
        await self._server.stop(grace_s)

    async def _process(self, _messages: Any, context: Any) -> None:
        exchange = self._begin(_peer(context.peer()), _named(context))
        writer = _Writer(exchange, context, self._lost)
        exchange.news = writer.wake
        try:
            while (message := await context.read()) is not self._eof:
                part = read_part(message)
                if part.observes:
                    await context.abort(self._grpc.StatusCode.UNIMPLEMENTED, "observability_mode is not yet available")
                exchange.take(part)
                await exchange.readable()
        except Unreadable:
            await context.abort(self._grpc.StatusCode.INVALID_ARGUMENT, "The message is none of external processors.")
        finally:
            exchange.left()
            writer.close()


class _Writer:
    """Sends an exchange's messages one after the other, as there are any."""

    def __init__(self, exchange: Exchange, context: Any, lost: tuple[type[BaseException], ...]) -> None:
        self._exchange = exchange
        self._context = context
        self._lost = lost
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to send."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    def close(self) -> None:
        """Nobody takes anything any more."""
        if self._task is not None:
            self._task.cancel()

    async def _send(self) -> None:
        # The call's own coroutine learns that Envoy is gone.
        with contextlib.suppress(*self._lost):
            while (message := self._exchange.give()) is not None:
                await self._context.write(message)
        self._task = None


def _named(context: Any) -> str:
    for name, value in context.invocation_metadata():
        if name == PROVIDER and isinstance(value, str):
            return value
    return ""


def _peer(said: str) -> str:
    """``ipv4:127.0.0.1:1`` as a listener of HTTP would write it."""
    return said.partition(":")[2].replace("%5B", "").replace("%5D", "").replace("[", "").replace("]", "")
