"""A server of Triton's protocol of gRPC: messages become values, values become messages, and someone else serves them.

https://github.com/triton-inference-server/common/blob/main/protobuf/grpc_service.proto
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from importlib import import_module
from typing import Any, Protocol

from gateway.clients.triton_messages import Messages, read_call
from gateway.core.errors import GatewayError, InvalidAnswer, MalformedRequest, Misconfigured, NotAvailable
from gateway.core.exchange import Headers
from gateway.wire.triton.rpc_asked import Caller, Named, Refused, RpcAsked
from gateway.wire.triton.rpc_generate import RpcAnswer

log = logging.getLogger("weighbridge.listener")
SERVICE = "inference.GRPCInferenceService"
MAX_METADATA_BYTES = 65_536
# At once, of one connection.
MAX_STREAMS = 1_000
_CODES = {
    401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED",
    501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED", 529: "UNAVAILABLE",
}  # fmt: skip
# Framing is the protocol's own affair here, and answers are read by us.
_LEFT_OUT = frozenset({"accept-encoding", "connection", "content-encoding", "content-length", "content-type",
                       "host", "inference-header-content-length", "te", "transfer-encoding", "upgrade"})  # fmt: skip
_SHARED = "shared_memory_region"


class Front(Protocol):
    """Whoever serves the calls."""

    def ready(self) -> bool:
        """Whether calls may be sent here."""
        ...

    async def model_ready(self, caller: Caller, named: Named) -> bool:
        """Whether a model is ready."""
        ...

    async def told(self, caller: Caller, path: str) -> Any:
        """Ask for a document."""
        ...

    async def infer(self, caller: Caller, asked: RpcAsked) -> RpcAnswer:
        """Call a model that answers once."""
        ...

    def stream(self, caller: Caller, asked: RpcAsked) -> AsyncGenerator[RpcAnswer]:
        """Call a model, and give its answers as they come."""
        ...


class TritonFront:
    """The server. Belongs to the loop that it is made on.

    Args:
        front: Serves the calls.
        max_body_bytes: Largest message of a client.
        messages: The protocol's classes.
    """

    def __init__(self, front: Front, max_body_bytes: int, messages: Messages) -> None:
        self._front = front
        self._messages = messages
        self._json: Any = import_module("google.protobuf.json_format")
        options = (
            ("grpc.max_receive_message_length", max_body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            ("grpc.so_reuseport", 1),
        )
        self._server: Any = messages.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._handlers(),))

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
        """Take no more calls; end those that are there, cut what is not done in time."""
        await self._server.stop(grace_s)

    def _handlers(self) -> Any:
        one, many = (
            self._messages.grpc.unary_unary_rpc_method_handler,
            self._messages.grpc.stream_stream_rpc_method_handler,
        )
        served: dict[str, tuple[Callable[..., Any], Any]] = {
            "ServerLive": (self._live, one), "ServerReady": (self._ready, one),
            "ServerMetadata": (self._server_told, one),
            "ModelReady": (self._model_ready, one), "ModelMetadata": (self._model_told, one),
            "ModelConfig": (self._config, one), "ModelStatistics": (self._statistics, one),
            "RepositoryIndex": (self._index, one), "ModelInfer": (self._infer, one),
            "ModelStreamInfer": (self._stream, many),
        }  # fmt: skip
        classes = self._messages.classes
        handlers: dict[str, Any] = {}
        for name, (method, kind) in served.items():
            asked = classes.ModelInferRequest if name == "ModelStreamInfer" else getattr(classes, f"{name}Request")
            told = getattr(classes, f"{name}Response")
            guarded = method if kind is many else self._guarded(method)
            handlers[name] = kind(
                guarded, request_deserializer=asked.FromString, response_serializer=told.SerializeToString
            )
        return self._messages.grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _guarded(self, method: Callable[[Any, Caller], Any]) -> Callable[[Any, Any], Any]:
        """Let a call's failures be statuses."""

        async def served(message: Any, context: Any) -> Any:
            caller = _caller(context)
            task = await _settled(method(message, caller))
            context.set_trailing_metadata(tuple(caller.told.items()))
            error = task.exception()
            if error is not None:
                status, told = _failure(error)
                await context.abort(self._code(status), told)
                return None
            return task.result()

        return served

    async def _live(self, _message: Any, _caller: Caller) -> Any:
        return self._messages.classes.ServerLiveResponse(live=True)

    async def _ready(self, _message: Any, _caller: Caller) -> Any:
        return self._messages.classes.ServerReadyResponse(ready=self._front.ready())

    async def _server_told(self, _message: Any, caller: Caller) -> Any:
        return self._filled(self._messages.classes.ServerMetadataResponse(), await self._front.told(caller, "/v2"))

    async def _model_ready(self, message: Any, caller: Caller) -> Any:
        ready = await self._front.model_ready(caller, _named(message))
        return self._messages.classes.ModelReadyResponse(ready=ready)

    async def _model_told(self, message: Any, caller: Caller) -> Any:
        told = await self._front.told(caller, _named(message).path(""))
        return self._filled(self._messages.classes.ModelMetadataResponse(), told)

    async def _config(self, message: Any, caller: Caller) -> Any:
        answer = self._messages.classes.ModelConfigResponse()
        self._filled(answer.config, await self._front.told(caller, _named(message).path("config")))
        return answer

    async def _statistics(self, message: Any, caller: Caller) -> Any:
        if not message.name:
            raise NotAvailable("Statistics of all models at once are not yet available: name one.")
        told = await self._front.told(caller, _named(message).path("stats"))
        return self._filled(self._messages.classes.ModelStatisticsResponse(), told)

    async def _index(self, message: Any, caller: Caller) -> Any:
        if message.repository_name:
            raise NotAvailable("Repositories with names are not yet available.")
        told = await self._front.told(caller, "/v2/repository/index")
        return self._filled(self._messages.classes.RepositoryIndexResponse(), {"models": told})

    async def _infer(self, message: Any, caller: Caller) -> Any:
        return self._messages.response(await self._front.infer(caller, _asked(message)))

    async def _stream(self, messages: Any, context: Any) -> None:
        """Serve the calls of a stream, one after the other; those behind wait in the client's own hands."""
        caller = _caller(context)
        async for message in messages:
            task = await _settled(self._answer(message, caller, context))
            context.set_trailing_metadata(tuple(caller.told.items()))
            error = task.exception()
            if context.done():
                return
            if error is not None:
                failed = self._messages.classes.ModelStreamInferResponse(error_message=_failure(error)[1])
                failed.infer_response.id = message.id
                await context.write(failed)

    async def _answer(self, message: Any, caller: Caller, context: Any) -> None:
        async with aclosing(self._front.stream(caller, _asked(message))) as answers:
            async for answer in answers:
                told = self._messages.response(answer)
                await context.write(self._messages.classes.ModelStreamInferResponse(infer_response=told))

    def _filled(self, message: Any, document: Any) -> Any:
        return self._json.ParseDict(document, message, ignore_unknown_fields=True)

    def _code(self, status: int) -> Any:
        name = _CODES.get(status, "INVALID_ARGUMENT" if 400 <= status < 500 else "INTERNAL")
        return self._messages.grpc.StatusCode[name]


async def _settled(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Let work end, however it does, so that no failure of it reaches the server, which would tell its text."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    return task


def _named(message: Any) -> Named:
    return Named(message.name, message.version)


def _asked(message: Any) -> RpcAsked:
    named = Named(message.model_name, message.model_version)
    if any(_SHARED in each.parameters for each in (*message.inputs, *message.outputs)):
        return RpcAsked(named, NotAvailable("Tensors in shared memory are not yet available."))
    try:
        return RpcAsked(named, read_call(message))
    except InvalidAnswer as error:
        return RpcAsked(named, MalformedRequest(error.public_message))
    except GatewayError as error:
        return RpcAsked(named, error)


def _caller(context: Any) -> Caller:
    headers: Headers = {}
    for name, value in context.invocation_metadata():
        if name in _LEFT_OUT or name.endswith("-bin") or name.startswith((":", "grpc-")) or not isinstance(value, str):
            continue
        key, said = name.encode("latin-1"), value.encode("latin-1", "replace")
        headers[key] = headers[key] + b", " + said if key in headers else said
    return Caller(headers, _peer(context.peer()))


def _peer(said: str) -> str:
    """``ipv4:127.0.0.1:1`` as a listener of HTTP would write it."""
    return said.partition(":")[2].replace("%5B", "").replace("%5D", "").replace("[", "").replace("]", "")


def _failure(error: BaseException) -> tuple[int, str]:
    if isinstance(error, Refused):
        return error.status, error.message
    if isinstance(error, GatewayError):
        return error.status, error.public_message
    # The type, never the text: a message may quote what was inspected.
    log.error("bug: %s in a call by gRPC", type(error).__name__)
    return 500, "The gateway failed."
