from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.clients import ocr
from gateway.clients.ocr import ImageReader
from gateway.core.errors import Misconfigured, ModelFailed
from tests.support.pictures import ORDER, base64_picture
from tests.support.waiting import until

# Stands in for the program: says what it is told to say, and how often it was started and asked.
PROGRAM = """
import json, os, sys, time
with open(LOG, "a") as log: log.write("started\\n")
if os.environ.get("SECRET"): raise SystemExit(1)
os.write(1, b'{"text": ""}\\n')
while line := sys.stdin.buffer.readline():
    size, pixels = map(int, line.split())
    data = sys.stdin.buffer.read(size)
    with open(LOG, "a") as log: log.write(f"{data.decode()} {pixels}\\n")
    if data == b"slow": time.sleep(600)
    if data == b"dead": raise SystemExit(1)
    if data == b"odd": answer = b"Traceback\\n"
    elif data == b"bad": answer = b'{"error": "image"}\\n'
    elif data == b"long": answer = json.dumps({"text": "x" * 20_001}).encode() + b"\\n"
    else: answer = json.dumps({"text": data.decode().upper()}).encode() + b"\\n"
    os.write(1, answer)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(f"LOG = {str(tmp_path / 'log')!r}\n{PROGRAM}")
    return path


def log(program: Path) -> list[str]:
    written = program.with_name("log")
    return written.read_text().splitlines() if written.exists() else []


def test_what_an_image_says_is_asked_once(program: Path) -> None:
    async def run() -> None:
        reader = ImageReader(worker=program)
        assert [await reader.read(each) for each in ("one", "two", "o\r\nne")] == ["ONE", "TWO", "ONE"]
        assert log(program) == ["started", "one 24000000", "two 24000000"]
        await reader.close()
        await reader.close()

    asyncio.run(run())


@pytest.mark.parametrize(("image", "why"), [("bad", "image"), ("long", "length"), ("odd", None), ("dead", None)])
def test_the_next_image_is_read_whatever_became_of_one(program: Path, image: str, why: str | None) -> None:
    async def run() -> None:
        reader = ImageReader(worker=program)
        with pytest.raises(ModelFailed, match=why):
            await reader.read(image)
        assert await reader.read("one") == "ONE"
        assert log(program).count("started") == (1 if why else 2)
        await reader.close()

    asyncio.run(run())


def test_one_that_takes_too_long_is_ended(program: Path) -> None:
    async def run() -> None:
        reader = ImageReader(worker=program, read_timeout_s=0.05)
        await reader.start()
        process: Any = reader._process
        with pytest.raises(ModelFailed, match="timeout"):
            await reader.read("slow")
        assert process.returncode == -9
        await reader.close()

    asyncio.run(run())


def test_one_that_nobody_waits_for_any_more_is_ended(program: Path) -> None:
    async def run() -> None:
        reader = ImageReader(worker=program)
        await reader.start()
        process: Any = reader._process
        asked = asyncio.get_running_loop().create_task(reader.read("slow"))
        await asyncio.to_thread(until, lambda: any(line.startswith("slow") for line in log(program)) or None)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert process.returncode == -9
        assert await reader.read("one") == "ONE"
        await reader.close()

    asyncio.run(run())


def test_so_many_wait_and_no_more(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "MAX_WAITING", 2)

    async def run() -> None:
        reader = ImageReader(worker=program)
        answers = await asyncio.gather(*(reader.read(f"n{n}") for n in range(3)), return_exceptions=True)
        assert sum(isinstance(each, ModelFailed) for each in answers) == 1
        await reader.close()

    asyncio.run(run())


def test_what_is_too_large_is_not_even_sent(program: Path) -> None:
    async def run() -> None:
        reader = ImageReader(worker=program)
        with pytest.raises(ModelFailed, match="bytes"):
            await reader.read("A" * 2000, max_bytes=1024)
        assert log(program) == []

    asyncio.run(run())


def test_no_credential_reaches_it(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")

    async def run() -> None:
        reader = ImageReader(worker=program)
        assert await reader.read("one") == "ONE"
        await reader.close()

    asyncio.run(run())


def test_the_extra_is_named_when_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    assert not ocr.installed()
    with pytest.raises(Misconfigured, match=r"weighbridge\[ocr\]"):
        ImageReader()


@pytest.mark.integration
def test_the_real_one_reads() -> None:
    async def run() -> str:
        reader = ImageReader(read_timeout_s=300)
        try:
            return await reader.read(base64_picture(*ORDER))
        finally:
            await reader.close()

    assert asyncio.run(run()).splitlines() == list(ORDER)
