"""Counts each hour once it is over, compares it with those before, and tells when something begins to be different.

What an hour was like is kept in the trace store, so a look costs a few hours' reading, and a start finds all that was
counted. Hours that came late are counted again. Nothing here is in the way of a call, and while the store is away
nothing is said to be well or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.drifting import Drift
from gateway.core.alerts import Standing, step
from gateway.core.drift_hours import HOUR_S, Compared, Hour, compare
from gateway.core.errors import GatewayError, ModelFailed
from gateway.operator.drift_book import DriftBook
from gateway.operator.drift_reading import Reading, reading
from gateway.operator.drift_words import document
from gateway.operator.plane import Plane

log = logging.getLogger("weighbridge.drift")

KEPT_FILE = "drift.json"
# The spool is shipped within seconds; what takes longer has the hour counted again.
SETTLE_S = 600
# So far back, hours are counted again when they have fewer calls than before, too: later, calls are let go by age.
_RECOUNT_S = 48 * HOUR_S
# After a start, windows are compared that ended since then.
_COMPARED_S = 24 * HOUR_S
# An embedding takes the time of a hundred other looks at a text, and a first start may find a month of hours.
_EMBEDDED_S = 12 * HOUR_S
# What is far in one window may be over in the next; it is told when it is still so.
_HELD = 2
# Between two hours that are counted after a start, for whoever asks the store.
_PAUSE_S = 0.1

# Of an alias, a prompt and a measure.
Name = tuple[str, str, str]


class _Kept(msgspec.Struct):
    standings: list[tuple[Name, Standing]] = []
    held: list[tuple[Name, int]] = []


class DriftWatch:
    """Looks, and keeps what it saw.

    Args:
        rules: What is compared, and what is worth telling.
        plane: Has the store.
        next_id: Makes names of episodes, from milliseconds since 1970.
        tell: Takes messages; ``None`` where nobody is told.

    Attributes:
        latest: By alias and prompt, what the last look made of each measure.
        looks: How many looks went well, and how many did not.
        compared_s: When the last window ended that was compared, seconds since 1970.
        left_out: Aliases and prompts of the last window that were too many to be compared.
        unread: Why bodies were not read, or questions not embedded, last; empty when all were.
    """

    def __init__(
        self,
        rules: Drift,
        plane: Plane,
        next_id: Callable[[int], str],
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.rules = rules
        self._plane = plane
        self._next_id = next_id
        self._tell = tell
        self._file = plane.run_dir / KEPT_FILE
        kept = _read(self._file)
        self._standings = dict(kept.standings)
        self._held = dict(kept.held)
        self.latest: dict[tuple[str, str], list[Compared]] = {}
        self.looks: dict[str, int] = {"good": 0, "failed": 0}
        self.compared_s = 0
        self.left_out = 0
        self.unread = ""
        self._blind = ""

    @property
    def firing(self) -> list[Name]:
        """What has been told, and is not over."""
        return [name for name, standing in self._standings.items() if standing.firing]

    async def watch(self) -> None:
        """Look, for ever."""
        # Not at once: a start has other things to do.
        pause_s = min(self.rules.every_s, 60.0)
        while True:
            await self._plane.clock.sleep(pause_s)
            pause_s = self.rules.every_s
            try:
                await self.look()
            except GatewayError as error:
                self._failed(error.public_message)
            except (ValueError, LookupError, msgspec.MsgspecError) as error:
                # What is kept of some hour is not what we take it for; the operator has other things to do as well.
                self._failed(f"what is kept cannot be read ({type(error).__name__})")
            else:
                self.looks["good"] += 1
                self._blind = ""

    def _failed(self, why: str) -> None:
        self.looks["failed"] += 1
        if self._blind != why:
            self._blind = why
            log.warning("drift cannot be looked at: %s", why)

    async def look(self) -> None:
        """Count the hours that are over and not counted, and compare the windows that ended with them.

        Raises:
            StoreUnavailable: Not now.
            StoreRejected: The store has another schema.
        """
        until_s = (self._plane.clock.unix_ms() // 1000 - SETTLE_S) // HOUR_S * HOUR_S
        book = DriftBook(self._plane.store.traces.driver)
        counted_s = await self._count(book, until_s)
        since_s = max(await book.judged_until(), self.compared_s)
        # Windows that had been compared before all of their calls were there are compared again.
        since_s = max(min(since_s, counted_s), until_s - _COMPARED_S)
        for ends_s in range(since_s + HOUR_S, until_s + HOUR_S, HOUR_S):
            await self._compare(book, ends_s)
        if not self.latest:
            # After a start: what was seen before it is shown again, and is no news.
            await self._compare(book, until_s, again=True)

    async def _count(self, book: DriftBook, until_s: int) -> int:
        """Count what is to be counted, and say from when on."""
        since_s = until_s - self.rules.span.back_s
        kept = await book.kept(since_s, until_s)
        wanted = [
            (hour_s, calls)
            for hour_s, calls in sorted((await book.seen(since_s, until_s)).items())
            if calls > kept.get(hour_s, 0) or (calls < kept[hour_s] and hour_s >= until_s - _RECOUNT_S)
        ]
        if not wanted:
            return until_s
        if self.rules.sample:
            try:
                async with reading(self._plane.run_dir.parent if self.rules.embed else None) as reader:
                    await self._count_each(book, wanted, reader)
                    return wanted[0][0]
            except ModelFailed as error:
                self._unread(error.public_message)
        await self._count_each(book, wanted, None)
        return wanted[0][0]

    async def _count_each(self, book: DriftBook, wanted: Sequence[tuple[int, int]], reader: Reading | None) -> None:
        for number, (hour_s, calls) in enumerate(wanted):
            if number:
                await self._plane.clock.sleep(_PAUSE_S)
            hours = await book.count(hour_s, self.rules.subjects)
            if reader is not None:
                for hour in hours:
                    await self._read_bodies(book, hour, reader, embed=hour_s >= wanted[-1][0] - _EMBEDDED_S)
            await book.keep(hours, calls)

    async def _read_bodies(self, book: DriftBook, hour: Hour, reader: Reading, *, embed: bool) -> None:
        bodies = await book.sample(hour, self.rules.sample)
        if not bodies:
            return
        found = await reader.read(bodies, embed=embed)
        if found.unembedded or self.unread:
            self._unread(found.unembedded)
        for name in found.__struct_fields__:
            if name != "unembedded":
                setattr(hour, name, getattr(found, name))

    def _unread(self, why: str) -> None:
        if why and why != self.unread:
            log.info("drift: %s", why)
        self.unread = why

    async def _compare(self, book: DriftBook, ends_s: int, *, again: bool = False) -> None:
        span = self.rules.span
        most = self.rules.subjects
        found = await book.subjects(ends_s - span.hours * HOUR_S, ends_s, most + 1_000)
        self.left_out = max(len(found) - most, 0)
        latest: dict[tuple[str, str], list[Compared]] = {}
        for subject in found[:most]:
            hours = await book.hours(subject, ends_s - span.back_s, ends_s, span.hours)
            # Some thousands of small sums.
            compared = await asyncio.to_thread(compare, hours, ends_s, span, self.rules.thresholds)
            latest[subject] = compared
            if again:
                continue
            versions = hours[ends_s - HOUR_S].versions if ends_s - HOUR_S in hours else {}
            self._judge(subject, compared, sorted(versions, key=lambda name: -versions[name]), ends_s)
            await book.note(subject, ends_s, compared, f"drift-{self._next_id(ends_s * 1000)}")
        self.latest, self.compared_s = latest, ends_s
        if not again:
            self._forget(latest, ends_s)
            self._keep()

    def _judge(self, subject: tuple[str, str], compared: Sequence[Compared], versions: list[str], ends_s: int) -> None:
        for each in compared:
            name = (*subject, each.measure)
            drifting = each.finding.state == "drifting"
            held = self._held.get(name, 0) + 1 if drifting else 0
            before = self._standings.get(name, Standing())
            holds = drifting and (held >= _HELD or before.firing)
            after, news = step(before, holds=holds, now_s=ends_s, episode=self._next_id(ends_s * 1000))
            self._held[name] = held
            self._standings[name] = after
            if news:
                self._say(name, news, before if news == "resolved" else after, each, versions, ends_s)

    def _forget(self, latest: dict[tuple[str, str], list[Compared]], ends_s: int) -> None:
        """Let go of what has no calls any more, and of what is as usual."""
        for name in [name for name in self._standings if name[:2] not in latest]:
            standing = self._standings.pop(name)
            if standing.firing:
                self._say(name, "resolved", standing, None, [], ends_s)
        self._standings = {name: each for name, each in self._standings.items() if each.firing}
        self._held = {name: held for name, held in self._held.items() if held and name[:2] in latest}

    def _say(
        self, name: Name, news: str, standing: Standing, compared: Compared | None, versions: list[str], ends_s: int
    ) -> None:
        told = document(name, news, standing, compared, self.rules, ends_s)
        told["facts"]["prompt_versions"] = versions[:5]
        log.warning("drift is %s: %s", news, told["summary"])
        if self._tell is not None:
            self._tell(told)

    def _keep(self) -> None:
        kept = _Kept(list(self._standings.items()), list(self._held.items()))
        draft = self._file.with_suffix(".new")
        try:
            draft.write_bytes(msgspec.json.encode(kept))
            draft.replace(self._file)
        except OSError as error:
            log.error("where drift stands cannot be kept: %s", error.strerror)


def _read(file: Path) -> _Kept:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        log.error("where drift stood cannot be read; what fires is told again")
        return _Kept()
