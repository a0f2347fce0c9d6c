from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from gateway.clients import onnx
from gateway.clients.onnx import OnnxBackend
from gateway.clients.word_pieces import WordPieces
from gateway.core.errors import ModelFailed
from gateway.guards.models.vocabulary import framed
from tests.support.models import doubling, endless, reader

ONES = {"x": np.ones(3, dtype=np.float32)}
# Hours of it.
LARGE = {"x": np.eye(1_500, dtype=np.float32)}
MODELS = {"doubling": doubling(), "endless": endless(), "garbage": b"garbage"}


def read(model: str) -> bytes:
    if model not in MODELS:
        raise ModelFailed("missing")
    return MODELS[model]


def with_backend(scenario: Callable[[OnnxBackend], Awaitable[None]], **options) -> None:
    async def run() -> None:
        backend = OnnxBackend(options.pop("read", read), **options)
        try:
            await scenario(backend)
        finally:
            await backend.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("model")]


@pytest.mark.parametrize("threads", [1, 3])
def test_windows_come_back_in_their_order(threads: int) -> None:
    async def scenario(backend: OnnxBackend) -> None:
        windows = [{"x": np.full(number + 1, number, dtype=np.float32)} for number in range(20)]
        found = await backend.run_each("doubling", windows)
        assert [each["y"].tolist() for each in found] == [[2 * n] * (n + 1) for n in range(20)]
        assert await backend.run_each("doubling", []) == []
        assert (await backend.run("doubling", ONES))["y"].tolist() == [2, 2, 2]

    with_backend(scenario, threads=threads)


def test_calls_take_turns_though_one_has_many_windows() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        done: list[str] = []

        async def ask(name: str, count: int) -> None:
            await backend.run_each("doubling", [ONES] * count)
            done.append(name)

        await backend.prepare("doubling")
        async with asyncio.TaskGroup() as group:
            group.create_task(ask("long", 2_000))
            group.create_task(ask("short", 1))
        assert done == ["short", "long"]

    with_backend(scenario, threads=1, timeout_s=50.0)


def test_a_call_that_takes_too_long_fails_and_frees_its_thread() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run("endless", LARGE)
        # On the only thread: were it still busy, this would take hours.
        assert (await backend.run("doubling", ONES))["y"].tolist() == [2, 2, 2]

    with_backend(scenario, threads=1, timeout_s=0.3)


def test_a_caller_that_goes_away_frees_its_thread() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        await backend.prepare("endless")
        asked = asyncio.get_running_loop().create_task(backend.run("endless", LARGE))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (await backend.run("doubling", ONES))["y"].tolist() == [2, 2, 2]

    with_backend(scenario, threads=1, timeout_s=30)


def test_closing_stops_what_is_computed() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        await backend.prepare("endless")
        asked = asyncio.get_running_loop().create_task(backend.run("endless", LARGE))
        await asyncio.sleep(0.05)
        await backend.close()
        with pytest.raises(ModelFailed):
            await asked

    with_backend(scenario, threads=1, timeout_s=30)


def test_more_than_may_wait_are_turned_away(monkeypatch) -> None:
    monkeypatch.setattr(onnx, "MAX_WAITING", 2)

    async def scenario(backend: OnnxBackend) -> None:
        await backend.prepare("doubling")
        calls = [backend.run("doubling", ONES) for _ in range(5)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found] == [dict, dict, ModelFailed, ModelFailed, ModelFailed]

    with_backend(scenario, threads=1)


@pytest.mark.parametrize("model", ["missing", "garbage"])
def test_a_model_that_cannot_be_loaded_fails_each_call_and_is_read_once(model: str) -> None:
    reads: list[str] = []

    def counting(name: str) -> bytes:
        reads.append(name)
        return read(name)

    async def scenario(backend: OnnxBackend) -> None:
        for _ in range(3):
            with pytest.raises(ModelFailed):
                await backend.run(model, ONES)
        assert reads == [model]

    with_backend(scenario, read=counting)


def test_a_model_that_was_missing_is_tried_again(monkeypatch) -> None:
    monkeypatch.setattr(onnx, "RETRY_S", -1.0)
    found = {"late": b""}
    found.clear()

    def late(name: str) -> bytes:
        if name not in found:
            raise ModelFailed("missing")
        return found[name]

    async def scenario(backend: OnnxBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run("late", ONES)
        found["late"] = doubling()
        assert (await backend.run("late", ONES))["y"].tolist() == [2, 2, 2]

    with_backend(scenario, read=late)


@pytest.mark.parametrize("inputs", [{}, {"x": np.ones(3, dtype=np.int64)}, {"z": np.ones(3, dtype=np.float32)}])
def test_inputs_that_do_not_fit_are_a_failure_and_nothing_more(inputs) -> None:
    async def scenario(backend: OnnxBackend) -> None:
        with pytest.raises(ModelFailed):
            await backend.run("doubling", inputs)
        assert (await backend.run("doubling", ONES))["y"].tolist() == [2, 2, 2]

    with_backend(scenario)


def test_the_loop_goes_on_while_a_model_computes() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        await backend.prepare("endless")
        asked = asyncio.get_running_loop().create_task(backend.run("endless", LARGE))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(ModelFailed):
            await asked
        assert turns > 50

    with_backend(scenario, threads=1, timeout_s=0.3)


def test_threads_that_compute_give_way_to_the_loop() -> None:
    found: list[int] = []

    def read(model: str) -> bytes:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return doubling()

    async def scenario(backend: OnnxBackend) -> None:
        await backend.prepare("doubling")
        assert found == [min(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + 5, 19)]

    with_backend(scenario, read=read)


def test_real_models_give_what_they_say() -> None:
    async def scenario(backend: OnnxBackend) -> None:
        window = {"ids": np.array([[101, 7592, 102]]), "mask": np.ones((1, 3), dtype=np.int64)}
        assert (await backend.run("embedder", window))["embedding"].shape == (1, 384)
        # A greeting names nobody, and says so early.
        for text, words in (("hello", 0), ("My name is John Smith", 7)):
            window = framed(pieces.cut(text), 0, len(text.split()))
            assert (await backend.run("names", window))["logits"].shape == (1, words, 35)

    built = reader()
    pieces = WordPieces(built("names-tokenizer.json"))
    with_backend(scenario, read=lambda model: built(f"{model}.onnx"))
