from __future__ import annotations

import socket

import pytest

from gateway.clients import triton_channel
from gateway.clients.triton_channel import Server
from gateway.clients.triton_messages import Messages
from gateway.core.errors import ConnectFailed, ConnectTimeout
from gateway.wire.triton.rpc_paths import RpcTarget
from tests.support.rpc_server import run, scripted, two_words

MODEL = RpcTarget("generate", "m", "")


def test_what_a_model_takes_is_asked_once_and_anew_when_it_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with scripted(two_words) as (url, service):
            server = Server(url, Messages())
            await server.connected(10)
            found = await server.inputs(MODEL, ())
            assert set(found) == {"text_input"}
            assert await server.inputs(MODEL, ()) is found
            server.forget(MODEL)
            await server.inputs(MODEL, ())
            assert service.described == 2
            monkeypatch.setattr(triton_channel, "MAX_DESCRIBED", 1)
            await server.inputs(RpcTarget("generate", "other", ""), ())
            await server.inputs(MODEL, ())
            assert service.described == 4
            await server.close()

    run(work)


@pytest.mark.parametrize("scheme", ["grpc", "grpcs"])
def test_a_server_that_accepts_and_says_nothing(scheme: str) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            server = Server(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}", Messages())
            with pytest.raises((ConnectTimeout, ConnectFailed)):
                await server.connected(0.2)
            await server.close()

    run(work)
