"""Which calls are copied, how many at once, and when that ends; and that their clients never feel it."""

from __future__ import annotations

import asyncio
from copy import copy
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.app.mirrors import can_be_copied
from gateway.config.settings import Settings
from gateway.core.errors import ConnectFailed
from gateway.core.exchange import Incoming, MirrorRule, Principal
from gateway.identity.open import OpenIdentity
from gateway.wire.select import select
from tests.support.duel import settled
from tests.support.incoming import json_incoming
from tests.support.mirrored import GOOD, MIRROR, Mirrored
from tests.support.rooms import DONE, EVENTS, USAGE, Script, answer, chat, event, failing, rule, run, whole
from tests.support.settings import good, load

TWO_AT_MOST = MirrorRule(sample=1.0, concurrency=1, queue=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("home")
    return good(load(folder))


def outcomes(rooms: Mirrored) -> dict[str, int]:
    counts = rooms.counts
    names = ("answered", "failed", "blocked", "dropped", "too_large", "unfit", "stopped")
    return {name: number for name in names if (number := getattr(counts, name))}


def test_nobody_else_is_asked_before_the_client_has_its_answer(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        drive, reply = await rooms.begun(chat("hello"))
        assert rooms.hosts == ["p"]
        GOOD(rooms.wires[0].sink)
        await drive.wait()
        assert (reply.status, reply.body, rooms.hosts) == (200, answer("hi there", usage=USAGE), ["p"])
        await settled(lambda: len(rooms.wires) == 2)
        assert rooms.hosts == ["p", "q"]
        assert (rooms.counts.running, rooms.counts.waiting) == (1, 0)
        assert rooms.sent(1) == {"model": "other-1", "messages": [{"role": "user", "content": "hello"}]}
        GOOD(rooms.wires[1].sink)
        await rooms.quiet()
        # Nothing of it has reached the client.
        assert reply.body == answer("hi there", usage=USAGE)
        assert b"x-weighbridge-attempts: 1\r\n" in reply.headers
        assert outcomes(rooms) == {"answered": 1}
        assert (rooms.counts.running, rooms.mirrors.under_way) == (0, 0)

    run(test)


def test_a_streamed_call_is_copied_when_its_last_byte_has_gone(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        drive, reply = await rooms.begun(chat("hello", stream=True))
        sink = rooms.wires[0].sink
        sink.on_head(200, dict(EVENTS))
        sink.on_data(event("hi there"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert rooms.hosts == ["p"]
        for piece in (event(), event(usage=USAGE), DONE):
            sink.on_data(piece)
        sink.on_end()
        await drive.wait()
        assert reply.ended
        shown = reply.body
        await settled(lambda: len(rooms.wires) == 2)
        assert rooms.sent(1)["stream"] is True
        other = rooms.wires[1].sink
        other.on_head(200, dict(EVENTS))
        for piece in (event("hi "), event("there"), event(), event(usage=USAGE), DONE):
            other.on_data(piece)
        other.on_end()
        await rooms.quiet()
        assert (rooms.compared.same_text, rooms.compared.chars, reply.body) == (True, 8, shown)
        assert rooms.copy.stream

    run(test)


def test_the_share_is_drawn_by_chance(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=MirrorRule(sample=0.25))
        draws = Random(1)
        for _ in range(40):
            before = len(rooms.copies)
            if draws.random() < 0.25:
                await rooms.copied(chat("hello"))
                assert len(rooms.copies) == before + 1
            else:
                await rooms.called(chat("hello"))
                await rooms.quiet()
                assert len(rooms.copies) == before
        assert 0 < len(rooms.copies) < 40
        assert outcomes(rooms) == {"answered": len(rooms.copies)}

    run(test)


def test_a_call_that_is_not_drawn_is_an_ordinary_one(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=MirrorRule(sample=1e-9))
        await rooms.called(chat("hello"))
        await rooms.quiet()
        # One that has a record of its own counts its tries there.
        assert rooms.first_tries == 1

    run(test)


@pytest.mark.parametrize("script", [whole(b'{"error": {}}', 500), failing(ConnectFailed("no")), whole(b"{}", 400)])
def test_a_call_that_failed_has_no_copy(settings: Settings, script: Script):
    async def test() -> None:
        rooms = Mirrored(settings)
        await rooms.called(chat("hello"), script)
        await rooms.quiet()
        assert (rooms.hosts, outcomes(rooms)) == (["p"], {})

    run(test)


def test_a_call_that_a_rule_turns_back_has_no_copy(settings: Settings):
    async def test() -> None:
        asked = Mirrored(settings, rule("osprey", "block", "request"))
        (reply,) = [await asked.serve(chat("an osprey"))]
        await asked.quiet()
        assert (reply.status, asked.hosts, outcomes(asked)) == (400, [], {})
        answered = Mirrored(settings, rule("falcon", "block", "response"))
        reply = await answered.called(chat("hello"), whole(answer("a falcon", usage=USAGE)))
        await answered.quiet()
        assert (reply.status, answered.hosts, outcomes(answered)) == (400, ["p"], {})

    run(test)


def test_no_more_are_on_their_way_or_wait_than_may(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=TWO_AT_MOST)
        for number in range(5):
            await rooms.called(chat(f"call {number}"))
            await asyncio.sleep(0)
        await settled(lambda: rooms.hosts.count("q") == 1)
        assert (rooms.counts.running, rooms.counts.waiting, outcomes(rooms)) == (1, 1, {"dropped": 3})
        GOOD(rooms.wires[rooms.hosts.index("q")].sink)
        await settled(lambda: rooms.hosts.count("q") == 2)
        GOOD(rooms.wires[-1].sink)
        await rooms.quiet()
        texts = [rooms.sent(at)["messages"][0]["content"] for at, host in enumerate(rooms.hosts) if host == "q"]
        assert texts == ["call 0", "call 1"]
        assert outcomes(rooms) == {"answered": 2, "dropped": 3}

    run(test)


def test_with_no_queue_what_cannot_go_at_once_is_dropped(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=MirrorRule(sample=1.0, concurrency=1, queue=0))
        await rooms.called(chat("one"))
        await settled(lambda: rooms.hosts.count("q") == 1)
        await rooms.called(chat("two"))
        await settled(lambda: rooms.counts.dropped == 1)
        GOOD(rooms.wires[1].sink)
        await rooms.quiet()
        await rooms.copied(chat("three"))
        assert outcomes(rooms) == {"answered": 2, "dropped": 1}

    run(test)


def test_what_is_too_large_is_not_copied(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=MirrorRule(sample=1.0, max_body_bytes=200))
        await rooms.copied(chat("x" * 100))
        await rooms.called(chat("x" * 200))
        await rooms.quiet()
        assert outcomes(rooms) == {"answered": 1, "too_large": 1}
        # An answer beyond that is none to compare with, and the copy is asked all the same.
        made = rooms.compared
        assert (made.real_chars, made.same_text, made.input_tokens) == (None, None, 10)

    run(test)


def asked_at(path: str, **document: Any) -> Incoming:
    return json_incoming(path, {"model": "m", **document})


@pytest.mark.parametrize(
    ("asked", "can"),
    [
        (chat("hello"), True),
        (chat("hello", store=True), False),
        (chat("hello", tools=[{"type": "mcp", "server_url": "http://h"}]), False),
        (asked_at("/v1/embeddings", input="hello"), False),
        (asked_at("/v1/completions", prompt="hello"), True),
        (asked_at("/v1/responses", input="hello"), False),
        (asked_at("/v1/responses", input="hello", store=False), True),
        (asked_at("/v1/responses", input="hello", store=False, previous_response_id="resp_1"), False),
        (asked_at("/v1/messages", max_tokens=5, messages=[{"role": "user", "content": "hello"}]), True),
    ],
)
def test_what_a_provider_keeps_or_does_elsewhere_is_not_done_twice(asked: Incoming, can: bool):
    assert can_be_copied(select(asked)[1], MIRROR) is can


def test_what_is_kept_where_it_is_asked_may_be_asked_where_nothing_is_kept():
    request = select(asked_at("/v1/responses", input="hello"))[1]
    assert can_be_copied(request, msgspec.structs.replace(MIRROR, kind="anthropic"))


def test_what_is_unfit_is_counted(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        await rooms.called(chat("hello", store=True))
        await rooms.quiet()
        assert outcomes(rooms) == {"unfit": 1}

    run(test)


def test_what_the_gateway_asks_itself_is_not_copied(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        asked = chat("what a rule found suspicious")
        rooms.pipeline.courses.enter(asked, Principal(inner=True))
        await rooms.called(asked)
        await rooms.quiet()
        assert (rooms.hosts, outcomes(rooms)) == (["p"], {})

    run(test)


def test_a_copy_has_a_time_limit_of_its_own(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=MirrorRule(sample=1.0, timeout_s=0.01))
        await rooms.called(chat("hello"))
        # Nobody answers.
        await settled(lambda: bool(rooms.copies))
        await rooms.quiet()
        assert (rooms.copy.status, rooms.copy.error_code) == (504, "upstream_timeout")
        assert [each.kind for each in rooms.copy.attempts] == ["mirror"]
        assert rooms.log.count("cancel") == 1
        assert outcomes(rooms) == {"failed": 1}

    run(test)


@pytest.mark.parametrize(
    ("script", "status"), [(whole(b'{"error": {}}', 503), 503), (failing(ConnectFailed("no")), 502), (whole(b"<"), 502)]
)
def test_a_copy_that_fails_says_nothing_of_the_call(settings: Settings, script: Script, status: int):
    async def test() -> None:
        rooms = Mirrored(settings)
        reply = await rooms.copied(chat("hello"), mirrored=script)
        assert (reply.status, rooms.real.status, rooms.real.error_code, len(rooms.real.attempts)) == (200, 200, "", 1)
        assert (rooms.copy.status, outcomes(rooms)) == (status, {"failed": 1})
        assert (rooms.compared.same_text, rooms.compared.real_chars) == (None, 8)
        # Nor of the deployment, as far as calls are given to it.
        assert [each.provider for each in rooms.pipeline.courses.roads.healths.told()] == ["p"]

    run(test)


def test_a_fault_of_our_own_ends_the_copy_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    async def test() -> None:
        rooms = Mirrored(settings)
        with monkeypatch.context() as patched:
            patched.setattr("gateway.app.copies.given_by", broken)
            # It is recorded and paid all the same.
            await rooms.copied(chat("hello"))
            assert (rooms.copy.status, rooms.copy.mirrors, outcomes(rooms)) == (200, [], {"answered": 1})
            patched.setattr("gateway.app.copies._admitted", broken)
            reply = await rooms.called(chat("hello"))
            await rooms.quiet()
        assert (reply.status, outcomes(rooms)) == (200, {"answered": 1, "failed": 1})
        await rooms.copied(chat("hello"))
        assert outcomes(rooms) == {"answered": 2, "failed": 1}

    run(test)
    assert [each.name for each in caplog.records] == ["weighbridge.mirrors"] * 2


def test_a_shutdown_takes_no_more_and_ends_those_on_their_way(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=TWO_AT_MOST)
        for text in ("one", "two"):
            await rooms.called(chat(text))
            await asyncio.sleep(0)
        await settled(lambda: rooms.hosts.count("q") == 1)
        rooms.mirrors.drain()
        assert (rooms.counts.waiting, outcomes(rooms)) == (0, {"stopped": 1})
        # A call that ends while the gateway drains.
        await rooms.called(chat("three"))
        await settled(lambda: rooms.counts.stopped == 2)
        # Those on their way go on meanwhile.
        assert rooms.counts.running == 1
        await rooms.mirrors.close()
        assert rooms.mirrors.under_way == 0
        assert rooms.log.count("cancel") == 1
        (ended,) = rooms.copies
        assert (ended.status, ended.error_code, outcomes(rooms)) == (503, "draining", {"stopped": 3})

    run(test)


def test_a_copy_is_ended_before_its_first_step(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        drive, _ = await rooms.begun(chat("hello"))
        GOOD(rooms.wires[0].sink)
        await drive.wait()
        # The turn in which the copy is begun.
        await asyncio.sleep(0)
        await rooms.mirrors.close()
        assert rooms.mirrors.under_way == 0
        assert all(each.error_code == "draining" for each in rooms.copies)
        assert sum(outcomes(rooms).values()) == 1

    run(test)


def test_a_reload_ends_the_copies_of_the_configuration_before_it(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule=TWO_AT_MOST)
        for text in ("one", "two"):
            await rooms.called(chat(text))
            await asyncio.sleep(0)
        late, _ = await rooms.begun(chat("late"))
        await settled(lambda: rooms.hosts.count("q") == 1)
        old = rooms.pipeline.journal
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, journal=copy(old))
        rooms.install()
        await settled(lambda: rooms.counts.stopped == 2)
        await rooms.quiet()
        assert (rooms.counts.running, rooms.counts.waiting) == (0, 0)
        # A call that began before is not copied by the rules of now.
        GOOD(rooms.wires[-1].sink)
        await late.wait()
        await rooms.quiet()
        assert rooms.hosts.count("q") == 1
        await rooms.copied(chat("after"))
        assert outcomes(rooms) == {"stopped": 2, "answered": 1}

    run(test)


def test_calls_are_copied_when_callers_have_other_keys(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        courses = msgspec.structs.replace(rooms.pipeline.courses, identity=OpenIdentity())
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, courses=courses)
        await rooms.copied(chat("hello"))
        assert outcomes(rooms) == {"answered": 1}

    run(test)


def test_who_is_asked_no_more_has_no_copies_after_a_reload(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)
        rooms.mirrors.install(rooms.pipeline, settings)
        await rooms.called(chat("hello"))
        await rooms.quiet()
        assert rooms.hosts == ["p"]

    run(test)
