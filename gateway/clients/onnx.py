"""Runs ONNX models in this process: on a bounded pool of threads, each window on one of them, within a time limit.

onnxruntime lets go of the interpreter's lock while it computes, so the loop is not held up. A call that takes too long,
or whose caller has gone, is told to stop and stops within one operator, so no thread is lost to it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
from numpy.typing import NDArray

from gateway.clients.lanes import in_lanes
from gateway.core.errors import Misconfigured, ModelFailed

Arrays = Mapping[str, NDArray[Any]]

NO_ONNXRUNTIME = "models need the extra [models]: pip install 'weighbridge[models]'"
# A call, waiting for a thread included; and the loading of a model, which its first call waits for.
DEFAULT_TIMEOUT_S, LOAD_TIMEOUT_S = 2.0, 15.0
# Windows that wait for a thread; more are turned away at once.
MAX_WAITING = 256
# A model that could not be loaded is not tried again before.
RETRY_S = 5.0
# How much nicer than the loop the threads are, as ``nice`` counts: a third of its share of a core that is full.
_NICER = 5
# onnxruntime writes what it thinks of a failure to standard error; ours says it.
_FATAL_ONLY = 4
_BROKE_DOWN = "A model broke down."
_TOO_SLOW = "A model took too long."
_BUSY = "Too many texts wait for a model."


def default_threads() -> int:
    """Return how many threads compute: one core is left to the loop, where there is more than one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


class _Loading(msgspec.Struct):
    """A model's session on its way, or why there is none."""

    session: asyncio.Future[Any]
    failed_at_s: float | None = None


class OnnxBackend:
    """Models in this process. Belongs to the loop that it is first used on.

    Args:
        read: Returns a model's file by the model's name, verified; may raise ``ModelFailed``. Called on a thread.
        threads: How many windows are computed at once; ``None`` for :func:`default_threads`.
        timeout_s: How long a call may take.

    Raises:
        Misconfigured: onnxruntime is not installed.
    """

    def __init__(
        self, read: Callable[[str], bytes], *, threads: int | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        try:
            self._runtime: Any = importlib.import_module("onnxruntime")
        except ImportError:
            raise Misconfigured(NO_ONNXRUNTIME) from None
        self._failures = _failures()
        self._read = read
        self._timeout_s = timeout_s
        self._threads = threads or default_threads()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="model", initializer=_give_way)
        self._loadings: dict[str, _Loading] = {}
        # What can be told to stop: one for each window that waits or is computed.
        self._underway: set[Any] = set()

    async def prepare(self, model: str) -> None:
        """Load a model, if it is not.

        Raises:
            ModelFailed: It is missing or corrupt.
        """
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                await self._session(model)
        except TimeoutError:
            raise ModelFailed(_TOO_SLOW) from None

    async def run(self, model: str, inputs: Arrays) -> Arrays:
        """Run a model over a batch.

        Raises:
            ModelFailed: It is missing or corrupt, took too long or broke down, or too many wait already.
        """
        return (await self.run_each(model, [inputs]))[0]

    async def run_each(self, model: str, windows: Sequence[Arrays]) -> list[Arrays]:
        """Run a model over the windows of one call.

        They are not padded into one batch: what a window gives would then depend on its neighbours, and a processor
        gains nothing by it. As many are handed out as there are threads, so long texts and short ones take turns.

        Raises:
            ModelFailed: See :meth:`run`.
        """
        await self.prepare(model)
        session = self._loadings[model].session.result()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await in_lanes(windows, self._threads, partial(self._computed, session))
        except TimeoutError:
            raise ModelFailed(_TOO_SLOW) from None

    async def close(self) -> None:
        """Stop what is being computed and let the threads go."""
        for stop in self._underway:
            stop.terminate = True
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._pool.shutdown(cancel_futures=True))

    async def _computed(self, session: Any, window: Arrays) -> Arrays:
        if len(self._underway) >= MAX_WAITING:
            raise ModelFailed(_BUSY)
        stop = self._runtime.RunOptions()
        self._underway.add(stop)
        try:
            work = self._pool.submit(session.run, None, dict(window), stop)
            values = await asyncio.wrap_future(work)
        except self._failures:
            raise ModelFailed(_BROKE_DOWN) from None
        finally:
            # After a cancellation the thread may still be at it.
            stop.terminate = True
            self._underway.discard(stop)
        return dict(zip((output.name for output in session.get_outputs()), values, strict=True))

    async def _session(self, model: str) -> Any:
        loop = asyncio.get_running_loop()
        loading = self._loadings.get(model)
        if loading is None or (loading.failed_at_s is not None and loop.time() - loading.failed_at_s > RETRY_S):
            loading = self._loadings[model] = _Loading(loop.run_in_executor(self._pool, self._load, model))
        try:
            # Shielded: others wait for the same.
            return await asyncio.shield(loading.session)
        except ModelFailed:
            loading.failed_at_s = loading.failed_at_s or loop.time()
            raise

    def _load(self, model: str) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        # Windows have every length there is: a plan for each would fill the memory and save nothing.
        options.enable_mem_pattern = False
        try:
            return self._runtime.InferenceSession(self._read(model), options, providers=["CPUExecutionProvider"])
        except self._failures:
            raise ModelFailed(f"The model {model} cannot be run.") from None


def _give_way() -> None:
    """Let this thread go behind the loop where they share a core: a window takes longer than a call without a model."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICER)


def _failures() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises: its exceptions have no common ancestor of their own."""
    native = vars(importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state"))
    own = [each for each in native.values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*own, RuntimeError, ValueError)
