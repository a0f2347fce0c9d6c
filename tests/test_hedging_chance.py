"""Two deployments and a client that do what they do by chance: one answer, one record, and nothing is left behind."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from gateway.core.errors import ConnectFailed
from gateway.core.exchange import ContinueRule, RoutePolicy
from gateway.core.limits import LimitRule
from gateway.listener.drive import Drive
from tests.support.duel import SOON, Duel, duel, over
from tests.support.rooms import DONE, EVENTS, USAGE, chat, event, rule, run
from tests.support.sinks import ListReply

STREAM = chat("hello", stream=True)
PIECES = (b"", event("a "), event("b "), event(), event(usage=USAGE), DONE)


class Chaos:
    """What two deployments and a client do, by chance."""

    def __init__(self, rooms: Duel, reply: ListReply, drive: Drive, chance: Random) -> None:
        self.rooms, self.reply, self.drive, self.chance = rooms, reply, drive, chance
        # How much each has said; whoever is stopped, or has failed, says no more.
        self.said = [0, 0]
        self.failed = [False, False]

    def step(self) -> None:
        side, what = self.chance.randrange(2), self.chance.random()
        sink = self.rooms.wires[side].sink
        if what < 0.05:
            self.reply.gone = True
            self.drive.cancel()
        elif self.failed[side] or self.said[side] == len(PIECES):
            return
        elif what < 0.2:
            self.failed[side] = True
            sink.on_fail(ConnectFailed("gone"))
        else:
            self.say(side)

    def say(self, side: int) -> None:
        sink, at = self.rooms.wires[side].sink, self.said[side]
        self.said[side] = at + 1
        if at:
            sink.on_data(PIECES[at])
        else:
            sink.on_head(200, dict(EVENTS))


@pytest.mark.parametrize("continues", [None, ContinueRule(times=2)])
def test_whatever_happens_in_whatever_order_a_call_is_answered_once_and_everything_is_let_go(
    continues: ContinueRule | None,
):
    async def one(seed: int) -> None:
        limits, policy = (LimitRule(scope="provider", concurrency=2),), RoutePolicy(hedge=SOON, continues=continues)
        rooms, reply, drive = await duel(STREAM, rule("osprey", "redact", "response"), limits=limits, policy=policy)
        chaos = Chaos(rooms, reply, drive, Random(seed))
        while not drive.ended and len(rooms.wires) == 2:
            chaos.step()
            await asyncio.sleep(0)
        while not drive.ended:
            rooms.wires[-1].sink.on_fail(ConnectFailed("gone"))
            await asyncio.sleep(0)
        await over(rooms, drive)
        assert [each.number for each in rooms.record.attempts] == list(range(1, len(rooms.wires) + 1))
        assert reply.body.count(b'"a ') <= 1
        assert rooms.log.count("start") <= 1
        assert sum(each.error_code == "" for each in rooms.record.attempts) <= 1

    async def test() -> None:
        for seed in range(40):
            await one(seed)

    run(test)
