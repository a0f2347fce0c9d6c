"""Erases a subject from all that was recorded: in the spool, in what was set aside, in the store, in kept answers.

What is erased is noted first, so that a crash, a store that is away and a line that comes late change nothing about the
end. Gateways that share a store read from it what the others have erased.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import orjson

from gateway.clients.clock import Clock
from gateway.core.erasure import KINDS, Erasure, Kind, digest_of
from gateway.core.errors import GatewayError, MalformedRequest
from gateway.core.ids import uuid7
from gateway.operator.audit import Actor, AuditLog
from gateway.operator.erased_lines import Eraser, erase_in_poison, erase_in_spool
from gateway.operator.erased_rows import Forget, count_bodies, erase_rows, found_rows
from gateway.operator.erasures import ErasureBook
from gateway.plugin.traces import TraceDriver

log = logging.getLogger("weighbridge.erasing")
PAUSE_S = 15.0
# Whoever asks waits so long for the store; what is left then goes on without them.
WAIT_S = 20.0
_MAX_CHARS = 512
_MAX_SUBJECTS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OTHERS = """
SELECT id, toUnixTimestamp64Micro(at) AS at_us, kind, name, toString(digest) AS digest, tenant FROM erasures
WHERE at > now() - INTERVAL 90 DAY ORDER BY at, id
"""


class Erasing:
    """Erases.

    Args:
        book: Where erasures are noted; its shipper's.
        audit: Where is written down who has erased.
        driver: Gives the store's driver. Raises ``StoreUnavailable`` while it is not open.
        forget: Forgets the kept answers of exchanges.
        clock: Says when.
    """

    def __init__(
        self, book: ErasureBook, audit: AuditLog, driver: Callable[[], TraceDriver], forget: Forget, clock: Clock
    ) -> None:
        self._book = book
        self._audit = audit
        self._driver = driver
        self._forget = forget
        self._clock = clock
        self._store = asyncio.Lock()

    async def erase(self, actor: Actor, document: Mapping[str, Any]) -> dict[str, Any]:
        """Erase the subjects that a document names, or only say how much that would be.

        Raises:
            MalformedRequest: It names nobody, or cannot be read.
            StoreUnavailable: How much it would be cannot be told now.
        """
        erasures = subjects(document, self._clock.unix_us())
        if document.get("dry_run", False):
            return {"dry_run": True, "pending": False, **await self._count(erasures)}
        for each in erasures:
            after = {"kind": each.kind, "name": each.name, "digest": each.digest, "tenant": each.tenant}
            await asyncio.to_thread(self._audit.record, actor, "traces.erase", each.id, after=after)
        async with self._book.between:
            await asyncio.to_thread(self._book.add, erasures)
            lines, aside = await asyncio.to_thread(self._in_files, erasures)
        exchanges, pending = await self._soon(erasures)
        told = {"exchanges": exchanges, "spool_lines": lines, "poison_lines": aside}
        return {"dry_run": False, "pending": pending, "erasures": [each.id for each in erasures], **told}

    async def run(self) -> None:
        """Finish what is not done yet, and learn what others have erased; until cancelled."""
        failing = False
        await asyncio.to_thread(self._book.load)
        while True:
            try:
                await self._learn()
                for erasure in self._book.pending:
                    await self._in_store(erasure)
                failing = False
            except (GatewayError, OSError) as error:
                if not failing:
                    log.warning("erasing: not done yet: %s", error)
                failing = True
            await self._clock.sleep(PAUSE_S)

    async def _soon(self, erasures: Sequence[Erasure]) -> tuple[int, bool]:
        """Erase in the store; what cannot be done now is for :meth:`run`."""
        exchanges = 0
        try:
            async with asyncio.timeout(WAIT_S):
                for erasure in erasures:
                    exchanges += await self._in_store(erasure)
        except (TimeoutError, GatewayError):
            return exchanges, True
        return exchanges, False

    async def _in_store(self, erasure: Erasure) -> int:
        async with self._store:
            if erasure not in self._book.pending:
                return 0
            driver = self._driver()
            row = {"id": erasure.id, "at": _moment(erasure.at_us), "kind": erasure.kind, "name": erasure.name,
                   "digest": erasure.digest, "tenant": erasure.tenant}  # fmt: skip
            await driver.insert_lines("erasures", orjson.dumps(row), f"erasure-{erasure.id}")
            count = await erase_rows(driver, erasure, self._forget)
            await asyncio.to_thread(self._book.finish, erasure)
            return count

    async def _learn(self) -> None:
        rows = orjson.loads(await self._driver().query(_OTHERS))["data"]
        fresh = [msgspec.convert(row, Erasure) for row in rows if not self._book.knows(row["id"])]
        if fresh:
            async with self._book.between:
                await asyncio.to_thread(self._book.add, fresh)
                await asyncio.to_thread(self._in_files, fresh)

    def _in_files(self, erasures: Sequence[Erasure], *, dry_run: bool = False) -> tuple[int, int]:
        eraser, folder = Eraser(erasures), self._book.spool_dir
        words = [each.value for each in erasures if each.value]
        lines = erase_in_spool(folder, eraser, dry_run=dry_run)
        return lines, erase_in_poison(folder, eraser, words, dry_run=dry_run)

    async def _count(self, erasures: Sequence[Erasure]) -> dict[str, int]:
        driver = self._driver()
        rows = {row["id"]: row for each in erasures for row in await found_rows(driver, each)}
        lines, aside = await asyncio.to_thread(self._in_files, erasures, dry_run=True)
        bodies = await count_bodies(driver, list(rows.values()))
        return {"exchanges": len(rows), "bodies": bodies, "spool_lines": lines, "poison_lines": aside}


def subjects(document: Mapping[str, Any], at_us: int) -> list[Erasure]:
    """Read whom somebody wants erased.

    Args:
        document: ``session``, ``key``, ``user``, ``id`` or ``tag`` (``NAME=VALUE``), each one or a list; ``tenant``.
        at_us: The present.

    Raises:
        MalformedRequest: It names nobody, or cannot be read.
    """
    if unknown := sorted(document.keys() - {*KINDS, "tenant", "dry_run"}):
        raise MalformedRequest(f"'{unknown[0][:40]}' is not known here.", param=unknown[0][:40])
    if not isinstance(document.get("dry_run", False), bool):
        raise MalformedRequest("'dry_run' must be true or false.", param="dry_run")
    tenant = document.get("tenant")
    if tenant is not None and not isinstance(tenant, str):
        raise MalformedRequest("'tenant' must be a text.", param="tenant")
    found = [_subject(kind, value, tenant, at_us) for kind in KINDS for value in _listed(document.get(kind, []))]
    if not 0 < len(found) <= _MAX_SUBJECTS:
        raise MalformedRequest(f"Say whom, 1 to {_MAX_SUBJECTS} of them: session, key, user, id or tag.")
    return found


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _subject(kind: Kind, value: Any, tenant: str | None, at_us: int) -> Erasure:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_CHARS:
        raise MalformedRequest(f"'{kind}' takes a text of 1 to {_MAX_CHARS} characters.", param=kind)
    name = ""
    if kind == "tag":
        name, equals, value = value.partition("=")
        if not name or not equals:
            raise MalformedRequest("'tag' must be NAME=VALUE.", param="tag")
    if kind == "id":
        value = value.lower()
    return Erasure(
        id=uuid7(at_us // 1000, os.urandom(10)),
        at_us=at_us,
        kind=kind,
        name=name,
        digest=digest_of(kind, name, value),
        value=value,
        tenant=tenant,
    )


def _moment(at_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%d %H:%M:%S.%f")
