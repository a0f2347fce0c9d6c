"""A real Triton server's own metrics, read by the watch that the product runs."""

from __future__ import annotations

import asyncio
import threading
import urllib.request
from pathlib import Path

import orjson
import pytest

from gateway.clients.clock import SystemClock
from gateway.clients.http import HttpClient
from gateway.core.server_load import LoadReading, LoadSource
from gateway.upstream.load_watch import LoadWatch
from loadtests.ports import free_port
from tests.support.triton_load import repository
from tests.support.triton_server import served

pytestmark = [pytest.mark.integration, pytest.mark.slow]
CALL = {"inputs": [{"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}


async def readings(metrics_port: int, wanted: LoadReading) -> list[LoadReading]:
    """Watch a server until it says something."""
    http, told = HttpClient(), list[LoadReading]()
    came = asyncio.Event()

    def tell(_provider: str, reading: LoadReading) -> None:
        told.append(reading)
        if reading == wanted:
            came.set()

    watch = LoadWatch(http, SystemClock(), tell)
    try:
        watch.watch({"t": LoadSource(kind="triton", url=f"http://127.0.0.1:{metrics_port}/metrics", every_s=0.1)})
        await asyncio.wait_for(came.wait(), 60)
    except TimeoutError:
        raise AssertionError(told[-5:], watch.reads) from None
    finally:
        await watch.close()
        await http.close()
    return told


def call(url: str) -> None:
    request = urllib.request.Request(f"{url}/v2/models/slow/infer", orjson.dumps(CALL))
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert b"hello" in answer.read()


def test_calls_that_wait_at_a_real_server_are_counted(tmp_path: Path) -> None:
    port, models = free_port(), repository(tmp_path / "models", gauges=False)
    with served(models, tmp_path, metrics_port=port) as url:
        assert asyncio.run(readings(port, LoadReading(queue=0.0)))
        calls = [threading.Thread(target=call, args=(url,)) for _ in range(4)]
        for each in calls:
            each.start()
        try:
            # One is with the model, the others wait for it.
            asyncio.run(readings(port, LoadReading(queue=3.0)))
        finally:
            (models / "slow" / "leave").touch()
            for each in calls:
                each.join(60)
        asyncio.run(readings(port, LoadReading(queue=0.0)))


def test_a_real_server_with_tensorrt_llm_s_gauges_tells_all_three(tmp_path: Path) -> None:
    port = free_port()
    with served(repository(tmp_path / "models", gauges=True), tmp_path, metrics_port=port):
        asyncio.run(readings(port, LoadReading(queue=4.0, running=8.0, kv_use=0.6)))
