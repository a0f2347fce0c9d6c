"""ClickHouse's engine in this process (chDB). One process may open a directory, and only one directory in its life.

The engine blocks and keeps the interpreter busy for milliseconds at a time: it belongs in the operator, never in a
worker. It gets some threads with a session each, so that neither shipping nor the console waits for a user's query, and
what the console asks at once is looked up at once.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gateway.clients.chdb_recovery import strike_unfinished
from gateway.clients.clickhouse_rules import (
    GUEST_SETTINGS,
    INSERT_SETTINGS,
    READ_SETTINGS,
    checked_token,
    escaped,
    insert_failure,
    query_failure,
)
from gateway.core.errors import GatewayFault, Misconfigured, StoreUnavailable

log = logging.getLogger("weighbridge.chdb")
_T = TypeVar("_T")
_MAX_WAITING = 64
_READERS = 2


class _Lane:
    """One thread with one session of the engine.

    Args:
        name: Of the thread.
        start: Makes a session; runs in the thread.
    """

    def __init__(self, name: str, start: Callable[[], Any]) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"chdb-{name}")
        self._start = start
        self._session: Any = None
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How much is being done or waits."""
        return self._waiting

    async def run(self, work: Callable[[Any], _T]) -> _T:
        """Do some work with the session, in the thread.

        Raises:
            StoreUnavailable: Too much work waits already.
            RuntimeError: The engine's only exception; its text starts with a code.
        """
        if self._waiting >= _MAX_WAITING:
            raise StoreUnavailable("The trace store is busy.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, work)
        finally:
            self._waiting -= 1

    async def stop(self) -> None:
        """Close the session and let the thread end."""
        await self.run(lambda _: self._drop())
        self._pool.shutdown(wait=False)

    def _work(self, work: Callable[[Any], _T]) -> _T:
        try:
            if self._session is None:
                self._session = self._start()
            return work(self._session)
        except RuntimeError:
            # A session that failed in the middle of an answer gives what is left of it as the answer to the next query.
            self._drop()
            raise

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


class ChdbClient:
    """Implements ``plugin.traces.TraceDriver`` on a directory.

    Args:
        path: The directory; made when it is not there.
        database: The database in it.
    """

    shared = False

    def __init__(self, path: Path, *, database: str = "weighbridge") -> None:
        self.database = database
        self._path = path
        self._write = _Lane("write", lambda: self._session({}))
        self._reads = [_Lane(f"read-{number}", lambda: self._session(READ_SETTINGS)) for number in range(_READERS)]
        self._guest = _Lane("guest", lambda: self._session(GUEST_SETTINGS))

    async def open(self) -> None:
        """Start the engine.

        Raises:
            Misconfigured: The package is not installed.
            StoreUnavailable: The directory cannot be opened, perhaps because another process has it.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            struck = await asyncio.to_thread(strike_unfinished, self._path)
        except OSError as error:
            raise StoreUnavailable(f"The trace store at {self._path} cannot be made: {error.strerror}.") from None
        if struck:
            log.info("the trace store was killed while it wrote; %d tables will be given their rows again", struck)
        await self._run(self._write, lambda _: None, lambda text: _opening(self._path, text))

    async def close(self) -> None:
        """Stop the engine; what was inserted is on the disk."""
        for lane in (self._guest, *self._reads, self._write):
            await lane.stop()

    async def command(self, sql: str) -> None:
        """Run a statement that changes something."""
        await self._run(self._write, lambda session: session.query(sql), query_failure)

    async def query(
        self,
        sql: str,
        *,
        fmt: str = "JSON",
        params: Mapping[str, str] | None = None,
        guest: bool = False,
    ) -> bytes:
        """Read; see ``TraceDriver.query``."""
        bound = {name: escaped(value) for name, value in (params or {}).items()}

        def read(session: Any) -> bytes:
            return session.query(sql, fmt, params=bound).bytes() or b""

        lane = self._guest if guest else min(self._reads, key=lambda lane: lane.waiting)
        return await self._run(lane, read, lambda text: query_failure(text, guest=guest))

    async def insert_lines(self, table: str, data: bytes, token: str) -> None:
        """Insert lines of JSON, once a token; see ``TraceDriver.insert_lines``."""
        settings = ", ".join(f"{name} = {value}" for name, value in INSERT_SETTINGS.items())
        sql = f"INSERT INTO {table} SETTINGS {settings}, insert_deduplication_token = '{checked_token(token)}'"

        def insert(session: Any) -> None:
            # Bytes go to the parser as they are: no file in between, and no text literal that must be escaped.
            with session.send_insert(sql, "JSONEachRow") as stream:
                stream.append(data)
                stream.finish()

        await self._run(self._write, insert, insert_failure)

    def _session(self, settings: Mapping[str, int | str]) -> Any:
        session = _engine()(str(self._path))
        session.query(f"CREATE DATABASE IF NOT EXISTS {self.database}")
        session.query(f"USE {self.database}")
        # readonly comes last: it forbids every setting after it.
        for name, value in sorted(settings.items(), key=lambda item: item[0] == "readonly"):
            session.query(f"SET {name} = {value!r}")
        return session

    async def _run(self, lane: _Lane, work: Callable[[Any], _T], failure: Callable[[str], GatewayFault]) -> _T:
        try:
            return await lane.run(work)
        except RuntimeError as error:
            raise failure(str(error)) from None


# For whoever has the default store and not the package.
NO_ENGINE = (
    "stores.traces: chdb:// needs the extra: pip install 'weighbridge[embedded]'; "
    "or name a clickhouse:// server, or give --no-operator"
)


def has_engine() -> bool:
    """Whether the optional package with the engine is installed; nothing is loaded."""
    return importlib.util.find_spec("chdb") is not None


def _engine() -> Callable[[str], Any]:
    """The engine's session class: an optional package of 560 MB, loaded when the first store is opened."""
    try:
        return importlib.import_module("chdb.session").Session
    except ImportError:
        raise Misconfigured("Embedded traces need the extra: pip install 'weighbridge[embedded]'.") from None


def _opening(path: Path, text: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"The trace store at {path} cannot be opened; another process may have it open. {query_failure(text)}"
    )
