"""All that a worker serves: where it is asked for, until it is to end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc

from gateway.app.build import build_pipeline
from gateway.app.fronts import Fronts
from gateway.app.policies import load_guards
from gateway.clients.ext_proc_server import SERVICE
from gateway.listener.health import Health
from gateway.listener.server import ListenerOptions, Server
from loadtests.ports import free_port
from tests.app.test_build import shared
from tests.support import ext_proc_messages as envoy
from tests.support.listening import Echo
from tests.support.settings import good, load
from tests.support.through_envoy import CHAT, DUPLEX

LINES = {":method": "POST", ":path": CHAT, ":authority": "a", "content-type": "application/json"}
BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'


def test_calls_pass_until_the_worker_drains(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, "version: 1\n"))
        options = ListenerOptions(max_body_bytes=1000, header_timeout_s=2.0)
        echo = Echo()
        server = Server(lambda: echo, Health(dict), options, time.monotonic_ns, echo.commit)
        async with shared(tmp_path) as whole:
            pipeline = build_pipeline(settings, load_guards(settings.policies.files), whole)
            fronts = Fronts(server, Health(dict), lambda: (settings, pipeline), whole, options)
            envoys, tritons = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
            await fronts.start([], tritons, envoys)
            async with grpc.aio.insecure_channel(envoys) as channel:

                async def asked() -> str:
                    call = channel.stream_stream(f"/{SERVICE}/Process")()
                    await call.write(envoy.head("request_headers", LINES, modes=DUPLEX))
                    await call.write(envoy.body("request_body", BODY, last=True))
                    answer: Any = await call.read()
                    kind = envoy.told(answer).WhichOneof("kind")
                    in_flight.append(fronts.in_flight())
                    call.cancel()
                    return kind

                in_flight: list[int] = []
                assert await asked() == "request_headers"
                fronts.drain()
                assert await asked() == "immediate_response"
                assert in_flight[0] == 1
            async with grpc.aio.insecure_channel(tritons) as channel:
                await channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"")
            assert await fronts.close(5) == 0

    asyncio.run(test())


def test_nothing_is_served_that_nobody_asked_for(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, "version: 1\n"))
        options = ListenerOptions(max_body_bytes=1000, header_timeout_s=2.0)
        echo = Echo()
        server = Server(lambda: echo, Health(dict), options, time.monotonic_ns, echo.commit)
        async with shared(tmp_path) as whole:
            pipeline = build_pipeline(settings, load_guards(settings.policies.files), whole)
            fronts = Fronts(server, Health(dict), lambda: (settings, pipeline), whole, options)
            await fronts.start([], "", "")
            fronts.announce()
            fronts.drain()
            assert (fronts.in_flight(), fronts.connections(), await fronts.close(1)) == (0, 0, 0)

    asyncio.run(test())
