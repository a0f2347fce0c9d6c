"""Has samples of captured bodies read by a program beside the operator, as long as there is something to read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from gateway.core.errors import ModelFailed
from gateway.operator.drift_bodies import ASK, ASK_WITHOUT, Body, Read

PROGRAM = "gateway.operator.drift_reader"
# Of one alias and hour. The first has a model to load.
READ_TIMEOUT_S = 180.0
_MOST_ANSWER = 1 << 20
# What the program needs to be found and to load; no credential is among it.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")


class Reading:
    """One such program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self, bodies: Sequence[Body], *, embed: bool = True) -> Read:
        """Read bodies, and embed their questions where there are models.

        Raises:
            ModelFailed: The program has ended, or takes too long; it is of no more use.
        """
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise AssertionError
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                for body in bodies:
                    into.write(msgspec.json.encode(body) + b"\n")
                    await into.drain()
                into.write(ASK if embed else ASK_WITHOUT)
                return msgspec.json.decode(await out.readuntil(b"\n"), type=Read)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            raise ModelFailed("What reads bodies has ended, or takes too long.") from None


@contextlib.asynccontextmanager
async def reading(home: Path | None) -> AsyncGenerator[Reading, None]:
    """Start the program, and end it.

    Args:
        home: Where models lie; ``None`` to embed nothing.

    Raises:
        ModelFailed: It cannot be started.
    """
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    words = (sys.executable, "-P", "-m", PROGRAM, *((str(home),) if home is not None else ()))
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            limit=_MOST_ANSWER,
        )
    except OSError as error:
        raise ModelFailed(f"What reads bodies cannot be started: {error.strerror}.") from None
    try:
        yield Reading(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
