"""Text in images: a program beside this one reads them, one after the other, within bounds.

It is started for the first image and ended with whoever asked for it. One that takes too long is ended at once, and the
next image has another one. What an image says is remembered: a conversation brings its images again with each turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path

import msgspec

from gateway.core.errors import Misconfigured, ModelFailed

NO_OCR = "reading images needs the extra [ocr]: pip install 'weighbridge[ocr]'"
MAX_BYTES, MAX_PIXELS = 8 << 20, 24_000_000
# Images that wait for their turn; more are turned away at once.
MAX_WAITING = 32
# One image, and the program's start.
READ_TIMEOUT_S, START_TIMEOUT_S = 60.0, 60.0
# More text than anybody can read in a picture; what has more is not judged by half.
MAX_CHARS = 20_000
_KNOWN = 256
_MAX_LINE = 1 << 20
_WORKER = Path(__file__).with_name("ocr_worker.py")
# What a program needs of the environment to be found and to load; no credential is among it.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")


class _Answer(msgspec.Struct):
    text: str = ""
    error: str = ""


class Unread(ModelFailed):
    """An image could not be read."""

    def __init__(self, why: str) -> None:
        super().__init__(f"An image was not read: {why}.")


def installed() -> bool:
    """Whether what reads images is there."""
    return importlib.util.find_spec("rapidocr") is not None


class ImageReader:
    """Reads images. Belongs to the loop that it is first used on.

    Args:
        read_timeout_s: How long one image may take.
        worker: The program; ours, but in tests.

    Raises:
        Misconfigured: The extra is not installed.
    """

    def __init__(self, *, read_timeout_s: float = READ_TIMEOUT_S, worker: Path = _WORKER) -> None:
        if not installed():
            raise Misconfigured(NO_OCR)
        self._read_timeout_s = read_timeout_s
        self._worker = worker
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._known: OrderedDict[bytes, str] = OrderedDict()

    async def read(self, image: str, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> str:
        """Return the text of an image.

        Args:
            image: Base64.
            max_bytes: Of the file; larger ones are not looked at.
            max_pixels: Of width times height; larger ones are not unpacked.

        Raises:
            ModelFailed: It cannot be read, takes too long, or too many wait.
        """
        if len(image) * 3 // 4 > max_bytes:
            raise Unread("bytes")
        data, digest = await asyncio.to_thread(_prepared, image)
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        if self._waiting >= MAX_WAITING:
            raise ModelFailed("Too many images wait to be read.")
        self._waiting += 1
        try:
            async with self._turn:
                text = await self._ask(data, max_pixels)
        finally:
            self._waiting -= 1
        self._known[digest] = text
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return text

    async def start(self) -> None:
        """Start the program, if it does not run.

        Raises:
            ModelFailed: It does not start.
        """
        async with self._turn:
            await self._running()

    async def close(self) -> None:
        """End the program."""
        await self._end()

    async def _ask(self, data: bytes, max_pixels: int) -> str:
        process = await self._running()
        in_step = False
        try:
            async with asyncio.timeout(self._read_timeout_s):
                answer = await _answered(process, b"%d %d\n" % (len(data), max_pixels) + data)
                in_step = True
        except TimeoutError:
            raise Unread("timeout") from None
        finally:
            # Also where nobody waits for the answer any more.
            if not in_step:
                await self._end()
        if answer.error or len(answer.text) > MAX_CHARS:
            raise Unread(answer.error or "length")
        return answer.text

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(self._worker),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**environment, "OMP_NUM_THREADS": "1"},
            limit=_MAX_LINE,
        )
        ready = False
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await _answered(self._process, b"")
                ready = True
        except TimeoutError:
            raise ModelFailed("What reads images did not start.") from None
        finally:
            if not ready:
                await self._end()
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _answered(process: asyncio.subprocess.Process, question: bytes) -> _Answer:
    if process.stdin is None or process.stdout is None:
        raise ModelFailed("What reads images cannot be asked.")
    try:
        if question:
            process.stdin.write(question)
            await process.stdin.drain()
        line = await process.stdout.readline()
        return msgspec.json.decode(line, type=_Answer)
    except (OSError, ValueError, msgspec.DecodeError):
        raise ModelFailed("What reads images broke down.") from None


def _prepared(image: str) -> tuple[bytes, bytes]:
    """The bytes of base64, without the line breaks that some put in, and their digest; not on the loop."""
    data = image.encode("ascii", "replace")
    if b"\n" in data or b"\r" in data:
        data = data.translate(None, b"\r\n")
    return data, blake2b(data, digest_size=20).digest()
