from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.cache import semantic as module
from gateway.cache.agreement import Agreement
from gateway.cache.embedding import Embedding
from gateway.cache.semantic import Question, Semantic, Verdict
from gateway.core.cache_rules import SemanticRule
from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatRequest, Text, Turn
from gateway.core.errors import ModelFailed
from tests.support.kept_answers import ListedAnswers, kept
from tests.support.on_loop import on_loop

NOW_S = 2_000
RULE = SemanticRule(mode="enforce", threshold=0.8, ttl_s=5_000)
WORDS = ["how", "do", "i", "reset", "my", "password", "open", "a", "account", "5", "7", "please", "weather", "oslo"]


class Found(msgspec.Struct, frozen=True):
    chance: float
    failed: tuple[str, ...]


class Judge:
    """Compares questions by their numbers; the chance is the cosine."""

    def read(self, text: str, language: str) -> bytes:
        return (language + ":" + " ".join(re.findall(r"\d+", text))).encode()

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        return Found(cosine, ("numbers",) if new != old else ()) if old else None


class Promise:
    """Allows what is likely enough, and writes down what it learns."""

    def __init__(self) -> None:
        self.least = 0.9
        self.noted: list[tuple[str, float, bool]] = []

    def allows(self, partition: str, chance: float) -> bool:
        return chance >= self.least

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        self.noted.append((partition, round(chance, 2), right))


class Rig:
    """The flow over a list, a bag of words and a judge that looks at numbers."""

    def __init__(self, rule: SemanticRule = RULE, store: ListedAnswers | None = None) -> None:
        self.store, self.promise = store or ListedAnswers(), Promise()
        self.model_open = asyncio.Event()
        self.model_open.set()
        self.broken = False
        self.embedding = Embedding(self._embed)
        agreement = Agreement(self.embedding.cosine, lambda _one, _other: (), 0.9)
        self.semantic = Semantic(
            rule, self.store, self.embedding, Judge(), self.promise, agreement, lambda: float(NOW_S)
        )

    async def _embed(self, texts: Sequence[str]) -> Any:
        await self.model_open.wait()
        if self.broken:
            raise ModelFailed("It is broken.")
        made = np.array([[text.lower().split().count(word) for word in WORDS] for text in texts], dtype=np.float32)
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-6)

    def asked(self, text: str, *, system: str = "Be kind.", partition: str = "p", revision: str = "r") -> Question:
        turns = (Turn(role="system", parts=(Text(text=system),)), Turn(role="user", parts=(Text(text=text),)))
        question = self.semantic.question(
            ChatRequest(dialect="openai_chat", model="a", turns=turns), partition, revision
        )
        assert question is not None
        return question

    async def keep(self, text: str, answer: str = "yes", **other: Any) -> CachedAnswer:
        question = self.asked(text, **{name: other.pop(name) for name in ("system", "partition") if name in other})
        assert await self.semantic.describe(question)
        made = kept(
            answer,
            partition=question.partition,
            fingerprint=question.asked.fingerprint,
            question=question.facts,
            **other,
        )
        await self.store.put(made, question.vector)
        self.semantic.kept(question)
        return made


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
async def test_a_call_does_not_wait_long() -> None:
    rig = Rig()
    await rig.keep("how do i reset my password")
    rig.model_open.clear()
    before, module.LOOK_S = module.LOOK_S, 0.001
    try:
        assert await rig.semantic.look(rig.asked("weather please"), urgent=True) is None
    finally:
        module.LOOK_S = before
    assert rig.semantic.counts == {"late": 1}
    assert rig.embedding.waiting == 0


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
    assert await rig.semantic.learn(found, kept("Open a account.")) is True
    assert await rig.semantic.learn(found, kept("weather oslo")) is False
    assert await rig.semantic.learn(found, kept("what", body=b"no answer")) is None
    assert rig.promise.noted == told.noted == [("p", 0.93, True), ("p", 0.93, False)]
    assert rig.semantic.counts == {"promise": 1, "right": 1, "wrong": 1, "untold": 1}


@on_loop
async def test_what_a_guard_has_turned_back_teaches_nothing() -> None:
    rig = Rig()
    await rig.keep("how do i open a account 5")
    found = await rig.semantic.look(rig.asked("how do i open a account 7"), urgent=False)
    assert found is not None
    assert await rig.semantic.learn(found, kept("yes")) is None
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
