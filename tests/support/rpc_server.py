"""A Triton server for gRPC calls, scripted: says what it is told to, when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from gateway.clients.triton_messages import Messages
from gateway.wire.triton.raw import Described, packed
from gateway.wire.triton.rpc_generate import RpcAnswer

MESSAGES = Messages()
service_pb2: Any = MESSAGES.classes
SERVICE = "inference.GRPCInferenceService"
Script = Callable[["Scripted", Any, Any], AsyncIterator[Any]]


def said(text: str, *, final: bool = False) -> Any:
    """One answer of a stream."""
    outputs = (packed([text], Described("text_output", "BYTES", (1,))),) if text else ()
    answer = RpcAnswer(model="m", version="1", outputs=outputs, parameters={"triton_final_response": final})
    return service_pb2.ModelStreamInferResponse(infer_response=MESSAGES.response(answer))


class Scripted:
    """Answers streams by a script; other calls with what is simplest.

    Attributes:
        cancelled: Set when the server has seen that a stream was given up.
        described: How often the model was asked what it is.
        metadata: Of the last stream.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.cancelled = asyncio.Event()
        self.described = 0
        self.metadata: dict[str, Any] = {}

    async def stream(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        self.metadata = dict(context.invocation_metadata())
        try:
            async for request in request_iterator:
                async for each in self.script(self, request, context):
                    yield each
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def describe(self, request: Any, context: Any) -> Any:
        self.described += 1
        if request.name == "nobody":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        answer = service_pb2.ModelMetadataResponse(name=request.name, platform="script")
        answer.inputs.add(name="text_input", datatype="BYTES", shape=[1])
        return answer

    async def ready(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name == "m")


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[str, Scripted]]:
    """Run a server; gives its address."""
    server = grpc.aio.server()
    servicer = Scripted(script)
    unary = {"ModelMetadata": servicer.describe, "ModelReady": servicer.ready}
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            method,
            getattr(service_pb2, f"{name}Request").FromString,
            getattr(service_pb2, f"{name}Response").SerializeToString,
        )
        for name, method in unary.items()
    }
    handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
        servicer.stream,
        service_pb2.ModelInferRequest.FromString,
        service_pb2.ModelStreamInferResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", servicer
    finally:
        await server.stop(0)


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's work."""
    asyncio.run(asyncio.wait_for(work(), 60))


async def two_words(_: Scripted, request: Any, context: Any) -> AsyncIterator[Any]:
    """Answer with two words."""
    yield said("one ")
    yield said("two", final=True)
