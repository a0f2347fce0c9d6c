from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from gateway.cache import asides as module
from gateway.cache.asides import MOST, Aside, Asides, told
from gateway.cache.semantic import Found
from gateway.core.record import CacheRecord
from tests.support.kept_answers import kept
from tests.support.on_loop import on_loop
from tests.support.semantic_rig import NOW_S, RULE, Rig

PASSWORD = "how do i reset my password"


def begun(rig: Rig, text: str, *, most: int = MOST, noted: list[Found] | None = None) -> tuple[Asides, Aside]:
    asides = Asides(rig.semantic, rig.store, most=most)
    return asides, Aside(asides, rig.asked(text), None if noted is None else noted.append)


async def done(asides: Asides) -> None:
    while asides.under_way:
        await asyncio.sleep(0.001)


@on_loop
async def test_a_first_question_is_asked_beside_stored_and_then_found_by_the_next() -> None:
    rig = Rig()
    asides, aside = begun(rig, PASSWORD)
    assert await aside.first() is None
    aside.begin()
    assert aside.keep(kept("like this"))
    await done(asides)
    [(stored, vector)] = rig.store.held
    assert (stored.fingerprint, stored.question, len(vector)) == (
        aside.question.asked.fingerprint,
        aside.question.facts,
        28,
    )
    following = Aside(asides, rig.asked("please " + PASSWORD))
    served = await following.first()
    assert served is not None
    assert (served.answer, served.how, round(served.similarity or 0, 2)) == (stored, "hit-semantic", 0.93)
    # It has been looked up; nobody is asked, and nothing is done beside.
    following.begin()
    assert asides.under_way == 0


@on_loop
async def test_in_shadow_what_would_have_been_served_is_on_record_and_compared() -> None:
    rig = Rig(msgspec.structs.replace(RULE, mode="shadow"))
    made = await rig.keep(PASSWORD, answer="like this", exchange_id="e7")
    noted: list[Found] = []
    asides, aside = begun(rig, "please " + PASSWORD, noted=noted)
    assert await aside.first() is None
    aside.begin()
    assert noted == []
    await done(asides)
    assert [told(found, NOW_S) for found in noted] == [
        CacheRecord(
            origin="e7",
            partition="p",
            similarity=0.925632,
            chance=0.925632,
            shadow="hit",
            age_s=1000,
            saved_nanousd=7,
            saved_ms=50.0,
        )
    ]
    assert made.partition == "p"
    assert aside.keep(kept("Like this."))
    await done(asides)
    assert rig.promise.noted == [("p", 0.93, True)]


@on_loop
async def test_what_was_looked_for_first_and_did_not_serve_is_learnt_from_too() -> None:
    rig = Rig()
    await rig.keep(PASSWORD, answer="like this")
    rig.promise.least = 0.95
    noted: list[Found] = []
    asides, aside = begun(rig, "please " + PASSWORD, noted=noted)
    assert await aside.first() is None
    assert [found.says for found in noted] == ["promise"]
    aside.begin()
    assert asides.under_way == 0
    assert not rig.semantic.doubts(aside.question)
    assert aside.keep(kept("otherwise"))
    await done(asides)
    assert rig.promise.noted == [("p", 0.93, False)]
    assert rig.semantic.doubts(aside.question)


@on_loop
async def test_what_a_hit_is_checked_against_teaches_as_well() -> None:
    rig = Rig()
    made = await rig.keep(PASSWORD, answer="like this")
    asides, aside = begun(rig, "please " + PASSWORD)
    aside.checked("openai_chat", made.body)
    assert asides.under_way == 0
    assert await aside.first() is not None
    aside.checked("openai_chat", made.body)
    aside.checked("openai_chat", kept("otherwise").body)
    await done(asides)
    assert sorted(rig.promise.noted) == [("p", 0.93, False), ("p", 0.93, True)]


@on_loop
async def test_without_an_embedding_an_answer_is_stored_for_the_very_same_question_alone() -> None:
    rig = Rig()
    rig.broken = True
    asides, aside = begun(rig, PASSWORD)
    aside.begin()
    assert aside.keep(kept("like this"))
    await done(asides)
    [(stored, vector)] = rig.store.held
    assert (stored, vector) == (kept("like this"), b"")
    assert not rig.semantic.goes_first(aside.question)


@on_loop
async def test_a_call_does_not_wait_long_and_the_look_goes_on_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    rig = Rig()
    await rig.keep(PASSWORD, answer="like this")
    rig.model_open.clear()
    noted: list[Found] = []
    asides, aside = begun(rig, "please " + PASSWORD, noted=noted)
    assert await aside.first() is None
    aside.begin()
    assert (asides.under_way, rig.semantic.counts) == (1, {"late": 1})
    rig.model_open.set()
    await done(asides)
    assert [found.says for found in noted] == ["hit"]


@on_loop
async def test_a_call_for_which_there_is_no_room_does_not_wait() -> None:
    rig = Rig()
    await rig.keep(PASSWORD, answer="like this")
    asides, aside = begun(rig, "please " + PASSWORD, most=0)
    assert await aside.first() is None
    assert asides.dropped == 1


@on_loop
async def test_only_so_much_is_done_beside_calls() -> None:
    rig = Rig()
    rig.model_open.clear()
    asides, aside = begun(rig, PASSWORD, most=1)
    aside.begin()
    other = Aside(asides, rig.asked(PASSWORD))
    other.begin()
    assert not other.keep(kept("like this"))
    assert (asides.under_way, asides.dropped) == (1, 2)
    rig.model_open.set()
    await done(asides)
    assert other.keep(kept("like this"))
    await done(asides)


@on_loop
async def test_at_the_end_what_hangs_is_ended() -> None:
    rig = Rig()
    rig.model_open.clear()
    asides, aside = begun(rig, PASSWORD)
    aside.begin()
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asides.close())
    await asyncio.sleep(0)
    rig.model_open.set()
    await closing
    assert asides.under_way == 0


@on_loop
async def test_a_bug_beside_a_call_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    asides, _ = begun(Rig(), PASSWORD)

    async def fail() -> None:
        raise ZeroDivisionError("the secret question")

    with caplog.at_level(logging.ERROR):
        asides.start(fail())
        await done(asides)
        await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["bug: ZeroDivisionError beside a call"]
