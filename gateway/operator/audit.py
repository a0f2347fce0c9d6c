"""Who changed what, before and after: one line a change, on the disk before the change is made.

The file is the truth, so that nothing goes unrecorded while the trace store is away or nobody serves the operator
plane; the operator copies it into the table ``audit``. Lines are only ever added. Whoever records sees to it that
``before`` and ``after`` hold no secret.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gateway.clients.clock import Clock
from gateway.core.errors import GatewayError, StoreRejected
from gateway.core.ids import uuid7

log = logging.getLogger("weighbridge.audit")
FOLDER = "audit"
SHIP_S = 1.0
_FILE, _SHIPPED = "audit.jsonl", "shipped"
_MAX_NAME_CHARS = 256
_MAX_SLICE_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER = msgspec.json.Encoder()


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a change, and as what."""

    who: str
    role: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change; ``before`` and ``after`` are JSON, empty for nothing. Field by field the columns of ``audit``."""

    id: str
    at: str
    who: str
    role: str
    action: str
    object: str
    before: str
    after: str


class Rows(Protocol):
    """Takes lines for a table; a trace driver does."""

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert whole lines of JSON, once a token."""
        ...


class AuditLog:
    """The file. Blocks on the disk: call it away from the loop. Any number of processes may write to it.

    Args:
        home: The data home; the file is in a folder of its own there.
        clock: Says when.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self.folder = home / FOLDER
        self.path = self.folder / _FILE
        self._clock = clock

    def record(
        self,
        actor: Actor,
        action: str,
        name: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> Change:
        """Write a change down; it is on the disk when this returns.

        Args:
            actor: Who makes it.
            action: What is done: ``key.create``.
            name: To what.
            before: How it was; ``None`` where there was nothing.
            after: How it will be.

        Raises:
            OSError: It cannot be written: then the change must not be made.
        """
        at_us = self._clock.unix_us()
        change = Change(
            id=uuid7(at_us // 1000, os.urandom(10)),
            at=_moment(at_us),
            who=actor.who[:_MAX_NAME_CHARS],
            role=actor.role[:_MAX_NAME_CHARS],
            action=action,
            object=name[:_MAX_NAME_CHARS],
            before=_shown(before),
            after=_shown(after),
        )
        self._append(_ENCODER.encode(change) + b"\n")
        return change

    def _append(self, line: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            # What a crash has left of a line stays a line of its own, that nobody can read.
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            written = os.write(fd, line)
            if written != len(line):
                os.ftruncate(fd, size)
                raise OSError("the disk is full")
            os.fsync(fd)
        finally:
            os.close(fd)
        if not size:
            _sync_folder(self.folder)


class AuditShipper:
    """Copies the file into the table.

    Args:
        audit: The file.
        rows: The trace store.
    """

    def __init__(self, audit: AuditLog, rows: Rows) -> None:
        self._audit = audit
        self._rows = rows
        self._shipped = _read_offset(audit.folder / _SHIPPED)
        self._failing = False

    async def run(self, clock: Clock) -> None:
        """Copy again and again, until cancelled."""
        while True:
            try:
                while await self.ship():
                    pass
                self._failing = False
            except (GatewayError, OSError) as error:
                if not self._failing:
                    log.warning("audit: not yet in the trace store: %s", error)
                self._failing = True
            await clock.sleep(SHIP_S)

    async def ship(self) -> bool:
        """Copy the next lines, if there are any.

        Raises:
            StoreUnavailable: Not now.
        """
        lines = self._next()
        if not lines:
            return False
        try:
            await self._rows.insert_lines("audit", lines, f"audit-{self._shipped}-{self._shipped + len(lines)}")
        except StoreRejected:
            await self._ship_one_by_one(lines)
        self._shipped += len(lines)
        _write_offset(self._audit.folder / _SHIPPED, self._shipped)
        return True

    async def _ship_one_by_one(self, lines: bytes) -> None:
        """The table takes none of them because of one, which stays in the file alone."""
        at = self._shipped
        for line in lines.splitlines(keepends=True):
            try:
                await self._rows.insert_lines("audit", line, f"audit-{at}-{at + len(line)}")
            except StoreRejected:
                log.error("audit: the line at byte %d of %s is none that the trace store takes", at, self._audit.path)
            at += len(line)

    def _next(self) -> bytes:
        try:
            with self._audit.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size <= self._shipped:
                    # A file that somebody has put in its place begins anew.
                    self._shipped = self._shipped if size == self._shipped else 0
                    return b""
                file.seek(self._shipped)
                data = file.read(_MAX_SLICE_BYTES)
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1]


def _shown(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else _ENCODER.encode(value).decode()


def _moment(at_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%d %H:%M:%S.%f")


def _read_offset(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0


def _write_offset(path: Path, offset: int) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(str(offset), encoding="ascii")
    fresh.replace(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
