"""The server of Triton's protocol over a scripted front, asked by real channels."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import pytest

from gateway.clients.triton_front import TritonFront
from gateway.core.errors import GatewayError, Misconfigured
from gateway.wire.triton.raw import Described, packed
from gateway.wire.triton.rpc_asked import Caller, Named, Refused, RpcAsked
from gateway.wire.triton.rpc_generate import RpcAnswer
from loadtests.ports import free_port
from tests.support.rpc_server import MESSAGES, run, service_pb2

ANSWER = RpcAnswer(model="m", version="1", outputs=(packed(["Hi"], Described("t", "BYTES", (1,))),))


class Scripted:
    """Serves calls by the name of their model."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    def ready(self) -> bool:
        return False

    async def model_ready(self, caller: Caller, named: Named) -> bool:
        return named.model == "m"

    async def told(self, caller: Caller, path: str) -> Any:
        return {"name": path, "unknown": 1}

    async def infer(self, caller: Caller, asked: RpcAsked) -> RpcAnswer:
        self.callers.append(caller)
        caller.told = {"x-weighbridge-id": "e1"}
        name = asked.named.model
        if isinstance(asked.call, GatewayError):
            raise asked.call
        if name.isdigit():
            raise Refused(int(name), "no")
        if name == "bug":
            raise ValueError("hunter2")
        return ANSWER

    async def stream(self, caller: Caller, asked: RpcAsked) -> AsyncGenerator[RpcAnswer]:
        yield await self.infer(caller, asked)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[Any, Scripted]]:
    front = Scripted()
    server = TritonFront(front, 1 << 16, MESSAGES)
    address = f"127.0.0.1:{free_port()}"
    await server.start(address)
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield MESSAGES.services.GRPCInferenceServiceStub(channel), front
    finally:
        await server.stop(0)


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("400", "INVALID_ARGUMENT"), ("401", "UNAUTHENTICATED"), ("403", "PERMISSION_DENIED"), ("404", "NOT_FOUND"),
        ("429", "RESOURCE_EXHAUSTED"), ("500", "INTERNAL"), ("501", "UNIMPLEMENTED"), ("503", "UNAVAILABLE"),
        ("529", "UNAVAILABLE"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_status(model: str, code: str) -> None:
    async def work() -> None:
        async with served() as (stub, _):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.ModelInfer(service_pb2.ModelInferRequest(model_name=model))
            assert (raised.value.code().name, raised.value.details()) == (code, "no")
            assert dict(raised.value.trailing_metadata())["x-weighbridge-id"] == "e1"

    run(work)


def test_a_bug_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with served() as (stub, _):
            with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.ModelInfer(service_pb2.ModelInferRequest(model_name="bug"))
            assert raised.value.details() == "The gateway failed."
            assert "hunter2" not in caplog.text
            assert "ValueError" in caplog.text

    run(work)


def test_metadata_are_headers_but_for_those_of_framing() -> None:
    async def work() -> None:
        async with served() as (stub, front):
            metadata = (("authorization", "Bearer k"), ("inference-header-content-length", "3"), ("x", "1"), ("x", "2"))
            answer = await stub.ModelInfer(service_pb2.ModelInferRequest(model_name="m"), metadata=metadata)
            assert answer == MESSAGES.response(ANSWER)
            headers = front.callers[0].headers
            assert (headers[b"authorization"], headers[b"x"]) == (b"Bearer k", b"1, 2")
            assert not headers.keys() & {b"inference-header-content-length", b"content-type", b"te"}
            assert front.callers[0].peer.startswith("127.0.0.1:")

    run(work)


def test_a_stream_outlives_a_call_that_fails() -> None:
    async def work() -> None:
        async with served() as (stub, _):
            calls = [service_pb2.ModelInferRequest(model_name=name, id=name) for name in ("400", "m")]
            told = [each async for each in stub.ModelStreamInfer(iter(calls))]
            assert [(each.error_message, each.infer_response.id) for each in told] == [("no", "400"), ("", "")]
            assert told[1].infer_response == MESSAGES.response(ANSWER)

    run(work)


def test_documents_become_messages() -> None:
    async def work() -> None:
        async with served() as (stub, _):
            assert (await stub.ServerLive(service_pb2.ServerLiveRequest())).live
            assert not (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready
            assert (await stub.ModelReady(service_pb2.ModelReadyRequest(name="m"))).ready
            told = await stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="m", version="2"))
            assert told.name == "/v2/models/m/versions/2"
            for asked, call in (
                (service_pb2.ModelStatisticsRequest(), stub.ModelStatistics),
                (service_pb2.RepositoryIndexRequest(repository_name="r"), stub.RepositoryIndex),
            ):
                with pytest.raises(grpc.aio.AioRpcError, match="not yet available") as raised:
                    await call(asked)
                assert raised.value.code().value[0] == grpc.StatusCode.UNIMPLEMENTED.value[0]

    run(work)


def test_what_cannot_be_read_is_handed_on_as_why() -> None:
    async def work() -> None:
        async with served() as (stub, _):
            bare = service_pb2.ModelInferRequest(model_name="m")
            bare.inputs.add(name="a", datatype="INT32", shape=[1])
            with pytest.raises(grpc.aio.AioRpcError, match="'a' has no values") as raised:
                await stub.ModelInfer(bare)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            bare.inputs[0].parameters["shared_memory_region"].string_param = "r"
            with pytest.raises(grpc.aio.AioRpcError, match="shared memory") as raised:
                await stub.ModelInfer(bare)
            assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
            large = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[b"x" * (1 << 17)])
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.ModelInfer(large)
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(work)


def test_an_address_that_cannot_be_had_is_a_fault() -> None:
    async def work() -> None:
        with pytest.raises(Misconfigured):
            await TritonFront(Scripted(), 1, MESSAGES).start("203.0.113.1:1")

    run(work)
