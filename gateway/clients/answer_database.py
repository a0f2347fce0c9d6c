"""The database of kept answers, open in several processes: how it is opened, shared, and begun anew.

Beside it lies a page of a few bytes that all processes have mapped: it says that something was put, was taken away, or
that the file is another one, without asking the database. A file that is damaged, or of another version, is removed by
whoever notices, and all go on with an empty one: what it held can be asked for again.

Everything here blocks, and each object is for one thread at a time.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from gateway.clients import answer_sql as sql
from gateway.core.errors import StoreUnavailable

log = logging.getLogger("weighbridge.cache")
T = TypeVar("T")

FOLDER = "cache"
FILE, PAGE, LOCK = "answers.db", "changes", "lock"
# Whoever writes holds others up for milliseconds.
BUSY_S = 1.0
_TOKEN = 8
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# The database is on the disk when the next one is; what a power cut takes is the last seconds, never the file.
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -8192")


class Damaged(Exception):
    """The file is none of ours, or not of our version."""


class Page:
    """The bytes that all processes see at once: three words that change when something has.

    Args:
        path: Of the file; made if there is none.
    """

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < 3 * _TOKEN:
                os.ftruncate(fd, 3 * _TOKEN)
            self._map = mmap.mmap(fd, 3 * _TOKEN)
        finally:
            os.close(fd)

    @property
    def put(self) -> bytes:
        """Changes with each entry that comes."""
        return self._map[:_TOKEN]

    @property
    def dropped(self) -> bytes:
        """Changes with each that is taken away or replaced before its time."""
        return self._map[_TOKEN : 2 * _TOKEN]

    @property
    def file(self) -> bytes:
        """Changes with the file."""
        return self._map[2 * _TOKEN :]

    def tell_put(self) -> bytes:
        """Tell everybody, and give the new word."""
        word = self._map[:_TOKEN] = os.urandom(_TOKEN)
        return word

    def tell_dropped(self) -> None:
        """Tell everybody."""
        self._map[_TOKEN : 2 * _TOKEN] = os.urandom(_TOKEN)

    def tell_file(self) -> None:
        """Tell everybody."""
        self._map[:] = os.urandom(3 * _TOKEN)

    def close(self) -> None:
        """Let go of it."""
        self._map.close()


class AnswerDatabase:
    """The database, as one thread has it.

    Args:
        home: The data home; it is in a folder of its own there.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self.path = self.folder / FILE
        self._database: sqlite3.Connection | None = None
        self._page: Page | None = None
        self._file = b""

    def page(self) -> Page:
        """Give the page.

        Raises:
            StoreUnavailable: The disk does not work.
        """
        if self._page is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._page = Page(self.folder / PAGE)
            except OSError as error:
                raise StoreUnavailable(f"The cache cannot be used: {error.strerror}.") from None
        return self._page

    def asked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the database.

        Raises:
            StoreUnavailable: It does not work now; a damaged file is an empty one the next time.
        """
        try:
            return work(self._open())
        except Damaged:
            self._begin_anew()
            raise StoreUnavailable("The file of the cache was of another version.") from None
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED or "malformed" in str(error):
                self._begin_anew()
            raise StoreUnavailable(f"The file of the cache cannot be used ({type(error).__name__}).") from None
        except OSError as error:
            raise StoreUnavailable(f"The cache cannot be used: {error.strerror}.") from None

    def rows(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """Ask one question."""
        return self.asked(lambda database: database.execute(statement, values).fetchall())

    def write(self, statement: str, values: tuple[Any, ...]) -> int:
        """Change something by one statement, and say how many rows were."""
        return self.asked(lambda database: database.execute(statement, values).rowcount)

    def close(self) -> None:
        """Let go of everything."""
        self._let_go()
        if self._page is not None:
            self._page.close()
        self._page = None

    def _let_go(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def _open(self) -> sqlite3.Connection:
        file = self.page().file
        if self._database is not None and self._file == file:
            return self._database
        self._let_go()
        self._file = file
        database = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            for pragma in _PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            self._have_tables(database)
            self.path.chmod(0o600)
        except BaseException:
            database.close()
            raise
        self._database = database
        return database

    def _have_tables(self, database: sqlite3.Connection) -> None:
        if _version(database) == sql.VERSION:
            return
        with self._locked():
            version = _version(database)
            if version == 0 and not database.execute("SELECT 1 FROM sqlite_schema").fetchone():
                database.executescript(f"BEGIN IMMEDIATE; {sql.SCHEMA} COMMIT;")
            elif version != sql.VERSION:
                raise Damaged

    def _begin_anew(self) -> None:
        """Remove the file, unless somebody has done so since it was opened."""
        self._let_go()
        with self._locked():
            if self.page().file != self._file:
                return
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
                (self.folder / name).unlink(missing_ok=True)
            self.page().tell_file()
        log.warning("cache: the file of kept answers was damaged or of another version; it begins anew")

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        fd = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


@contextmanager
def writing(database: sqlite3.Connection) -> Generator[None, None, None]:
    """Change several things, all or none."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]
