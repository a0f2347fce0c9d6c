"""The reply of a call by gRPC, read while it comes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import StreamBroken
from gateway.listener.rpc_reply import HIGH_BYTES, RpcReply


def test_a_whole_answer_is_read_after_its_record_is_kept() -> None:
    async def main() -> None:
        kept: list[str] = []
        reply = RpcReply(lambda: kept.append("record"))
        reply.send(404, b"Content-Type: application/json\r\nx-weighbridge-id: e1\r\n", b"{}")
        await reply.begun()
        assert (reply.status, reply.headers["x-weighbridge-id"], kept) == (404, "e1", ["record"])
        assert await reply.body() == b"{}"

    asyncio.run(main())


def test_a_slow_reader_holds_the_provider_back() -> None:
    async def main() -> None:
        told: list[str] = []
        reply = RpcReply(lambda: None)
        reply.on_flow(lambda: told.append("pause"), lambda: told.append("resume"))
        reply.start(200, b"")
        for _ in range(3):
            reply.write(b"x" * (HIGH_BYTES // 2))
        assert told == ["pause"]
        reply.finish(b"y")
        assert await reply.body() == b"x" * (HIGH_BYTES // 2 * 3) + b"y"
        assert told == ["pause", "resume"]

    asyncio.run(main())


@pytest.mark.parametrize("begun", [True, False])
def test_what_was_cut_is_not_taken_for_the_whole(*, begun: bool) -> None:
    async def main() -> None:
        reply = RpcReply(lambda: None)
        if begun:
            reply.start(200, b"")
            reply.write(b"x")
        reply.over()
        if begun:
            await reply.begun()
        with pytest.raises(StreamBroken):
            await (reply.body() if begun else reply.begun())

    asyncio.run(main())


def test_nothing_is_kept_for_a_client_that_is_gone() -> None:
    async def main() -> None:
        reply = RpcReply(lambda: None)
        reply.start(200, b"")
        reply.gone = True
        reply.write(b"x" * HIGH_BYTES)
        reply.finish(b"")
        assert await reply.body() == b""

    asyncio.run(main())
