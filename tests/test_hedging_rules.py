"""Two deployments at work on one call: neither sees anything of the other's rules, screens, masks and limits."""

from __future__ import annotations

import msgspec
import orjson

from gateway.core.limits import LimitRule
from gateway.core.verdict import Globs, RuleSpec
from tests.support.duel import GOOD, Duel, alone, duel, over
from tests.support.rooms import DONE, EVENTS, USAGE, chat, event, rule, run, stream
from tests.support.sinks import ListReply

STREAM = chat("hello", stream=True)


def at(provider: str, of: RuleSpec) -> RuleSpec:
    """A rule that holds at one provider."""
    match = msgspec.structs.replace(of.match, provider=Globs(include=(provider,)))
    return msgspec.structs.replace(of, match=match)


def test_each_has_a_screen_of_its_own():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, rule("osprey", "redact", "response"))
        # Half a word is held back at one; the other half comes from the other.
        rooms.first.on_head(200, dict(EVENTS))
        rooms.first.on_data(event("osp"))
        assert reply.body == b""
        stream(event("rey and an osprey, "), event(), event(usage=USAGE), DONE)(rooms.second)
        await over(rooms, drive)
        text = b"".join(reply.body.split())
        assert b"rey" in text
        assert b"anosprey" not in text
        assert b"OSPREY" in text
        assert [each.rule for each in rooms.record.guard_events] == ["redact-osprey"]
        assert rooms.record.provider == "q"

    run(test)


def test_a_rule_that_turns_back_an_answer_ends_the_call():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, rule("osprey", "block", "response"))
        stream(event("an osprey "), event(), DONE)(rooms.first)
        await over(rooms, drive)
        assert rooms.log.count("cancel") >= 1
        assert orjson.loads(reply.body)["error"]["code"] == "policy_blocked"
        assert rooms.record.verdict == "block"
        assert not rooms.health("q").failures

    run(test)


def test_where_a_rule_turns_a_request_back_nobody_is_asked():
    async def test() -> None:
        rooms = Duel(None, at("q", rule("osprey", "block", "request")))
        await rooms.earn(chat("hello", max_tokens=10))
        reply = await alone(rooms, chat("an osprey"))
        assert reply.status == 200
        assert rooms.record.verdict == "allow"

    run(test)


def test_what_is_masked_for_one_is_not_masked_for_the_other():
    async def test() -> None:
        rooms, reply, drive = await duel(chat("an osprey"), at("q", rule("osprey", "redact", "request")))
        assert b"osprey" in rooms.wires[0].sent
        assert b"osprey" not in rooms.wires[1].sent
        GOOD(rooms.first)
        await over(rooms, drive)
        assert (reply.header("x-weighbridge-verdict"), rooms.record.guard_events) == ("allow", [])
        rooms, reply, drive = await duel(chat("an osprey"), at("q", rule("osprey", "redact", "request")))
        GOOD(rooms.second)
        await over(rooms, drive)
        assert reply.header("x-weighbridge-verdict") == "edit"
        assert [each.rule for each in rooms.record.guard_events] == ["redact-osprey"]

    run(test)


def test_a_limit_of_the_second_provider_holds():
    async def test() -> None:
        limits = (LimitRule(scope="provider", concurrency=1),)
        for winner in (0, 1):
            rooms, _, drive = await duel(chat(), limits=limits)
            GOOD(rooms.wires[winner].sink)
            await over(rooms, drive)
            # Both seats are free again: the next call is asked of both.
            rooms.wires.clear()
            rooms.records.clear()
            rooms.log.clear()
            drive = await rooms.both(chat(), ListReply(rooms.log))
            GOOD(rooms.first)
            await over(rooms, drive)

    run(test)


def test_where_the_second_provider_has_no_room_nobody_is_asked():
    async def test() -> None:
        limits = (LimitRule(scope="provider", match={"provider": ("q",)}, requests=(1, 3600.0)),)
        rooms = Duel(limits=limits)
        await rooms.earn(chat("hello", max_tokens=10))
        await alone(rooms, chat())

    run(test)
