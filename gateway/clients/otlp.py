"""Sends messages of OpenTelemetry's protocol to a collector: over HTTP, or by gRPC.

The messages come encoded. What a collector takes no second time, and what it may take later, are told apart as the
protocol says: https://opentelemetry.io/docs/specs/otlp/.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from functools import partial
from typing import Literal, Protocol

import aiohttp

from gateway.clients.tls import client_context
from gateway.clients.unary_rpc import RpcFailed, UnaryRpc

Signal = Literal["traces", "metrics"]

_HTTP_PATHS: dict[Signal, str] = {"traces": "/v1/traces", "metrics": "/v1/metrics"}
_RPC_PATHS: dict[Signal, str] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_HTTP_LATER = frozenset({429, 502, 503, 504})
_RPC_LATER = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
)
_PROTOBUF = "application/x-protobuf"
_MAX_ANSWER_BYTES = 64 * 1024
_MAX_WAIT_S = 300.0
# Spans compress well, and the operator has other things to do.
_LEVEL = 1


class NotNow(Exception):
    """The collector may take it later.

    Args:
        reason: Without the address.
        after_s: When, if it says so.
    """

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class NeverTaken(Exception):
    """The collector will not take it, however often it is sent."""


class OtlpSender(Protocol):
    """Sends messages."""

    async def send(self, signal: Signal, message: bytes) -> bytes:
        """Send one, and give the collector's answer.

        Raises:
            NotNow: It may be taken later.
            NeverTaken: It will not.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class HttpSender:
    """Sends over HTTP.

    Args:
        endpoint: What the protocol's paths follow.
        headers: Of each message.
        timeout_s: For each message.
        compress: Messages are compressed.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float, *, compress: bool) -> None:
        self._endpoint = endpoint
        self._compress = compress
        self._headers = {**headers, "content-type": _PROTOBUF}
        if compress:
            self._headers["content-encoding"] = "gzip"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, signal: Signal, message: bytes) -> bytes:
        """Send one; see :class:`OtlpSender`."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=client_context() if self._endpoint.startswith("https:") else True)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        if self._compress:
            squeeze = partial(gzip.compress, message, _LEVEL)
            message = await asyncio.get_running_loop().run_in_executor(None, squeeze)
        url = self._endpoint + _HTTP_PATHS[signal]
        try:
            async with self._session.post(url, data=message, headers=self._headers, allow_redirects=False) as answer:
                said = await answer.content.read(_MAX_ANSWER_BYTES)
                if answer.status in _HTTP_LATER:
                    raise NotNow(f"status {answer.status}", _seconds(answer.headers.get("retry-after", "")))
                if answer.status >= 300:
                    raise NeverTaken(f"status {answer.status}")
                return said
        except TimeoutError:
            raise NotNow("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NotNow(type(error).__name__) from None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()


class RpcSender:
    """Sends by gRPC.

    Args:
        endpoint: ``http://host:port``, or ``https://`` for TLS.
        headers: Of each message.
        timeout_s: For each message.
        compress: Messages are compressed.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float, *, compress: bool) -> None:
        self._rpc = UnaryRpc(endpoint, headers, timeout_s, compress=compress)

    async def send(self, signal: Signal, message: bytes) -> bytes:
        """Send one; see :class:`OtlpSender`."""
        try:
            return await self._rpc.call(_RPC_PATHS[signal], message)
        except RpcFailed as error:
            if error.code in _RPC_LATER:
                raise NotNow(error.code) from None
            raise NeverTaken(error.code) from None

    async def close(self) -> None:
        """Let go of the connection."""
        await self._rpc.close()


def _seconds(value: str) -> float:
    return min(float(value), _MAX_WAIT_S) if value.isascii() and value.isdigit() else 0.0
