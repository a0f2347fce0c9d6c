from __future__ import annotations

import asyncio
import time
from pathlib import Path

from msgspec.structs import replace

from gateway.app.build import build_pipeline
from gateway.app.front import front_of
from gateway.app.policies import load_guards
from gateway.listener.gatehouse import Gatehouse
from gateway.listener.health import Health
from gateway.listener.server import ListenerOptions, Server
from tests.app.test_build import shared
from tests.app.test_intercepting import authority
from tests.support.listening import Echo
from tests.support.settings import good, load


def test_the_listener_itself_takes_connections_unless_others_are_stood_in_for(tmp_path: Path) -> None:
    async def test() -> None:
        settings = good(load(tmp_path, "version: 1\n"))
        options = ListenerOptions(max_body_bytes=1000, header_timeout_s=2.0)
        echo = Echo()
        server = Server(lambda: echo, Health(dict), options, time.monotonic_ns, echo.commit)
        async with shared(tmp_path) as whole:
            pipeline = build_pipeline(settings, load_guards(settings.policies.files), whole)
            assert front_of(server, lambda: (settings, pipeline), whole, options) is server
            asked = replace(settings, intercept=authority(tmp_path))
            front = front_of(server, lambda: (asked, pipeline), whole, options)
            assert isinstance(front, Gatehouse)
            assert front.own is server
            await front.close(1)

    asyncio.run(test())
