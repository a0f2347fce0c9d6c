"""Calls by gRPC as requests of the HTTP side, over a scripted pipeline; tests/sdk has a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.core.errors import GatewayError, MalformedRequest
from gateway.core.exchange import Incoming
from gateway.core.ports import Reply
from gateway.listener.drive import Drive
from gateway.listener.health import Health
from gateway.listener.rpc_front import RpcFront
from gateway.wire.triton.raw import Described, Tensor, packed, unpacked
from gateway.wire.triton.rpc_asked import Caller, Named, Refused, RpcAsked
from gateway.wire.triton.rpc_generate import EMPTY_FINAL, RpcCall

NAMED = Named("m", "")
EVENTS = b"content-type: text/event-stream\r\n"
WRITES = b'{"model_transaction_policy":{"decoupled":true},"output":[{"name":"t","data_type":"TYPE_STRING","dims":[1]}]}'
TEXT = RpcCall(id="7", inputs=(packed(["Hi"], Described("t", "BYTES", (1,))),), parameters={EMPTY_FINAL: True})
Script = Callable[[Incoming, Reply], Awaitable[None]]


class Scripted:
    """A listener whose pipeline is a script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Incoming] = []
        self.ended = 0

    def commit(self) -> None:
        """Nothing is recorded."""

    def now_ns(self) -> int:
        return 1

    def serve(self, incoming: Incoming, reply: Reply) -> Drive:
        self.seen.append(incoming)

        async def work() -> None:
            if incoming.fault is not None:
                reply.send(incoming.fault.status, b"", b'{"error":"%b"}' % incoming.fault.public_message.encode())
            elif incoming.path.endswith("/config"):
                reply.send(200, b"", WRITES)
            else:
                await self.script(incoming, reply)

        def done(_: Drive) -> None:
            self.ended += 1

        drive = Drive(work(), asyncio.get_running_loop(), done)
        drive.start()
        return drive


def fronted(script: Script) -> tuple[RpcFront, Scripted]:
    owner = Scripted(script)
    return RpcFront(owner, Health(dict)), owner


def caller() -> Caller:
    return Caller({b"authorization": b"Bearer k"}, "127.0.0.1:1")


async def said(front: RpcFront, call: RpcCall | GatewayError) -> list[list[str]]:
    answers = front.stream(caller(), RpcAsked(NAMED, call))
    return [[text for tensor in answer.outputs for text in unpacked(tensor)] async for answer in answers]


def test_a_stream_is_given_as_it_comes_and_its_model_is_asked_once() -> None:
    async def script(incoming: Incoming, reply: Reply) -> None:
        reply.start(200, EVENTS)
        reply.write(b'data: {"model_name":"m","t":"one"}\n\ndata: {"model_name":"m",')
        reply.finish(b'"t":"two"}\n\n')

    async def main() -> None:
        front, owner = fronted(script)
        assert await said(front, TEXT) == [["one"], ["two"], []]
        assert await said(front, TEXT) == [["one"], ["two"], []]
        path = "/v2/models/m/generate_stream"
        assert [each.path for each in owner.seen] == ["/v2/models/m/config", path, path]
        assert {each.headers[b"authorization"] for each in owner.seen} == {b"Bearer k"}
        assert owner.seen[1].body == b'{"id":"7","t":"Hi"}'

    asyncio.run(main())


def test_a_reader_that_leaves_ends_the_call() -> None:
    async def script(incoming: Incoming, reply: Reply) -> None:
        reply.start(200, EVENTS)
        reply.write(b'data: {"model_name":"m","t":"one"}\n\n')
        await asyncio.Event().wait()

    async def main() -> None:
        front, owner = fronted(script)
        answers = front.stream(caller(), RpcAsked(NAMED, TEXT))
        assert (await anext(answers)).outputs
        await answers.aclose()
        while owner.ended < 2:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_what_cannot_be_read_is_refused_where_it_is_recorded() -> None:
    async def script(incoming: Incoming, reply: Reply) -> None:
        raise AssertionError

    async def main() -> None:
        front, owner = fronted(script)
        with pytest.raises(Refused, match="no call"):
            await front.infer(caller(), RpcAsked(NAMED, MalformedRequest("no call")))
        torn = RpcCall(inputs=(Tensor(name="t", datatype="INT32", shape=(2,), data=b"x"),))
        with pytest.raises(Refused, match="cannot be read"):
            await said(front, torn)
        assert [each.fault is not None for each in owner.seen] == [True, False, True]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "message"),
    [(b'{"error":"a"}', "a"), (b'{"error":{"message":"b"}}', "b"), (b"x", "The answer's status is 429.")],
)
def test_an_error_is_told_in_its_own_words(body: bytes, message: str) -> None:
    async def script(incoming: Incoming, reply: Reply) -> None:
        reply.send(429, b"retry-after: 3\r\nx-weighbridge-id: e\r\nserver: s\r\n", body)

    async def main() -> None:
        front, _ = fronted(script)
        who = caller()
        with pytest.raises(Refused) as raised:
            await front.told(who, "/v2")
        assert (raised.value.status, raised.value.message) == (429, message)
        assert who.told == {"retry-after": "3", "x-weighbridge-id": "e"}
        with pytest.raises(Refused):
            await front.model_ready(who, NAMED)

    asyncio.run(main())
