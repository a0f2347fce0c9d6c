"""Runs models on a Triton inference server: tensors over HTTP, raw behind a JSON head, within a time limit.

The server has the same model files under the same names, with the same inputs and outputs. Which file it runs is its
own business and cannot be verified from here.

https://github.com/kserve/open-inference-protocol, with Triton's extension for binary tensors.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.clients.http import HttpClient
from gateway.clients.lanes import in_lanes
from gateway.clients.origin import Origin
from gateway.core.errors import GatewayError, ModelFailed
from gateway.core.exchange import Headers, Timeouts

Arrays = Mapping[str, NDArray[Any]]

DEFAULT_TIMEOUT_S = 2.0
# Windows of one call that are on their way at once.
LANES = 8
MAX_CONNECTIONS = 64
MAX_READ_BYTES = 64 * 1024 * 1024
_HEAD_LENGTH = b"inference-header-content-length"
_KINDS = {"int64": "INT64", "int32": "INT32", "float32": "FP32", "float16": "FP16", "float64": "FP64"}
_TYPES: Mapping[str, np.dtype[Any]] = {name: np.dtype(kind).newbyteorder("<") for kind, name in _KINDS.items()}
_FAILED = "The model server failed."
_TOO_SLOW = "The model server took too long."
_UNREADABLE = "The model server's answer cannot be read."


class _Parameters(msgspec.Struct):
    binary_data_size: int


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: _Parameters


class _Said(msgspec.Struct):
    outputs: list[_Output]


_DECODER = msgspec.json.Decoder(_Said)


class _Answer:
    """Takes an answer; an :class:`~gateway.core.ports.AnswerSink`."""

    def __init__(self) -> None:
        self.body: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._head_bytes = 0
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: Headers) -> None:
        if status != 200:
            self.on_fail(ModelFailed(_FAILED))
        length = headers.get(_HEAD_LENGTH, b"")
        self._head_bytes = int(length) if length.isdigit() else 0

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_READ_BYTES:
            self.on_fail(ModelFailed(_UNREADABLE))
        else:
            self._parts.append(data)

    def on_end(self) -> None:
        if not self.body.done():
            self.body.set_result((self._head_bytes, b"".join(self._parts)))

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        self.on_head(status, headers)
        self.on_data(body)
        self.on_end()

    def on_fail(self, error: GatewayError) -> None:
        if not self.body.done():
            self.body.set_exception(error)


class TritonBackend:
    """Models on a server. Belongs to the loop that it is first used on.

    Args:
        url: The server's HTTP address; user and password in it are sent as such.
        timeout_s: How long a call may take, all its windows together.

    Raises:
        Misconfigured: That is no such address.
    """

    def __init__(self, url: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._origin = Origin.parse(url)
        self._path = urlunsplit(("", "", parts.path.rstrip("/"), "", ""))
        self._credential = b""
        if parts.username:
            pair = f"{parts.username}:{parts.password or ''}".encode()
            self._credential = b"Authorization: Basic %b\r\n" % base64.b64encode(pair)
        self._timeout_s = timeout_s
        self._timeouts = Timeouts(connect_s=timeout_s, first_token_s=timeout_s, idle_s=timeout_s, total_s=timeout_s)
        self._client: HttpClient | None = None

    async def run(self, model: str, inputs: Arrays) -> Arrays:
        """Run a model over a batch.

        Raises:
            ModelFailed: The server cannot be reached, has no such model, failed, or took too long.
        """
        return (await self.run_each(model, [inputs]))[0]

    async def run_each(self, model: str, windows: Sequence[Arrays]) -> list[Arrays]:
        """Run a model over the windows of one call, a few at a time; raises as :meth:`run`."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await in_lanes(windows, LANES, partial(self._asked, model))
        except TimeoutError:
            raise ModelFailed(_TOO_SLOW) from None

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _asked(self, model: str, inputs: Arrays) -> Arrays:
        if self._client is None:
            self._client = HttpClient(max_connections=MAX_CONNECTIONS)
        answer = _Answer()
        call = self._client.send(self._origin, self._question(model, inputs), answer, self._timeouts)
        try:
            head_bytes, body = await answer.body
        except ModelFailed:
            raise
        except GatewayError:
            raise ModelFailed(_FAILED) from None
        finally:
            if not answer.body.done() or answer.body.cancelled() or answer.body.exception() is not None:
                call.cancel()
        return _read(head_bytes, body)

    def _question(self, model: str, inputs: Arrays) -> bytes:
        tensors = [(name, np.ascontiguousarray(value)) for name, value in inputs.items()]
        raw = [value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes() for _, value in tensors]
        head = msgspec.json.encode(
            {
                "inputs": [
                    {
                        "name": name,
                        "shape": value.shape,
                        "datatype": _KINDS[value.dtype.name],
                        "parameters": {"binary_data_size": len(data)},
                    }
                    for (name, value), data in zip(tensors, raw, strict=True)
                ],
                "parameters": {"binary_data_output": True},
            }
        )
        size = len(head) + sum(map(len, raw))
        path = f"{self._path}/v2/models/{quote(model, safe='')}/infer".encode()
        lines = (
            b"POST %b HTTP/1.1\r\nHost: %b\r\n%bContent-Type: application/octet-stream\r\n"
            b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
            % (path, self._origin.host_header, self._credential, len(head), size)
        )
        return b"".join((lines, head, *raw))


def _read(head_bytes: int, body: bytes) -> Arrays:
    """Return the tensors of an answer.

    Raises:
        ModelFailed: It is not one, or not whole.
    """
    try:
        said = _DECODER.decode(body[:head_bytes] if head_bytes else body)
        arrays: dict[str, NDArray[Any]] = {}
        at = head_bytes
        for output in said.outputs:
            end = at + output.parameters.binary_data_size
            arrays[output.name] = np.frombuffer(body[at:end], dtype=_TYPES[output.datatype]).reshape(output.shape)
            at = end
    except (msgspec.MsgspecError, KeyError, ValueError):
        raise ModelFailed(_UNREADABLE) from None
    return arrays
