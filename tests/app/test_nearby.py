"""Calls whose question is like one before: what is served, what is only noted, and what is learnt from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.app.nearby import Nearby
from gateway.cache.agreement import Agreement
from gateway.cache.asides import Asides
from gateway.cache.semantic import Semantic
from gateway.core.cache_rules import CacheRules, SemanticMode, SemanticRule
from gateway.core.exchange import Incoming
from gateway.moves import Served
from tests.support.rooms import DONE, USAGE, Rooms, Script, answer, chat, event, rule, run, stream, whole
from tests.support.semantic_rig import Judge, Rig
from tests.support.sinks import ListReply

PASSWORD, ALIKE, OTHER = "how do i reset my password", "please how do i reset my password", "weather oslo"
GOOD = whole(answer("like this", usage=USAGE))


class Checking:
    """Takes down which calls were to be asked too."""

    def __init__(self) -> None:
        self.asked: list[tuple[Served, Callable[[str, bytes], None], bool]] = []

    def draw(self, *_: Any) -> None:
        raise AssertionError("no alias has a mirror")

    def check(self, served: Served, then: Callable[[str, bytes], None], *, always: bool = False) -> None:
        self.asked.append((served, then, always))


class Near(Rooms):
    """Rooms that look for neighbours, by a bag of words and by numbers."""

    def __init__(self, script: Script | None, *rules: Any, mode: SemanticMode = "enforce") -> None:
        semantic = SemanticRule(mode=mode)
        cache = CacheRules(semantic=semantic)
        super().__init__(script, *rules, cache=cache)
        assert self.answers is not None
        self.rig, self.checking, answers = Rig(), Checking(), self.answers
        self.store = answers.store = self.rig.store
        embedding, promise = self.rig.embedding, self.rig.promise
        agreement = Agreement(embedding.cosine, lambda _one, _other: (), 0.9)
        self.semantic = Semantic(semantic, self.store, embedding, Judge(), promise, agreement, self._unix_s)
        self.asides = Asides(self.semantic, self.store)
        answers.neighbours = Nearby(self.asides, answers.partition, answers.counts.count, self._unix_s)
        self.pipeline = msgspec.structs.replace(self.pipeline, mirrors=self.checking)

    async def asked(self, text: str, **more: Any) -> ListReply:
        """Ask, and wait until all that is done beside the call is done."""
        reply = await self.serve(chat(text, **more))
        await self.quiet()
        return reply

    async def quiet(self) -> None:
        await asyncio.sleep(0)
        while self.asides.under_way:
            await asyncio.sleep(0.001)

    @property
    def results(self) -> dict[str, int]:
        assert self.answers is not None
        return self.answers.counts.results


def asking(asked: Incoming, **headers: str) -> Incoming:
    asked.headers |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asked


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_in_other_words_is_given_the_answer_and_costs_nothing(*, streamed: bool):
    async def test() -> None:
        pieces = (event("like "), event("this"), event(), event(usage=USAGE), DONE)
        more = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
        rooms = Near(stream(*pieces) if streamed else GOOD)
        first, second = await rooms.asked(PASSWORD, **more), await rooms.asked(ALIKE, **more)
        assert len(rooms.wires) == 1
        assert (first.header("x-weighbridge-cache"), second.header("x-weighbridge-cache")) == ("miss", "hit-semantic")
        assert b"this" in second.body
        miss, hit = rooms.records
        assert (hit.cache, hit.cost_nanousd, hit.input_tokens, hit.attempts) == ("hit-semantic", 0, 0, [])
        [told] = hit.cached
        assert (told.origin, told.saved_nanousd, told.shadow, told.guards) == (miss.id, miss.cost_nanousd, "", [])
        assert (round(told.similarity or 0, 2), round(told.chance or 0, 2)) == (0.93, 0.93)
        assert rooms.results["hit_semantic"] == 1
        # A share of what was served is asked too; who draws it is told which call that was.
        [(served, then, always)] = rooms.checking.asked
        assert (served.call.record is not None, always) == (True, False)
        then("openai_chat", answer("otherwise"))
        await rooms.quiet()
        assert rooms.rig.promise.noted == [(told.partition, 0.93, False)]
        # Something went wrong there: what is served next is asked too, whatever the share is.
        await rooms.asked("how do i reset my password please", **more)
        assert rooms.checking.asked[-1][2] is True

    run(test)


def test_a_near_miss_is_asked_and_what_did_not_agree_is_on_record():
    async def test() -> None:
        rooms = Near(GOOD)
        await rooms.asked("how do i open a account 5")
        reply = await rooms.asked("how do i open a account 7")
        assert (len(rooms.wires), reply.header("x-weighbridge-cache")) == (2, "miss")
        [told] = rooms.records[1].cached
        assert (told.shadow, told.guards, told.origin) == ("guards", ["numbers"], rooms.records[0].id)
        assert (rooms.results["near_guards"], rooms.rig.promise.noted) == (1, [])
        assert rooms.checking.asked == []

    run(test)


@pytest.mark.parametrize(
    "more",
    [
        {"messages": [{"role": "system", "content": "Be harsh."}, {"role": "user", "content": ALIKE}]},
        {"temperature": 1.9},
        {"tools": [{"type": "function", "function": {"name": "wx"}}]},
        {"stream": True},
        {"max_tokens": 5},
    ],
)
def test_what_is_told_otherwise_is_asked(more: dict[str, Any]):
    async def test() -> None:
        rooms = Near(GOOD)
        await rooms.asked(PASSWORD)
        reply = await rooms.asked(ALIKE, **more)
        assert (len(rooms.wires), reply.header("x-weighbridge-cache")) == (2, "miss")
        assert rooms.records[1].cached == []

    run(test)


def test_in_shadow_everything_is_asked_and_what_would_have_been_served_is_on_record():
    async def test() -> None:
        rooms = Near(None, mode="shadow")
        for text in (PASSWORD, ALIKE):
            reply = ListReply(rooms.log)
            drive = rooms.begin(chat(text), reply)
            # The look goes on while the provider thinks.
            await asyncio.sleep(0.01)
            GOOD(rooms.wires[-1].sink)
            await drive.wait()
            await rooms.quiet()
            assert reply.header("x-weighbridge-cache") == "miss"
        assert rooms.records[0].cached == []
        [told] = rooms.records[1].cached
        assert (told.shadow, told.origin, rooms.records[1].cost_nanousd) == ("hit", rooms.records[0].id, 18_000)
        assert rooms.results["shadow_hit"] == 1
        # Both were answered alike, so it would have been right.
        assert [right for _, _, right in rooms.rig.promise.noted] == [True]

    run(test)


def test_a_look_that_comes_too_late_for_the_record_is_learnt_from_all_the_same():
    async def test() -> None:
        rooms = Near(GOOD, mode="shadow")
        await rooms.asked(PASSWORD)
        rooms.rig.model_open.clear()
        reply = await rooms.serve(chat(ALIKE))
        assert (reply.status, rooms.records[1].cached) == (200, [])
        rooms.rig.model_open.set()
        await rooms.quiet()
        assert [right for _, _, right in rooms.rig.promise.noted] == [True]

    run(test)


def test_a_promise_that_is_broken_serves_no_more():
    async def test() -> None:
        rooms = Near(GOOD)
        await rooms.asked(PASSWORD)
        rooms.rig.promise.least = 0.95
        assert (await rooms.asked(ALIKE)).header("x-weighbridge-cache") == "miss"
        assert [each.shadow for each in rooms.records[1].cached] == ["promise"]
        rooms.rig.promise.least = 0.9
        reply = await rooms.asked("how do i reset my password please")
        assert reply.header("x-weighbridge-cache") == "hit-semantic"

    run(test)


def test_a_client_that_wants_a_fresh_answer_is_given_none_and_one_that_wants_no_cache_leaves_nothing():
    async def test() -> None:
        rooms = Near(GOOD)
        await rooms.asked(PASSWORD)
        reply = await rooms.serve(asking(chat(ALIKE), x_weighbridge_cache="refresh"))
        await rooms.quiet()
        assert (reply.header("x-weighbridge-cache"), len(rooms.rig.store.held)) == ("miss", 2)
        reply = await rooms.serve(asking(chat("please " + ALIKE), x_weighbridge_cache="off"))
        await rooms.quiet()
        assert (reply.header("x-weighbridge-cache"), len(rooms.rig.store.held)) == ("off", 2)

    run(test)


def test_rules_look_at_what_is_served_and_what_they_turn_back_is_forgotten():
    async def test() -> None:
        rooms = Near(whole(answer("an osprey", usage=USAGE)))
        await rooms.asked(PASSWORD)
        strict = Near(None, rule("osprey", "block", "response"))
        strict.rig.store.held = rooms.rig.store.held
        strict.semantic._known = rooms.semantic._known
        reply = await strict.asked(ALIKE)
        assert reply.status == 400
        assert (strict.record.cache, strict.record.verdict) == ("hit-semantic", "block")
        assert strict.rig.store.held == []

    run(test)


def test_what_is_masked_is_no_question_for_others():
    async def test() -> None:
        rooms = Near(GOOD, rule("osprey", "mask", "request"))
        await rooms.asked(PASSWORD + " osprey")
        await rooms.asked(ALIKE + " osprey")
        assert len(rooms.wires) == 2
        assert [vector for _, vector in rooms.rig.store.held if vector] == []

    run(test)


def test_a_store_that_does_not_search_keeps_answers_for_the_very_same_question():
    async def test() -> None:
        rooms = Near(GOOD)
        rooms.rig.store.searches = False
        await rooms.asked(PASSWORD)
        assert (await rooms.asked(ALIKE)).header("x-weighbridge-cache") == "miss"
        assert (await rooms.asked(PASSWORD)).header("x-weighbridge-cache") == "hit-exact"

    run(test)


def test_an_answer_is_kept_for_the_longer_of_both_times_and_given_to_the_same_question_for_its_own():
    async def test() -> None:
        rooms = Near(GOOD)
        await rooms.asked(PASSWORD)
        [(kept, _)] = rooms.rig.store.held
        assert kept.expires_s - kept.stored_s == 86_400
        rooms.clock.advance(3_601)
        reply = await rooms.asked(PASSWORD)
        assert reply.header("x-weighbridge-cache") == "hit-semantic"
        rooms.clock.advance(86_400)
        assert (await rooms.asked(ALIKE)).header("x-weighbridge-cache") == "miss"

    run(test)


def test_what_is_not_kept_leaves_nothing_under_way():
    async def test() -> None:
        rooms = Near(whole(b'{"error":{"message":"no"}}', status=500))
        await rooms.asked(PASSWORD)
        assert (rooms.rig.store.held, rooms.asides.under_way) == ([], 0)
        assert rooms.answers is not None
        assert rooms.answers.neighbours is not None
        await rooms.answers.neighbours.close()

    run(test)
