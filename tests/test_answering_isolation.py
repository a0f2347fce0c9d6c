"""Nobody is given what another question brought: pairs of calls that differ in one thing, in every dialect.

What looks for questions that are alike is as careless here as can be: all texts are one point to it, every answer
serves, and whatever was promised allows it. What keeps calls apart is the digests alone, those of exact answers and
those of everything but the question, over a real store on disk. With WEIGHBRIDGE_SOAK=1 over 100,000 pairs.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from gateway.app.nearby import Nearby
from gateway.cache import asides as beside
from gateway.cache.agreement import Agreement
from gateway.cache.asides import Asides
from gateway.cache.careful import CarefulStore
from gateway.cache.embedded import EmbeddedShelf
from gateway.cache.embedding import Embedding
from gateway.cache.semantic import Semantic, Verdict
from gateway.core.cache_rules import CacheRules, SemanticRule
from gateway.core.exchange import Timeouts
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.core.record import ExchangeRecord
from gateway.core.verdict import Bundle
from gateway.course import Known
from gateway.guards.engine import GuardEngine
from gateway.identity.keys import KeyIdentity
from tests.support.asked import (
    APART,
    CONVERSATIONS,
    DIALECTS,
    KEYS,
    REVISIONS,
    WORDS,
    Asking,
    differing,
    drawn,
    written,
)
from tests.support.figures import SOAK
from tests.support.response_streams import message, response
from tests.support.rooms import PROVIDER, USAGE, Rooms, Wire, answer, run, whole
from tests.support.sinks import ListReply

PAIRS = 100_000 if SOAK else 150
# Of a pair that differs in nothing, every so many.
CONTROL = 5
PEPPER = b"p" * 32
# However busy the machine is, a call waits for its neighbour: what a pair is given is never left to the time it takes.
PATIENCE_S = 60.0


class _Sure(msgspec.Struct, frozen=True):
    chance: float = 1.0
    failed: tuple[str, ...] = ()
    most: float = 1.0


class _Careless:
    """A judge and a promise to which every answer serves every question."""

    async def read(self, text: str, language: str, vector: bytes) -> bytes:
        return b"facts"

    def compare(self, new: bytes, old: bytes, cosine: float) -> Verdict | None:
        return _Sure()

    async def together(self, new: bytes, old: bytes, chance: float) -> float:
        return 1.0

    def allows(self, partition: str, chance: float) -> bool:
        return True

    def careful(self, partition: str) -> bool:
        return False

    def note(self, partition: str, chance: float, *, right: bool) -> None:
        pass


async def _one_point(texts: Sequence[str]) -> Any:
    return np.eye(1, 384, dtype=np.float32).repeat(len(texts), axis=0)


class Shared(Rooms):
    """Callers with keys, two aliases and two revisions of the rules before one store, and a provider who counts."""

    def __init__(self, home: Path) -> None:
        other = msgspec.structs.replace(PROVIDER, timeouts=Timeouts())
        super().__init__(None, cache=CacheRules(semantic=SemanticRule(mode="enforce")), aliases={"n": other})
        answers = self.answers
        assert answers is not None
        shelf = EmbeddedShelf(home, self.clock, max_bytes=1 << 26, max_entries=2_000, neighbours=True)
        self.shelf, self.store = shelf, CarefulStore(shelf, self.clock, PATIENCE_S)
        answers.store, careless = self.store, _Careless()
        embedding = Embedding(_one_point)
        agreement = Agreement(embedding.cosine, lambda _one, _other: (), 0.9)
        rule = SemanticRule(mode="enforce")
        semantic = Semantic(rule, self.store, embedding, careless, careless, agreement, self._unix_s)
        self.semantic, self.asides = semantic, Asides(semantic, self.store)
        answers.neighbours = Nearby(self.asides, answers.partition, answers.counts.count, self._unix_s)
        keys = tuple(
            DeclaredKey(id=secret, tenant=tenant, team=team, digest=digest_secret(secret.encode(), PEPPER))
            for secret, (tenant, team) in KEYS.items()
        )
        courses = msgspec.structs.replace(self.pipeline.courses, identity=KeyIdentity.of(keys, PEPPER))
        self._under = {
            revision: msgspec.structs.replace(
                self.pipeline,
                courses=msgspec.structs.replace(courses, guards=GuardEngine(Bundle(revision=revision)), known=Known()),
            )
            for revision in REVISIONS
        }
        self.answered = 0

    def send(self, origin: Any, wire: bytes, sink: Any, timeouts: Timeouts) -> Wire:
        """Answer each request otherwise."""
        self.answered += 1
        said = f"answer number {self.answered}."
        body = answer(said, usage=USAGE)
        if b"/responses" in wire.split(b"\r\n", 1)[0]:
            body = orjson.dumps(response(message(said)))
        elif b"/chat/" not in wire.split(b"\r\n", 1)[0]:
            choice = {"index": 0, "text": said, "finish_reason": "stop"}
            body = orjson.dumps({"id": "1", "object": "text_completion", "choices": [choice], "usage": USAGE})
        self.loop.call_soon(whole(body), sink)
        return Wire(wire, sink, self.log)

    async def ask(self, asking: Asking) -> tuple[ListReply, ExchangeRecord]:
        """Ask, and wait until what is done beside the call is done."""
        self.log.clear()
        self.records.clear()
        self.pipeline = self._under[asking.revision]
        reply = await self.serve(written(asking))
        while self.asides.under_way:
            await asyncio.sleep(0.0005)
        await self.shelf.settled()
        (record,) = self.records
        assert reply.status == 200, (asking, reply.body)
        return reply, record

    async def close(self) -> None:
        """Let go of the store."""
        await self.asides.close()
        await self.store.close()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[Any], None]:
    """Run a test with all of it; where nothing is found for a bug's sake, nothing is shown to be kept apart."""
    monkeypatch.setattr(beside, "LOOK_S", PATIENCE_S)

    async def main(test: Any) -> None:
        rooms = Shared(tmp_path)
        await rooms.store.open()
        try:
            await test(rooms)
        finally:
            await rooms.close()
        assert "bug:" not in caplog.text
        assert rooms.semantic.counts["hit"]
        assert not rooms.semantic.counts["late"]

    return lambda test: run(lambda: main(test))


@pytest.mark.timeout(7_200 if SOAK else 120)
def test_calls_that_differ_in_one_thing_are_never_given_each_others_answers(shared: Callable[[Any], None]) -> None:
    seed = int.from_bytes(os.urandom(6), "big") if SOAK else 20_261_126
    chance = random.Random(seed)
    told: Counter[str] = Counter()

    async def test(rooms: Shared) -> None:
        for mark in range(PAIRS):
            first = drawn(chance, mark)
            if mark % CONTROL == 0:
                second, names = msgspec.structs.replace(first, text=chance.choice(WORDS)), []
            else:
                second, names = differing(first, chance)
                second = msgspec.structs.replace(second, text=chance.choice((first.text, *WORDS)))
                # In the words of another dialect: whatever cannot be said there is no difference any more.
                if chance.random() < 0.3 and first.dialect in CONVERSATIONS:
                    second = msgspec.structs.replace(second, dialect=chance.choice(CONVERSATIONS))
            _, made = await rooms.ask(first)
            before = rooms.answered
            reply, record = await rooms.ask(second)
            about = (seed, names, first, second, record.cache, record.cached)
            assert made.cache == "miss", about
            if names:
                told.update((*names, f"{first.dialect} > {second.dialect}"))
                assert (record.cache, record.cached, rooms.answered) == ("miss", [], before + 1), about
                assert f"answer number {rooms.answered}.".encode() in reply.body, about
                continue
            same_words = first.text == second.text
            alike = "hit-exact" if same_words else "hit-semantic" if first.dialect in CONVERSATIONS else "miss"
            assert record.cache == alike, about
            assert [each.origin for each in record.cached] == ([made.id] if alike != "miss" else []), about

    shared(test)
    assert set(told) >= {*APART, *(f"{each} > {each}" for each in DIALECTS)}


def test_every_dialect_and_every_thing_that_tells_calls_apart(shared: Callable[[Any], None]) -> None:
    async def test(rooms: Shared) -> None:
        mark = 0
        for dialect in DIALECTS:
            plain = {name: values[0] for name, values in APART.items()}
            for name, values in APART.items():
                if dialect == "openai_completions" and name in {"tools", "form"}:
                    continue
                mark += 1
                first = Asking(**plain, text=WORDS[0], dialect=dialect, mark=mark)
                _, made = await rooms.ask(first)
                for value in values[1:]:
                    changed = msgspec.structs.replace(first, **{name: value})
                    for text in WORDS:
                        _, record = await rooms.ask(msgspec.structs.replace(changed, text=text))
                        # An answer to the same in other words may be that to its own twin, never to the first.
                        assert made.id not in [each.origin for each in record.cached], (dialect, name, value)
                        assert text != WORDS[0] or record.cache == "miss", (dialect, name, value)
                _, again = await rooms.ask(first)
                assert (again.cache, again.cached[0].origin) == ("hit-exact", made.id), (dialect, name)

    shared(test)
