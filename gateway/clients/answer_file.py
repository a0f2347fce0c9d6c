"""Kept answers in a file of the data home, shared by all workers of a machine and by the operator: SQLite.

What has to go first when there is no room is decided by value: what an answer saves for each byte, times how often it
was asked for, above the level of what had to go before, so that nothing stays for what it once was.

Everything here blocks, and each object is for one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.clients import answer_sql as sql
from gateway.clients.answer_database import AnswerDatabase, writing
from gateway.core.cache_survey import Kept, Survey, Tally, Wanted
from gateway.core.cached import CachedAnswer
from gateway.core.cached_bytes import group_of, pack, unpack, worth_of

# What the tables and indices take of an entry, beside its answer and its vector.
ROW_BYTES = 400
_GONE, _EXPIRED, _LEAST, _BATCH = 50_000, 64, 32, 200
Rows = list[tuple[int, bytes, bytes]]


class Put(NamedTuple):
    """What came of it: how many entries had to go, and the page's word before and after."""

    evicted: int
    before: bytes
    after: bytes


class AnswerFile(AnswerDatabase):
    """The file.

    Args:
        home: The data home.
        max_bytes: Of all entries.
        max_entries: How many.
        unix_s: Tells the time.
    """

    def __init__(self, home: Path, *, max_bytes: int, max_entries: int, unix_s: Callable[[], float]) -> None:
        super().__init__(home)
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._unix_s = unix_s

    def get(self, key: bytes) -> CachedAnswer | None:
        """Give an answer that has not expired; one that is damaged is removed."""

        def work(database: sqlite3.Connection) -> bytes | None:
            row = database.execute(sql.GET, (key, int(self._unix_s()))).fetchone()
            return None if row is None else row[0]

        found = self.asked(work)
        if found is None:
            return None
        answer = unpack(found)
        if answer is None or answer.key != key:
            self.remove(key)
            return None
        return answer

    def keys(self) -> list[bytes]:
        """Give the keys of all entries."""
        return self.asked(lambda database: [key for (key,) in database.execute(sql.KEYS)])

    def put(self, answer: CachedAnswer, vector: bytes) -> Put | None:
        """Keep an answer, in the place of one with its key; ``None`` where it is larger than all may be."""
        data = pack(answer)
        size = len(data) + len(vector) + ROW_BYTES
        if size > self.max_bytes:
            return None
        family = group_of(answer.partition, answer.fingerprint) if vector else b""
        now_s = int(self._unix_s())
        whose = (answer.tenant, answer.alias, answer.model, answer.stored_s, answer.expires_s)
        worth = worth_of(answer)
        row = (answer.key, family, *whose, answer.cost_nanousd or 0, worth, size, worth, size, vector, data)

        def work(database: sqlite3.Connection) -> tuple[int, bool]:
            with writing(database):
                database.execute(sql.EXPIRED, (now_s, _EXPIRED))
                replaced = database.execute(sql.REMOVE_KEY, (answer.key,)).rowcount > 0
                evicted = self._make_room(database, size)
                database.execute(sql.PUT, row)
                database.execute(sql.FORGET_GONE, (_GONE,))
            return evicted, replaced

        page = self.page()
        before = page.put
        evicted, replaced = self.asked(work)
        if replaced:
            page.tell_dropped()
        return Put(evicted, before, page.tell_put())

    def _make_room(self, database: sqlite3.Connection, size: int) -> int:
        entries, held, _, _ = database.execute(sql.SUMS).fetchone()
        evicted = 0
        while entries + 1 > self.max_entries or held + size > self.max_bytes:
            least = database.execute(sql.LEAST, (_LEAST,)).fetchall()
            if not least:
                break
            for number, freed, priority in least:
                if entries + 1 <= self.max_entries and held + size <= self.max_bytes:
                    break
                database.execute(sql.REMOVE, (number,))
                database.execute(sql.EVICTED, (1, priority))
                entries, held, evicted = entries - 1, held - freed, evicted + 1
        return evicted

    def note_hits(self, hits: dict[bytes, int]) -> None:
        """Count how often entries were given."""

        def work(database: sqlite3.Connection) -> None:
            with writing(database):
                database.executemany(sql.HIT, [(count, key) for key, count in hits.items()])

        self.asked(work)

    def remove(self, key: bytes) -> int:
        """Forget one entry; all processes do."""

        def work(database: sqlite3.Connection) -> int:
            with writing(database):
                return database.execute(sql.REMOVE_KEY, (key,)).rowcount

        count = self.asked(work)
        if count:
            self.page().tell_dropped()
        return count

    def find(self, wanted: Wanted, most: int) -> list[Kept]:
        """Give entries, the oldest first."""
        found: list[Kept] = []
        for _, kept in self._each():
            if len(found) >= most:
                break
            if wanted(kept.answer):
                found.append(kept)
        return found

    def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        """Forget entries, and say how many; with ``dry_run``, only say."""
        numbers = [number for number, kept in self._each() if wanted(kept.answer)]
        if dry_run or not numbers:
            return len(numbers)

        def work(database: sqlite3.Connection) -> int:
            count = 0
            for start in range(0, len(numbers), _BATCH):
                with writing(database):
                    for number in numbers[start : start + _BATCH]:
                        count += database.execute(sql.REMOVE, (number,)).rowcount
            return count

        try:
            return self.asked(work)
        finally:
            self.page().tell_dropped()

    def _each(self) -> Iterator[tuple[int, Kept]]:
        after, now_s = 0, int(self._unix_s())
        while rows := self.rows(sql.BATCH, (after, now_s, _BATCH)):
            after = rows[-1][0]
            for number, hits, size, vector, data in rows:
                answer = unpack(data)
                if answer is not None:
                    yield number, Kept(answer=answer, hits=hits, size_bytes=size, vector=bool(vector))

    def survey(self, *, searches: bool) -> Survey:
        """Say what is there."""
        tally = Tally()
        for tenant, alias, model, size, hits, cost, stored in self.rows(sql.PARTS, (int(self._unix_s()),)):
            tally.add((tenant, alias, model), size=size, hits=hits, cost=cost, stored_s=stored)
        entries, held, evictions, _ = self.sums()
        return Survey(
            kind="home",
            searches=searches,
            note="",
            entries=entries,
            bytes=held,
            max_entries=self.max_entries,
            max_bytes=self.max_bytes,
            evictions=evictions,
            parts=tally.parts(),
        )

    def sums(self) -> tuple[int, int, int, float]:
        """Give entries, bytes, evictions, and the level of what went last."""
        return self.rows(sql.SUMS, ())[0]

    def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        """Say whether an answer is ours to ask for now."""
        now_s = self._unix_s()

        def work(database: sqlite3.Connection) -> bool:
            with writing(database):
                database.execute(sql.OVER, (now_s,))
                return database.execute(sql.LEAD, (key, token, now_s + ttl_s, now_s)).rowcount > 0

        return self.asked(work)

    def led(self, key: bytes) -> bool:
        """Say whether somebody asks for an answer."""
        return bool(self.rows(sql.LED, (key, self._unix_s())))

    def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        """Have it to ask for, for longer."""
        self.write(sql.RENEW, (self._unix_s() + ttl_s, key, token))

    def release(self, key: bytes, token: str) -> None:
        """Let others ask."""
        self.write(sql.RELEASE, (key, token))
        self.page().tell_put()

    def state_get(self, name: str) -> bytes:
        """Give small state."""
        rows = self.rows(sql.STATE_GET, (name,))
        return rows[0][0] if rows else b""

    def state_put(self, name: str, data: bytes) -> None:
        """Keep small state."""
        self.write(sql.STATE_PUT, (name, data))

    def newer(self, number: int, most: int) -> Rows:
        """Give number, family and vector of the entries after one."""
        return self.rows(sql.NEWER, (number, most))

    def some(self, numbers: list[int]) -> Rows:
        """Give number, family and vector of some entries, in the order of their numbers, as far as they are there."""
        return self.rows(sql.SOME, (f"[{','.join(map(str, numbers))}]",))

    def left(self, at: int, most: int) -> list[tuple[int, int]] | None:
        """Give which entries have gone after a place in that list; ``None``: too many to say."""
        first, last = self.rows(sql.GONE_RANGE, ())[0]
        if last < at or first > at + 1:
            return None
        return self.rows(sql.LEFT, (at, most))

    def gone_until(self) -> int:
        """Give the last place of the list of what has gone."""
        return self.rows(sql.GONE_RANGE, ())[0][1]

    def alive(self) -> list[tuple[int, bytes]]:
        """Give number and family of all entries that have vectors."""
        return self.rows(sql.ALIVE, ())

    def answers(self, numbers: list[int]) -> list[tuple[CachedAnswer, bytes]]:
        """Give answers and vectors of some entries; those that are gone, expired or damaged are not among them."""
        now_s = int(self._unix_s())

        def work(database: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
            found = [database.execute(sql.ROW, (number, now_s)).fetchone() for number in numbers]
            return [row for row in found if row is not None]

        read = [(unpack(data), vector) for data, vector in self.asked(work)]
        return [(answer, vector) for answer, vector in read if answer is not None]
