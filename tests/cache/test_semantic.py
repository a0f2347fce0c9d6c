from __future__ import annotations

import msgspec
import pytest

from gateway.cache import semantic as module
from gateway.cache.said import Said
from gateway.core.chat import ChatRequest, Turn
from tests.support.kept_answers import kept
from tests.support.on_loop import on_loop
from tests.support.semantic_rig import NOW_S, RULE, Promise, Rig


@on_loop
async def test_the_same_in_other_words_is_found_and_served() -> None:
    rig = Rig()
    made = await rig.keep("how do i reset my password")
    found = await rig.semantic.look(rig.asked("please how do i reset my password"), urgent=True)
    assert found is not None
    assert (found.answer, found.says, found.failed) == (made, "hit", ())
    assert found.similarity == pytest.approx(0.926, abs=0.01)
    assert rig.semantic.counts == {"hit": 1}


@on_loop
async def test_a_fact_that_differs_turns_it_back_and_one_that_does_not_is_preferred() -> None:
    rig = Rig()
    await rig.keep("how do i open a account 5", answer="five")
    other = rig.asked("how do i open a account 7")
    found = await rig.semantic.look(other, urgent=True)
    assert found is not None
    assert (found.says, found.failed) == ("guards", ("numbers",))
    right = await rig.keep("please how do i open a account 7", answer="seven")
    found = await rig.semantic.look(rig.asked("how do i open a account 7"), urgent=True)
    assert found is not None
    assert (found.answer, found.says) == (right, "hit")


@on_loop
async def test_what_is_not_likely_enough_is_not_served() -> None:
    rig = Rig()
    await rig.keep("how do i reset my password")
    rig.promise.least = 0.95
    found = await rig.semantic.look(rig.asked("please how do i reset my password"), urgent=True)
    assert found is not None
    assert found.says == "promise"


@pytest.mark.parametrize(("says", "served"), [(0.99, "hit"), (0.5, "promise"), (None, "promise")])
@on_loop
async def test_what_may_serve_is_read_together_with_the_question_and_that_counts(
    says: float | None, served: str
) -> None:
    rig = Rig()
    await rig.keep("how do i reset my password")
    rig.promise.least, rig.judge.says = 0.95, says
    found = await rig.semantic.look(rig.asked("please how do i reset my password"), urgent=True)
    assert found is not None
    assert (found.says, found.chance) == (served, pytest.approx(says or 0.926, abs=0.01))
    assert rig.judge.read_together == ([] if says is None else [(b"en:", 0.93)])


@on_loop
async def test_what_a_guard_has_turned_back_is_not_read() -> None:
    rig = Rig()
    await rig.keep("how do i open a account 5", answer="five")
    rig.judge.says = 0.99
    found = await rig.semantic.look(rig.asked("how do i open a account 7"), urgent=True)
    assert found is not None
    assert (found.says, rig.judge.read_together) == ("guards", [])


@on_loop
async def test_where_nothing_may_be_served_the_chance_is_the_same() -> None:
    rig = Rig()
    await rig.keep("how do i reset my password")
    rig.judge.says, rig.promise.least = 0.99, 1.5
    found = await rig.semantic.look(rig.asked("please how do i reset my password"), urgent=True)
    assert found is not None
    assert (found.says, found.chance) == ("promise", 0.99)


@on_loop
async def test_the_likeliest_are_read_first_until_one_serves() -> None:
    rig = Rig()
    await rig.keep("how do i reset my account", answer="far")
    near = await rig.keep("how do i reset my password", answer="near")
    rig.promise.least, rig.judge.says = 0.6, 0.99
    question = "please how do i reset my password"
    found = await rig.semantic.look(rig.asked(question), urgent=True)
    assert found is not None
    assert (found.answer, len(rig.judge.read_together)) == (near, 1)
    rig.judge.says = 0.1
    found = await rig.semantic.look(rig.asked(question), urgent=True)
    assert found is not None
    assert (found.says, found.chance, len(rig.judge.read_together)) == ("promise", 0.1, 3)


@on_loop
async def test_what_is_too_far_or_too_old_or_without_facts_is_no_neighbour() -> None:
    rig = Rig()
    await rig.keep("weather oslo")
    assert await rig.semantic.look(rig.asked("how do i reset my password"), urgent=True) is None
    await rig.keep("how do i reset my password", stored_s=NOW_S - 5_000)
    assert await rig.semantic.look(rig.asked("how do i reset my password"), urgent=True) is None
    question = rig.asked("weather please")
    assert await rig.semantic.describe(question)
    await rig.store.put(kept("x", fingerprint=question.asked.fingerprint), question.vector)
    assert await rig.semantic.look(rig.asked("weather please"), urgent=True) is None
    assert rig.semantic.counts == {"none": 3}


@pytest.mark.parametrize("careless", [False, True])
@pytest.mark.parametrize(
    "other", [{"system": "Be harsh."}, {"partition": "of another tenant"}, {"policy_revision": "r2"}]
)
@on_loop
async def test_nothing_crosses_tenants_rules_or_prompts_even_where_a_store_gives_it(
    *, other: dict[str, str], careless: bool
) -> None:
    rig = Rig()
    rig.store.careless = careless
    await rig.keep("how do i reset my password", **other)
    assert await rig.semantic.look(rig.asked("how do i reset my password"), urgent=True) is None


@on_loop
async def test_a_call_waits_only_where_there_is_something_to_find() -> None:
    rig = Rig()
    question = rig.asked("how do i reset my password")
    assert not rig.semantic.goes_first(question)
    await rig.keep("how do i reset my password")
    assert rig.semantic.goes_first(question)
    rig.promise.least = 1.5
    assert not rig.semantic.goes_first(question)
    assert not rig.semantic.goes_first(rig.asked("how do i reset my password", system="Be harsh."))


@on_loop
async def test_in_shadow_no_call_waits() -> None:
    rig = Rig(msgspec.structs.replace(RULE, mode="shadow"))
    await rig.keep("how do i reset my password")
    assert not rig.semantic.goes_first(rig.asked("how do i reset my password"))
    found = await rig.semantic.look(rig.asked("how do i reset my password"), urgent=False)
    assert found is not None
    assert found.says == "hit"


@on_loop
async def test_what_another_process_has_stored_is_known_once_it_was_seen() -> None:
    theirs = Rig()
    mine = Rig(store=theirs.store)
    await theirs.keep("how do i reset my password")
    question = mine.asked("please how do i reset my password")
    assert not mine.semantic.goes_first(question)
    assert await mine.semantic.look(question, urgent=False) is not None
    assert mine.semantic.goes_first(question)


@on_loop
async def test_without_an_embedding_there_is_no_neighbour_and_nothing_is_described() -> None:
    rig = Rig()
    await rig.keep("how do i reset my password")
    rig.broken = True
    assert await rig.semantic.look(rig.asked("how do i reset my password"), urgent=True) is None
    assert not await rig.semantic.describe(rig.asked("how do i reset my password"))
    assert rig.semantic.counts == {"unembedded": 2, "none": 1}


@on_loop
async def test_what_is_no_question_is_counted() -> None:
    rig = Rig()
    chat = ChatRequest(dialect="openai_chat", model="a", turns=(Turn(role="user", parts=()),))
    assert rig.semantic.question(chat, "p", "r") is None
    assert rig.semantic.counts == {"unfit": 1}


@on_loop
async def test_what_came_teaches_whether_the_neighbour_would_have_served() -> None:
    rig = Rig()
    told = Promise()
    rig.semantic.learnt = told.note
    await rig.keep("how do i reset my password", answer="open a account")
    rig.promise.least = 0.95
    found = await rig.semantic.look(rig.asked("please how do i reset my password"), urgent=False)
    assert found is not None
    assert await rig.semantic.learn(found, Said("Open a account.")) is True
    assert await rig.semantic.learn(found, Said("weather oslo")) is False
    assert await rig.semantic.learn(found, None) is None
    assert rig.promise.noted == told.noted == [("p", 0.93, True), ("p", 0.93, False)]
    assert rig.semantic.counts == {"promise": 1, "right": 1, "wrong": 1, "untold": 1}


@on_loop
async def test_what_a_guard_has_turned_back_teaches_nothing() -> None:
    rig = Rig()
    await rig.keep("how do i open a account 5")
    found = await rig.semantic.look(rig.asked("how do i open a account 7"), urgent=False)
    assert found is not None
    assert await rig.semantic.learn(found, Said("yes")) is None
    assert rig.promise.noted == []


@on_loop
async def test_only_so_many_fingerprints_are_known() -> None:
    rig = Rig()
    before, module.KNOWN = module.KNOWN, 2
    try:
        for system in ("a", "b", "c"):
            await rig.keep("weather please", system=system)
    finally:
        module.KNOWN = before
    asked = {system: rig.asked("weather please", system=system) for system in "abc"}
    assert [name for name, question in asked.items() if rig.semantic.goes_first(question)] == ["b", "c"]
