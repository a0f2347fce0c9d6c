"""Looks at the sums by rules, and tells when something begins and when it is over; see :mod:`gateway.core.alerts`.

Where each rule stands, and what waits to be delivered, is kept in one file beside the operator's others, so that a
restart neither tells twice nor forgets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from gateway.accounting.calendars import bounds_ns
from gateway.clients.guarded_post import GuardedPost
from gateway.config.alerting import Alerts
from gateway.core.alerts import (
    AlertRule,
    Burn,
    Reading,
    Standing,
    Sums,
    UnknownPrice,
    judge_burn,
    judge_estimated,
    judge_unknown,
    step,
)
from gateway.core.errors import GatewayError
from gateway.operator.outbox import Message, Outbox
from gateway.operator.plane import Plane
from gateway.operator.spend import SpendBook
from gateway.operator.spend_query import SpendQuery

log = logging.getLogger("weighbridge.alerts")

KEPT_FILE = "alerts.json"
_NS = 1_000_000_000


class _Kept(msgspec.Struct):
    standings: dict[str, Standing] = {}
    waiting: list[Message] = []


class Alerting:
    """The rules of one configuration, and where they stand.

    Args:
        alerts: What to look for, and whom to tell.
        plane: Has the store.
        next_id: Makes ids of messages, from milliseconds since 1970.
    """

    def __init__(self, alerts: Alerts, plane: Plane, next_id: Callable[[int], str]) -> None:
        self._alerts = alerts
        self._plane = plane
        self._next_id = next_id
        self._file = plane.run_dir / KEPT_FILE
        kept = _read(self._file)
        self.standings = kept.standings
        self.readings: dict[str, Reading] = {}
        self.looks: dict[str, int] = {"good": 0, "failed": 0}
        # Why the last look was in vain; empty when it was not.
        self._blind = ""
        webhook = alerts.webhook
        self.outbox = webhook and Outbox(
            webhook.url,
            webhook.secret.reveal() if webhook.secret is not None else None,
            GuardedPost(webhook.allow, webhook.timeout_s),
            plane.clock,
            kept.waiting,
            changed=self._keep,
        )

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """What is looked for."""
        return self._alerts.rules

    def tell(self, document: dict[str, Any]) -> None:
        """Tell of something that others have looked at, in the same way."""
        self._put(document)
        self._keep()

    async def watch(self, tried: asyncio.Event | None = None) -> None:
        """Look, for ever. While the store is away nothing is said to be well or not.

        Args:
            tried: When to begin; ``None`` for at once.
        """
        if tried is not None:
            await tried.wait()
        while True:
            await self.look()
            await self._plane.clock.sleep(self._alerts.every_s)

    async def look(self) -> None:
        """Look at every rule once, and tell what is news."""
        now_s = self._plane.clock.unix_ms() // 1000
        changed = self._forget(now_s)
        for rule in self.rules:
            try:
                reading = await self._reading(rule, now_s)
            except GatewayError as error:
                self.looks["failed"] += 1
                if self._blind != error.public_message:
                    # Said once for all rules and looks: what stands in the way is seldom one rule's.
                    self._blind = error.public_message
                    log.warning("alerts cannot be looked at: %s", error.public_message)
                continue
            if self._blind:
                self._blind = ""
                log.info("alerts are looked at again")
            self.looks["good"] += 1
            self.readings[rule.id] = reading
            before = self.standings.get(rule.id, Standing())
            after, news = step(before, holds=reading.holds, now_s=now_s, episode=self._next_id(now_s * 1000))
            if after != before:
                changed = True
                self.standings[rule.id] = after
            if news:
                self._tell(rule, news, before if news == "resolved" else after, reading, now_s)
        if changed:
            self._keep()

    async def _reading(self, rule: AlertRule, now_s: int) -> Reading:
        what = rule.what
        if isinstance(what, Burn):
            begins_ns, ends_ns = bounds_ns(what.per, now_s * _NS)
            period = begins_ns // _NS, ends_ns // _NS
            spent = await self._sums(rule, period[0], now_s)
            windows = [await self._sums(rule, now_s - length, now_s) for length in what.windows_s]
            return judge_burn(what, spent, windows, now_s, period)
        sums = await self._sums(rule, now_s - what.within_s, now_s)
        return judge_unknown(what, sums) if isinstance(what, UnknownPrice) else judge_estimated(what, sums)

    async def _sums(self, rule: AlertRule, since_s: float, now_s: int) -> Sums:
        query = SpendQuery(
            since_s=int(since_s) // 60 * 60, until_s=(now_s // 60 + 1) * 60, only=rule.match, tags=rule.tags
        )
        spent = await SpendBook(self._plane.store.traces.driver).spent(query, now_s)
        total = spent.total
        return Sums(
            calls=total["calls"],
            nanousd=total["cost_nanousd"] or 0,
            estimated_nanousd=total["estimated_nanousd"],
            unknown_calls=total["unknown_cost_calls"],
        )

    def _forget(self, now_s: int) -> bool:
        """Let go of rules that are no longer in the configuration; what they told is over."""
        gone = self.standings.keys() - {rule.id for rule in self.rules}
        for name in gone:
            standing = self.standings.pop(name)
            if standing.firing:
                over = Reading(holds=False, summary="The rule is no longer in the configuration.", facts={})
                self._put(_document(name, "resolved", standing, over, now_s))
        return bool(gone)

    def _tell(self, rule: AlertRule, news: str, standing: Standing, reading: Reading, now_s: int) -> None:
        log.warning("alert %s is %s: %s", rule.id, news, reading.summary)
        document = _document(rule.id, news, standing, reading, now_s)
        self._put(document | {"match": rule.match, "tags": rule.tags})

    def _put(self, document: dict[str, Any]) -> None:
        if self.outbox is not None:
            message_id = self._next_id(self._plane.clock.unix_ms())
            self.outbox.put(Message(id=message_id, document={"id": message_id, **document}))

    def _keep(self) -> None:
        kept = _Kept(self.standings, self.outbox.waiting if self.outbox is not None else [])
        draft = self._file.with_suffix(".new")
        try:
            draft.write_bytes(msgspec.json.encode(kept))
            draft.replace(self._file)
        except OSError as error:
            log.error("where alerts stand cannot be kept: %s", error.strerror)


def start_alerting(
    alerting: Alerting, group: asyncio.TaskGroup, tried: asyncio.Event | None = None
) -> list[asyncio.Task[None]]:
    """Start looking and telling, each on its own: nobody waits for a webhook.

    Args:
        alerting: What looks and tells.
        group: Owns the tasks.
        tried: Looking begins once this is set: when opening the store was tried.
    """
    tasks = [group.create_task(alerting.watch(tried), name="alerts")]
    if alerting.outbox is not None:
        tasks.append(group.create_task(alerting.outbox.run(), name="webhook"))
    return tasks


def _document(rule: str, state: str, standing: Standing, reading: Reading, now_s: int) -> dict[str, Any]:
    return {
        "type": "weighbridge.alert",
        "rule": rule,
        "state": state,
        "episode": standing.episode,
        "since_s": standing.since_s,
        "at_s": now_s,
        "summary": reading.summary,
        "facts": reading.facts,
    }


def _read(file: Path) -> _Kept:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        log.error("where alerts stood cannot be read; what fires is told again")
        return _Kept()
