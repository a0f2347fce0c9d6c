"""Triton over gRPC: a transport that answers as a server's HTTP side does, so that nobody above knows the difference.

One channel a server, shared by all its calls; one stream of it a call, for models that answer once as for those that
answer piece by piece. A call that is cancelled ends its stream, and the server tells its model.

https://github.com/triton-inference-server/common/blob/main/protobuf/grpc_service.proto
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import orjson

from gateway.clients.triton_channel import Server
from gateway.clients.triton_messages import Messages, plain, read_answer
from gateway.core.errors import (
    Bug,
    ConnectFailed,
    FirstTokenTimeout,
    GatewayError,
    IdleTimeout,
    MalformedRequest,
    StreamBroken,
    TotalTimeout,
)
from gateway.core.exchange import Headers, Timeouts
from gateway.core.ports import AnswerSink
from gateway.wire.strict_json import parse_body
from gateway.wire.triton import rpc_generate, rpc_infer
from gateway.wire.triton.rpc_paths import RpcTarget, read_target

# A server that has said its last word is given so long to end the stream itself.
LINGER_S = 1.0
_JSON = {b"content-type": b"application/json"}
_EVENTS = {b"content-type": b"text/event-stream; charset=utf-8"}
_STATUS = {
    "INVALID_ARGUMENT": 400, "OUT_OF_RANGE": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504, "CANCELLED": 499,
}  # fmt: skip
# How a server begins to tell what is wrong with a call.
_INVALID = "[request id: "
# What the transport itself says, not the server.
_TRANSPORT = ("failed to connect", "Socket closed", "Connection reset", "GOAWAY", "Broken pipe", "Stream removed")


class RpcRun:
    """One call on its way; a :class:`gateway.upstream.attempt.Running`."""

    __slots__ = ("_flowing", "_headers", "_over", "_server", "_sink", "_started", "_timeouts", "task")

    def __init__(self, server: Server, sink: AnswerSink, headers: Headers, timeouts: Timeouts) -> None:
        self._server = server
        self._sink = sink
        self._headers = headers
        self._timeouts = timeouts
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._over = self._started = False
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Stop; nothing more reaches the sink, and the server is told."""
        self._over = True
        if self.task is not None:
            self.task.cancel()

    def pause(self) -> None:
        """Read no more for now; the server is slowed down by the flow control of its stream."""
        self._flowing.clear()

    def resume(self) -> None:
        """Read on."""
        self._flowing.set()

    async def run(self, path: str, body: bytes) -> None:
        """Make the call and tell the sink."""
        target: RpcTarget | None = None
        try:
            target = read_target(path)
            async with asyncio.timeout(self._timeouts.total_s):
                await self._server.connected(self._timeouts.connect_s)
                await self._answered(target, body)
        except GatewayError as error:
            self.fail(error)
        except TimeoutError:
            self.fail(TotalTimeout("The provider's answer took too long."))
        except self._server.messages.grpc.RpcError as error:
            self._refused(error, target)

    async def _answered(self, target: RpcTarget, body: bytes) -> None:
        if target.method in ("generate", "generate_stream"):
            call = rpc_generate.written_call(
                parse_body(body), await self._soon(self._server.inputs(target, self._metadata()))
            )
            await self._generate(target, call)
        elif target.method == "infer":
            await self._infer(target, body)
        else:
            await self._describe(target)

    async def _generate(self, target: RpcTarget, call: rpc_generate.RpcCall) -> None:
        # A last answer without tensors tells the end of those that come piece by piece.
        call.parameters["triton_enable_empty_final_response"] = True
        message = self._server.messages.request(target.model, target.version, call)
        running = self._server.stub.ModelStreamInfer(metadata=self._metadata())
        whole: list[bytes] = []
        try:
            await running.write(message)
            await running.done_writing()
            while (answer := await self._next(running)) is not None:
                if answer.outputs:
                    self._take(rpc_generate.encoded(rpc_generate.read_answer(answer)), target, whole)
                if answer.final or self._over:
                    break
            self._end(target, whole)
            await self._lingered(running)
        finally:
            running.cancel()

    async def _next(self, running: Any) -> rpc_generate.RpcAnswer | None:
        await self._flowing.wait()
        limit_s = self._timeouts.idle_s if self._started else self._timeouts.first_token_s
        try:
            async with asyncio.timeout(limit_s):
                response = await running.read()
        except TimeoutError:
            if self._started:
                raise IdleTimeout("The provider's stream stood still for too long.") from None
            raise FirstTokenTimeout("The provider did not begin to answer in time.") from None
        if response is self._server.messages.aio.EOF:
            return None
        if response.error_message:
            # Servers can be asked to end the stream with a status instead, and then crash under models that go on.
            invalid = response.error_message.startswith(_INVALID)
            self._told_error(400 if invalid else 500, response.error_message)
            return None
        return read_answer(response.infer_response)

    def _take(self, document: bytes, target: RpcTarget, whole: list[bytes]) -> None:
        if self._over:
            return
        if target.method == "generate":
            whole.append(document)
            return
        if not self._started:
            self._started = True
            self._sink.on_head(200, dict(_EVENTS))
        self._sink.on_data(b"data: " + document + b"\n\n")

    def _end(self, target: RpcTarget, whole: list[bytes]) -> None:
        if self._over:
            return
        if target.method == "generate":
            if len(whole) != 1:
                # As the server's HTTP side says it.
                message = "generate expects model to produce exactly 1 response, use generate stream for model that "
                self._told_error(400, f"{message}generates various number of responses")
                return
            self._tell(200, whole[0])
        elif self._started:
            self._over = True
            self._sink.on_end()
        else:
            self.fail(StreamBroken("The server's stream ended before it began."))

    async def _lingered(self, running: Any) -> None:
        """Let a server that has said its last word end the stream itself."""
        try:
            async with asyncio.timeout(LINGER_S):
                while await running.read() is not self._server.messages.aio.EOF:
                    pass
                await running.code()
        except (TimeoutError, self._server.messages.grpc.RpcError):
            return

    async def _infer(self, target: RpcTarget, body: bytes) -> None:
        length = self._headers.get(rpc_infer.HEAD_LENGTH, b"")
        if length and not (length.isdigit() and int(length) <= len(body)):
            raise MalformedRequest("The header Inference-Header-Content-Length is no length within the body.")
        asked = rpc_infer.read_call(body, int(length) if length else None)
        message = self._server.messages.request(target.model, target.version, asked.call)
        answer = await self._soon(self._server.stub.ModelInfer(message, metadata=self._metadata()))
        told, head_bytes = rpc_infer.write_answer(read_answer(answer), asked)
        if head_bytes is None:
            self._tell(200, told)
        else:
            headers = {b"content-type": b"application/octet-stream", rpc_infer.HEAD_LENGTH: b"%d" % head_bytes}
            self._tell(200, told, headers)

    async def _describe(self, target: RpcTarget) -> None:
        classes, stub, metadata = self._server.messages.classes, self._server.stub, self._metadata()
        named = {"name": target.model, "version": target.version}
        if target.method == "ready":
            ready = await self._soon(stub.ModelReady(classes.ModelReadyRequest(**named), metadata=metadata))
            self._tell(200 if ready.ready else 400, b"")
            return
        if target.method == "config":
            asked = stub.ModelConfig(classes.ModelConfigRequest(**named), metadata=metadata)
            told = plain((await self._soon(asked)).config)
        elif target.method == "stats":
            told = plain(
                await self._soon(stub.ModelStatistics(classes.ModelStatisticsRequest(**named), metadata=metadata))
            )
        else:
            told = plain(await self._soon(stub.ModelMetadata(classes.ModelMetadataRequest(**named), metadata=metadata)))
        self._tell(200, orjson.dumps(told))

    async def _soon(self, asked: Any) -> Any:
        """Wait for a single answer as long as for the first word of one."""
        try:
            async with asyncio.timeout(self._timeouts.first_token_s):
                return await asked
        except TimeoutError:
            raise FirstTokenTimeout("The provider did not begin to answer in time.") from None

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._headers.items()
            if name != rpc_infer.HEAD_LENGTH
        )

    def _refused(self, error: Any, target: RpcTarget | None) -> None:
        code, details = error.code().name, error.details() or ""
        if code == "UNAVAILABLE" and any(mark in details for mark in _TRANSPORT):
            failed = StreamBroken if self._started else ConnectFailed
            self.fail(failed("The connection to the provider broke."))
            return
        if code == "INVALID_ARGUMENT" and target is not None:
            self._server.forget(target)
        self._told_error(_STATUS.get(code, 500), details or f"The server answered with {code}.")

    def _told_error(self, status: int, message: str) -> None:
        document = orjson.dumps({"error": message})
        if self._over:
            return
        if self._started:
            self._over = True
            self._sink.on_data(b"data: " + document + b"\n\n")
            self._sink.on_end()
        else:
            self._tell(status, document)

    def _tell(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        if self._over:
            return
        self._over = True
        self._sink.on_head(status, dict(headers or _JSON))
        if body:
            self._sink.on_data(body)
        self._sink.on_end()

    def fail(self, error: GatewayError) -> None:
        """Tell the sink that no more will come, unless it has been told."""
        if not self._over:
            self._over = True
            self._sink.on_fail(error)


class TritonRpc:
    """Channels to servers, and the calls on them. Belongs to the loop that it is made on.

    The packages are loaded with the first server, see :meth:`load`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: Messages | None = None
        self._servers: dict[str, Server] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self) -> Messages:
        """Import the packages, which takes a while: to be called beside a loop that is busy.

        Raises:
            Misconfigured: They are not installed.
        """
        if self._messages is None:
            self._messages = Messages()
        return self._messages

    def send(
        self, server: str, path: str, body: bytes, headers: Headers, sink: AnswerSink, timeouts: Timeouts
    ) -> RpcRun:
        """Start a call.

        Args:
            server: ``grpc://host:port`` or ``grpcs://host:port``.
            path: As a server's HTTP side has it.
            body: As a server's HTTP side takes it.
            headers: What goes with it, lower-case names.
            sink: Takes the answer, later than this method returns.
            timeouts: The four timers.
        """
        found = self._servers.get(server)
        if found is None:
            found = self._servers[server] = Server(server, self.load())
        run = RpcRun(found, sink, headers, timeouts)
        task = run.task = self._loop.create_task(run.run(path, body))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, run))
        return run

    def active(self) -> int:
        """Return how many calls are on their way."""
        return len(self._tasks)

    def _ended(self, run: RpcRun, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            run.fail(ConnectFailed("The gateway is shutting down."))
        elif task.exception() is not None:
            # Whoever waits for the answer must hear of its end, whatever went wrong.
            run.fail(Bug("The gateway failed."))

    async def close(self) -> None:
        """Cancel what is on its way and close every channel."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers.values():
            await server.close()
        self._servers.clear()
