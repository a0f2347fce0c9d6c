"""The program beside the operator: it reads, it needs no credential, and it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.errors import ModelFailed
from gateway.operator import drift_reading
from gateway.operator.drift_bodies import Body
from gateway.operator.drift_reading import reading

CHAT = Body("openai_chat", '{"messages": [{"role": "user", "content": "What is this and what is that for?"}]}', "")


def test_bodies_are_read_and_a_home_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not for it")

    async def run() -> None:
        async with reading(tmp_path) as reader:
            process = reader._process
            environment = await asyncio.to_thread(Path(f"/proc/{process.pid}/environ").read_bytes)
            assert b"OPENAI_API_KEY" not in environment
            first = await reader.read([CHAT] * 9)
            second = await reader.read([CHAT], embed=False)
        assert (first.questions, first.question_languages, first.embedded) == (9, {"en": 9}, 0)
        assert first.unembedded
        assert (second.questions, second.unembedded) == (1, "")
        assert process.returncode is not None

    asyncio.run(run())


def test_a_program_that_has_ended_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_reading, "PROGRAM", "gateway.no_such_module")

    async def run() -> None:
        async with reading(None) as reader:
            with pytest.raises(ModelFailed):
                await reader.read([CHAT] * 1000)

    asyncio.run(run())


def test_a_program_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_reading, "READ_TIMEOUT_S", 0.0)

    async def run() -> None:
        async with reading(None) as reader:
            with pytest.raises(ModelFailed):
                await reader.read([CHAT])
        assert reader._process.returncode is not None

    asyncio.run(run())
