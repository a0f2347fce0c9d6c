"""Streams that the workers of a home pass on to each other while they run: two tables beside the kept answers.

Everything here blocks, and each object is for one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from gateway.clients.answer_database import AnswerDatabase, writing

# Made when first needed: a file of an earlier version gets them too, and one that knows them is no other version.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS wanted (key BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS relays (key BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS parts (
      key BLOB NOT NULL, at INTEGER NOT NULL, part BLOB NOT NULL, PRIMARY KEY (key, at)
    ) WITHOUT ROWID""",
)
_WANT = "INSERT INTO wanted VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET until = ?2"
_WANTED = "SELECT key FROM wanted WHERE until > ?"
_OVER = (
    "DELETE FROM wanted WHERE until <= ?",
    "DELETE FROM parts WHERE key IN (SELECT key FROM relays WHERE until <= ?)",
    "DELETE FROM relays WHERE until <= ?",
)
_ANEW = "DELETE FROM parts WHERE key = ?"
_NEXT = "SELECT ifnull(max(at) + 1, 0) FROM parts WHERE key = ?"
_SAY = "INSERT INTO parts VALUES (?, ?, ?)"
_KEEP = "INSERT INTO relays VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET until = ?2"
_LIES = """
SELECT part, (SELECT max(at) + 1 FROM parts WHERE key = ?1) FROM parts
WHERE key = ?1 AND at = 0 AND EXISTS (SELECT 1 FROM relays WHERE key = ?1 AND until > ?2)
"""
_SAID = """
SELECT part FROM parts WHERE key = ?1 AND at >= ?2 AND EXISTS (SELECT 1 FROM relays WHERE key = ?1 AND until > ?3)
ORDER BY at
"""


class AnswerRelays:
    """The tables.

    Args:
        database: That they are in.
        unix_s: Tells the time.
    """

    def __init__(self, database: AnswerDatabase, unix_s: Callable[[], float]) -> None:
        self._database = database
        self._unix_s = unix_s
        self._made: sqlite3.Connection | None = None

    def want(self, key: bytes, for_s: float) -> None:
        """Ask whoever leads a stream to say it."""
        now_s = self._unix_s()

        def work(database: sqlite3.Connection) -> None:
            self._make(database)
            with writing(database):
                for over in _OVER:
                    database.execute(over, (now_s,))
                database.execute(_WANT, (key, now_s + for_s))

        self._database.asked(work)

    def wanted(self) -> set[bytes]:
        """Give what is asked for."""

        def work(database: sqlite3.Connection) -> set[bytes]:
            self._make(database)
            return {key for (key,) in database.execute(_WANTED, (self._unix_s(),))}

        return self._database.asked(work)

    def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> None:
        """Leave the next parts."""
        until_s = self._unix_s() + for_s

        def work(database: sqlite3.Connection) -> None:
            self._make(database)
            with writing(database):
                if anew:
                    database.execute(_ANEW, (key,))
                (first,) = database.execute(_NEXT, (key,)).fetchone()
                database.executemany(_SAY, [(key, at, part) for at, part in enumerate(parts, first)])
                database.execute(_KEEP, (key, until_s))

        self._database.asked(work)

    def lies(self, key: bytes) -> tuple[bytes, int]:
        """Give the first part, and how many there are."""

        def work(database: sqlite3.Connection) -> tuple[bytes, int]:
            self._make(database)
            return database.execute(_LIES, (key, self._unix_s())).fetchone() or (b"", 0)

        return self._database.asked(work)

    def said(self, key: bytes, after: int) -> list[bytes]:
        """Give the parts behind the first so many."""

        def work(database: sqlite3.Connection) -> list[bytes]:
            self._make(database)
            return [part for (part,) in database.execute(_SAID, (key, after, self._unix_s()))]

        return self._database.asked(work)

    def _make(self, database: sqlite3.Connection) -> None:
        if self._made is not database:
            for table in _TABLES:
                database.execute(table)
            self._made = database
