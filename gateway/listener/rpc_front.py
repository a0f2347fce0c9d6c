"""The front for clients that speak gRPC: each of their calls is the request of Triton's HTTP side that stands for it.

So the pipeline sees nothing new: who calls, limits, rules and records are the same on both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Protocol

import msgspec
import orjson

from gateway.core.errors import GatewayError, InvalidAnswer, MalformedRequest
from gateway.core.exchange import Headers, Incoming
from gateway.core.ports import Reply
from gateway.listener.drive import Drive
from gateway.listener.health import Health
from gateway.listener.rpc_reply import RpcReply
from gateway.wire.shapes import is_object
from gateway.wire.sse import SSEDecoder
from gateway.wire.triton import rpc_generate, rpc_infer
from gateway.wire.triton.rpc_asked import Caller, Named, Refused, RpcAsked
from gateway.wire.triton.rpc_config import Shape, read_config
from gateway.wire.triton.rpc_generate import RpcAnswer, RpcCall

# What a model says of itself is believed for so long; a server may load another version of it.
SHAPE_S = 60.0
MAX_SHAPES = 1_024
_JSON: Headers = {b"content-type": b"application/json"}
_TOLD = ("x-weighbridge-", "retry-after", "x-ratelimit-")


class Owner(Protocol):
    """The listener, as far as this front needs it."""

    now_ns: Callable[[], int]
    commit: Callable[[], None]

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        """Start serving a request."""
        ...


class RpcFront:
    """Serves calls.

    Args:
        owner: Serves the requests that stand for them.
        health: Answers the probes.
    """

    def __init__(self, owner: Owner, health: Health) -> None:
        self._owner = owner
        self._health = health
        self._loop = asyncio.get_running_loop()
        self._shapes: dict[Named, tuple[float, Shape]] = {}

    def ready(self) -> bool:
        """Whether calls may be sent here."""
        return not self._health.draining

    async def model_ready(self, caller: Caller, named: Named) -> bool:
        """Whether a model is ready; one that nobody knows is not.

        Raises:
            Refused: That may not be told.
        """
        async with self._answered(caller, named.path("ready")) as reply:
            if reply.status in (200, 400, 404):
                return reply.status == 200
            raise await _refused(reply)

    async def told(self, caller: Caller, path: str) -> Any:
        """Ask for a document.

        Raises:
            Refused: There is none for this caller.
        """
        async with self._answered(caller, path) as reply:
            if reply.status != 200:
                raise await _refused(reply)
            return orjson.loads(await reply.body())

    async def infer(self, caller: Caller, asked: RpcAsked) -> RpcAnswer:
        """Call a model that answers once.

        Raises:
            Refused: It did not.
        """
        call = await self._readable(caller, asked)
        body, head_bytes = rpc_infer.write_call(call)
        headers = {b"content-type": b"application/octet-stream", rpc_infer.HEAD_LENGTH: b"%d" % head_bytes}
        async with self._answered(caller, asked.named.path("infer"), body, headers) as reply:
            if reply.status != 200:
                raise await _refused(reply)
            length = reply.headers.get(rpc_infer.HEAD_LENGTH.decode(), "")
            return rpc_infer.read_answer(await reply.body(), int(length) if length.isdigit() else None)

    async def stream(self, caller: Caller, asked: RpcAsked) -> AsyncGenerator[RpcAnswer]:
        """Call a model, and give its answers as they come.

        Raises:
            Refused: It failed, before the first of them or later.
        """
        call = await self._readable(caller, asked)
        shape = await self._shape(caller, asked.named)
        if not shape.decoupled:
            answer = await self.infer(caller, asked)
            yield msgspec.structs.replace(answer, parameters={**answer.parameters, rpc_generate.FINAL: True})
            return
        try:
            body = orjson.dumps(rpc_generate.read_call(call))
        except (GatewayError, orjson.JSONEncodeError):
            await self._turned_back(caller, asked.named, MalformedRequest("The call's tensors cannot be read."))
            return
        last = RpcAnswer(model=asked.named.model, version=asked.named.version, id=call.id)
        async with self._answered(caller, asked.named.path("generate_stream"), body, _JSON) as reply:
            if reply.status != 200:
                raise await _refused(reply)
            async for document in _documents(reply):
                if "error" in document and "model_name" not in document:
                    raise Refused(500, str(document["error"]))
                last = rpc_generate.written_answer(document, call, shape.outputs)
                yield last
        if call.parameters.get(rpc_generate.EMPTY_FINAL) is True:
            yield msgspec.structs.replace(last, outputs=(), parameters={rpc_generate.FINAL: True})

    async def _readable(self, caller: Caller, asked: RpcAsked) -> RpcCall:
        if isinstance(asked.call, GatewayError):
            await self._turned_back(caller, asked.named, asked.call)
            raise asked.call
        return asked.call

    async def _turned_back(self, caller: Caller, named: Named, fault: GatewayError) -> None:
        """Answer what cannot be read as any request that cannot be: it is recorded."""
        async with self._answered(caller, named.path("infer"), b"", _JSON, fault) as reply:
            raise await _refused(reply)

    async def _shape(self, caller: Caller, named: Named) -> Shape:
        known = self._shapes.get(named)
        now_s = self._loop.time()
        if known is not None and known[0] > now_s:
            return known[1]
        async with self._answered(caller, named.path("config")) as reply:
            if reply.status != 200:
                raise await _refused(reply)
            shape = read_config(await reply.body())
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[named] = now_s + SHAPE_S, shape
        return shape

    @contextlib.asynccontextmanager
    async def _answered(
        self,
        caller: Caller,
        path: str,
        body: bytes = b"",
        headers: Headers | None = None,
        fault: GatewayError | None = None,
    ) -> AsyncGenerator[RpcReply]:
        """Serve the request that stands for a call; it is given up when its reader leaves early."""
        reply = RpcReply(self._owner.commit)
        method = "POST" if body or path == "/v2/repository/index" else "GET"
        incoming = Incoming(
            method, path, "", {**caller.headers, **(headers or {})}, body, caller.peer, self._owner.now_ns(), fault
        )
        drive = self._owner.serve(incoming, reply)
        waiting = self._loop.create_task(drive.wait())
        waiting.add_done_callback(lambda _: reply.over())
        try:
            await reply.begun()
            caller.told = {name: value for name, value in reply.headers.items() if name.startswith(_TOLD)}
            yield reply
        finally:
            if not drive.ended:
                reply.gone = True
            drive.cancel()


async def _refused(reply: RpcReply) -> Refused:
    """Read an error."""
    body = await reply.body()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    message = document.get("error") if is_object(document) else None
    if is_object(message):
        message = message.get("message")
    return Refused(reply.status, message if isinstance(message, str) else f"The answer's status is {reply.status}.")


async def _documents(reply: RpcReply) -> AsyncIterator[dict[str, Any]]:
    """Give the documents of a stream; an answer in one piece is one."""
    decoder = SSEDecoder()
    whole = not reply.headers.get("content-type", "").startswith("text/event-stream")
    if whole:
        yield _document(await reply.body())
        return
    async for piece in reply.pieces():
        for event in decoder.feed(piece):
            if event.data != b"[DONE]":
                yield _document(event.data)


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if not is_object(document):
        raise InvalidAnswer("The provider's stream holds what is no document.")
    return document
