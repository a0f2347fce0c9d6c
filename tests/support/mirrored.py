"""An alias whose calls are copied to another deployment: a test says what each of the two answers, and when."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import orjson

from gateway.app.mirrors import Mirrors
from gateway.config.settings import Settings
from gateway.core.exchange import Deployment, Incoming, MirrorRule, RoutePolicy
from gateway.core.mirror_told import MirrorCounts
from gateway.core.record import ExchangeRecord, MirrorRecord
from gateway.listener.drive import Drive
from gateway.recording.metrics import Metrics
from gateway.routing.table import RouteEntry, Router
from tests.support.duel import OTHER, settled
from tests.support.rooms import PROVIDER, USAGE, Rooms, Script, answer, whole
from tests.support.sinks import ListReply
from tests.test_course import with_courses

MIRROR = msgspec.structs.replace(OTHER, model="other-1")
ALL = MirrorRule(sample=1.0)
GOOD = whole(answer("hi there", usage=USAGE))


class Mirrored(Rooms):
    """Rooms for an alias with one deployment, ``p``, and a mirror, ``q``.

    Args:
        settings: Any that are good.
        rule: Of the copies.
        rules: Of the policy.
        to: Who gets the copies.
        more: As for :class:`Rooms`; ``policy`` and ``candidates`` of the alias.
    """

    def __init__(
        self,
        settings: Settings,
        *rules: Any,
        rule: MirrorRule = ALL,
        to: Deployment = MIRROR,
        **more: Any,
    ) -> None:
        policy = msgspec.structs.replace(more.pop("policy", RoutePolicy(retries=0)), mirror=rule)
        candidates = more.pop("candidates", (PROVIDER,))
        self.clients: dict[str, Script] = {}
        super().__init__(None, *rules, **more)
        table = tuple(RouteEntry(alias="m", deployment=each) for each in candidates)
        with_courses(self, router=Router(table, {}, {"m": policy}, {"m": to}))
        self.metrics = Metrics(0, self.clock.unix_ms)
        numbers = iter(range(1, 1000))
        self.mirrors = Mirrors(self, self.metrics, self.clock, lambda _: f"copy-{next(numbers)}", Random(1))
        self.pipeline = msgspec.structs.replace(self.pipeline, mirrors=self.mirrors)
        self._entry = msgspec.structs.replace(
            settings.models[0], alias="m", provider=to.provider, model=to.model or "{model}"
        )
        self._policy = policy
        self._settings = settings
        self.install(more.get("bodies", "none"))

    def install(self, bodies: Any = "none") -> None:
        """Put a configuration in force, as a reload does."""
        self.mirrors.install(
            self.pipeline,
            msgspec.structs.replace(
                self._settings,
                mirrors=(self._entry,),
                routes={"m": self._policy},
                capture=msgspec.structs.replace(self._settings.capture, bodies=bodies),
            ),
        )

    @property
    def counts(self) -> MirrorCounts:
        return self.metrics.mirror("m", f"{self._entry.provider}/{self._entry.model}")

    @property
    def hosts(self) -> list[str]:
        return [wire.sent.split(b"host: ")[1].split(b".example")[0].decode() for wire in self.wires]

    def sent(self, number: int) -> Any:
        """What was asked in one of the requests."""
        return orjson.loads(self.wires[number].sent.partition(b"\r\n\r\n")[2])

    @property
    def copies(self) -> list[ExchangeRecord]:
        return [record for record in self.records if record.tags.get("weighbridge") == "mirror"]

    @property
    def copy(self) -> ExchangeRecord:
        (copy,) = self.copies
        return copy

    @property
    def compared(self) -> MirrorRecord:
        (made,) = self.copy.mirrors
        return made

    @property
    def real(self) -> ExchangeRecord:
        (real,) = [record for record in self.records if record.tags.get("weighbridge") != "mirror"]
        return real

    async def begun(self, asked: Incoming) -> tuple[Drive, ListReply]:
        """Begin a call, up to where its provider is asked."""
        before, reply = len(self.wires), ListReply(self.log)
        drive = self.begin(asked, reply)
        await settled(lambda: len(self.wires) > before)
        return drive, reply

    async def called(self, asked: Incoming, script: Script = GOOD) -> ListReply:
        """Make a call and let its provider answer it."""
        drive, reply = await self.begun(asked)
        script(self.wires[-1].sink)
        await asyncio.wait_for(drive.wait(), 10)
        assert self.bugs == []
        return reply

    async def copied(self, asked: Incoming, script: Script = GOOD, mirrored: Script = GOOD) -> ListReply:
        """Make a call, and let the mirror answer the copy."""
        before = len(self.wires)
        reply = await self.called(asked, script)
        await settled(lambda: len(self.wires) > before + 1)
        mirrored(self.wires[-1].sink)
        await self.quiet()
        return reply

    async def quiet(self) -> None:
        """Wait until no copy is under way."""
        await asyncio.sleep(0)
        await settled(lambda: not self.mirrors.under_way)
