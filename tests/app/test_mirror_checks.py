"""Calls that kept answers were served to are asked too, now and then, for the cache to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cache.said import said_of
from gateway.config.settings import Settings
from gateway.core.cache_rules import CacheRules, SemanticMode, SemanticRule
from gateway.core.errors import ConnectFailed
from gateway.moves import Served
from tests.support.duel import settled
from tests.support.mirrored import GOOD, Mirrored
from tests.support.rooms import DONE, chat, event, failing, run
from tests.support.rooms import stream as streamed
from tests.support.settings import good, load


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("home")
    return good(load(folder))


class Noting:
    """Takes down the calls that might be copied, and copies none."""

    def __init__(self) -> None:
        self.served: list[Served] = []

    def draw(self, rooms: Any, call: Any, request: Any, course: Any, document: Any) -> None:
        rooms.journal.record(call)
        self.served.append(Served(rooms, call, request, course, document))

    def check(self, served: Served, then: Any, *, always: bool = False) -> None:
        raise AssertionError("nobody was served from anywhere")


def checking(settings: Settings, sample: float = 1.0, mode: SemanticMode = "enforce") -> Settings:
    semantic = SemanticRule(mode=mode, compare_sample=sample)
    return msgspec.structs.replace(settings, cache=CacheRules(semantic=semantic))


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_a_kept_answer_was_served_to_can_be_asked_too(settings: Settings, *, stream: bool):
    async def test() -> None:
        rooms, noting = Mirrored(settings), Noting()
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, mirrors=noting)
        rooms.mirrors.install(rooms.pipeline, checking(settings))
        script = streamed(event("hello"), event(), DONE) if stream else GOOD
        await rooms.called(chat("hello", stream=stream), script)
        [served] = noting.served
        answers: list[tuple[str, bytes]] = []
        rooms.mirrors.check(served, lambda dialect, body: answers.append((dialect, body)))
        await settled(lambda: len(rooms.wires) == 2)
        script(rooms.wires[1].sink)
        await rooms.quiet()
        # The deployment that would have been asked is; the copy is on a record of its own, and its answer is whole.
        assert rooms.hosts == ["p", "p"]
        assert rooms.copy.key_id == ""
        [(dialect, body)] = answers
        said = said_of(dialect, body, stream=False)
        assert said is not None
        assert said.text == ("hello" if stream else "hi there")
        assert rooms.metrics.mirror("(cache)", "served").answered == 1

    run(test)


@pytest.mark.parametrize("how", [{"sample": 0.0}, {"mode": "shadow"}])
def test_calls_are_not_asked_too_where_nobody_wants_that(settings: Settings, how: dict[str, Any]):
    async def test() -> None:
        rooms, noting = Mirrored(settings), Noting()
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, mirrors=noting)
        rooms.mirrors.install(rooms.pipeline, checking(settings, **how))
        await rooms.called(chat("hello"))
        rooms.mirrors.check(noting.served[0], lambda _dialect, _body: None)
        await rooms.quiet()
        assert rooms.hosts == ["p"]
        if "sample" in how:
            rooms.mirrors.check(noting.served[0], lambda _dialect, _body: None, always=True)
            await settled(lambda: rooms.hosts == ["p", "p"])
            GOOD(rooms.wires[1].sink)
            await rooms.quiet()

    run(test)


def test_what_failed_teaches_nothing(settings: Settings):
    async def test() -> None:
        rooms, noting = Mirrored(settings), Noting()
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, mirrors=noting)
        rooms.mirrors.install(rooms.pipeline, checking(settings))
        await rooms.called(chat("hello"))
        answers: list[bytes] = []
        rooms.mirrors.check(noting.served[0], lambda _dialect, body: answers.append(body))
        await settled(lambda: len(rooms.wires) == 2)
        failing(ConnectFailed("gone"))(rooms.wires[1].sink)
        await rooms.quiet()
        assert (answers, rooms.metrics.mirror("(cache)", "served").failed) == ([], 1)

    run(test)
