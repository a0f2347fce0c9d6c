"""Large bodies are screened beside the loop, with the same verdict, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson
import pytest

from gateway.app.policies import load_guards
from gateway.config.shipped import shipped_policies_dir
from gateway.core.errors import Blocked
from gateway.core.record import ExchangeRecord
from gateway.guards import gate
from gateway.guards.aside import HUGE_BYTES, LARGE_BYTES, Aside
from gateway.guards.matcher import MANY
from gateway.guards.sessions import Sessions
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import PLUGINS, Shouting, does, engine, named
from tests.guards.test_plan import FACTS
from tests.support.incoming import json_incoming


def asked(text: str) -> Any:
    document = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return DIALECT.parse(json_incoming("/v1/chat/completions", document), document)


def test_work_is_done_in_one_thread_one_piece_after_the_other() -> None:
    async def test() -> None:
        aside = Aside()
        seen: list[str] = []

        def work() -> None:
            seen.append(threading.current_thread().name)

        await asyncio.gather(*[aside.run(work) for _ in range(5)])
        assert len(set(seen)) == 1
        assert seen[0] != threading.current_thread().name
        aside.close()

    asyncio.run(test())


@pytest.mark.parametrize("size", [1_000, LARGE_BYTES, HUGE_BYTES])
def test_the_verdict_is_the_same_for_every_size(size: int) -> None:
    async def test() -> None:
        plan = engine(does("m", "mails", "mask"), does("b", "birds", "redact")).plan(FACTS)
        record, sessions = ExchangeRecord(session_id="s"), Sessions()
        request = asked("an osprey wrote to a@b.example " + "x " * size)
        for _ in range(2):
            admitted = await gate.admit(record, plan, DIALECT, request, sessions)
            text = admitted.document["messages"][0]["content"]
            assert text.startswith("an [BIRD] wrote to [EMAIL_1:")
            assert set(PLACEHOLDER.findall(text)) == set(admitted.masks)
        clean = asked("x " * size)
        assert (await gate.admit(record, plan, DIALECT, clean, sessions)).document is clean.document
        sessions.aside.close()

    asyncio.run(test())


def test_a_block_beside_the_loop_is_one() -> None:
    async def test() -> None:
        plan = engine(does("b", "birds", "block")).plan(FACTS)
        with pytest.raises(Blocked):
            await gate.admit(ExchangeRecord(), plan, DIALECT, asked("osprey " * LARGE_BYTES), Sessions())

    asyncio.run(test())


class _Threads(Shouting):
    """Tells in which thread it was asked."""

    asked: set[int] = set()

    def find(self, text: str, about: Any) -> Any:
        self.asked.add(threading.get_ident())
        return []


def test_detectors_are_never_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_Threads] = []

    def make(spec: Any) -> _Threads:
        detector = _Threads(spec.name)
        detector.asked = set()
        made.append(detector)
        return detector

    monkeypatch.setitem(PLUGINS, "threads", make)

    async def test() -> None:
        plan = engine(does("t", "threads", "redact"), kinds=(named("threads"),)).plan(FACTS)
        sessions = Sessions()
        for size in (10, LARGE_BYTES, 10, HUGE_BYTES):
            await gate.admit(ExchangeRecord(), plan, DIALECT, asked("x " * size), sessions)
        assert [len(detector.asked) for detector in made] == [1, 1]
        sessions.aside.close()

    asyncio.run(test())


def test_a_large_answer_is_screened_beside_the_loop_too() -> None:
    class Given:
        headers = {b"content-type": b"application/json"}

        def __init__(self, text: str) -> None:
            message = {"role": "assistant", "content": text}
            self.body = orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    async def test() -> None:
        plan = engine(does("b", "birds", "redact")).plan(FACTS)
        sessions = Sessions()
        before = gate.Asked({}, {}, DIALECT, sessions)
        for size in (10, LARGE_BYTES, HUGE_BYTES):
            record = ExchangeRecord()
            shown = await gate.screen(record, plan, DIALECT, Given("an osprey " + "x " * size), before)
            assert b"an [BIRD] x" in shown.body
            assert record.verdict == "edit"
        sessions.aside.close()

    asyncio.run(test())


def test_numbers_over_numbers_are_looked_at_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[bool] = []
    ran = Aside.run

    async def run(self: Aside, work: Any) -> Any:
        where.append(True)
        return await ran(self, work)

    monkeypatch.setattr(Aside, "run", run)

    async def test() -> None:
        loaded = load_guards((("pii-eu.yaml", shipped_policies_dir() / "pii-eu.yaml"),))
        plan, sessions = loaded.plan(FACTS), Sessions()
        numbers = " ".join(str(10**9 + 7 * n) for n in range(MANY + 50))
        for text, aside in (("Call 030 901820, please. " + "x " * 2000, False), (numbers, True)):
            where.clear()
            await gate.admit(ExchangeRecord(), plan, DIALECT, asked(text), sessions)
            assert bool(where) is aside
        assert not plan.dense("response", DIALECT, {"choices": []})
        sessions.aside.close()

    asyncio.run(test())


def test_a_glance_costs_nothing_where_no_pattern_is_dear() -> None:
    plan = engine(does("b", "birds", "redact")).plan(FACTS)
    assert not plan.dense("request", DIALECT, {"messages": [{"role": "user", "content": "osprey " * (2 * MANY)}]})
