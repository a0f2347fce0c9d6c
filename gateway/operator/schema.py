"""The trace store's tables: numbered files in ``sql/``, applied in order, once, forward only.

The same files serve the embedded engine, a server, and a cluster (whose driver says what a statement becomes there).
Each statement may be run twice, so a start that was cut in the middle of a file is simply started again. Of several
gateways that start on one store, one does it and the others wait.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import resources

import msgspec
import orjson

from gateway.core.errors import Misconfigured, StoreRejected, StoreUnavailable
from gateway.plugin.traces import TraceDriver

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_END = re.compile(r";\s*$", re.MULTILINE)
LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32,
    name String,
    digest String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY version
SETTINGS non_replicated_deduplication_window = 100
"""
# A table that can be made once: who has made it is the one that changes the others.
_LOCK = "CREATE TABLE schema_lock (at DateTime) ENGINE = Null"
_UNLOCK = "DROP TABLE IF EXISTS schema_lock"
# Nobody needs that long. Whoever left it was killed.
_STALE_S = 600
_VIEW = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+)")
_NO_VIEW = re.compile(r"DROP VIEW IF EXISTS (\w+)")
_COLUMN = re.compile(r"ALTER TABLE (\w+) (?=ADD COLUMN)")
_TABLES = "SELECT count() FROM system.tables WHERE database = {database:String} AND name NOT LIKE 'schema\\_%'"
_STALE = """
SELECT count() FROM system.tables WHERE database = {database:String} AND name IN ('schema_lock', 'schema_lock_local')
    AND metadata_modification_time < now() - toIntervalSecond({stale_s:Int32})
"""


class Migration(msgspec.Struct, frozen=True):
    """One file: its statements and the digest of its text."""

    version: int
    name: str
    digest: str
    statements: tuple[str, ...]


class _Applied(msgspec.Struct):
    version: int
    digest: str


class _Ledger(msgspec.Struct):
    data: list[_Applied]


def parse_migration(file_name: str, text: str) -> Migration:
    """Read one file.

    Args:
        file_name: ``0001_what_it_does.sql``.
        text: Statements that end with a semicolon at the end of a line; lines that start with ``--`` are comments.

    Raises:
        ValueError: The file is not named so.
    """
    match = _FILE.fullmatch(file_name)
    if match is None:
        raise ValueError(f"no name of a migration: {file_name}")
    parts = _END.split(_COMMENT.sub("", text))
    statements = tuple(part.strip() for part in parts if part.strip())
    return Migration(int(match[1]), match[2], hashlib.sha256(text.encode()).hexdigest(), statements)


def shipped_migrations() -> list[Migration]:
    """The files of this version, in order."""
    folder = resources.files("gateway.operator") / "sql"
    files = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [parse_migration(name, (folder / name).read_text(encoding="utf-8")) for name in files]


async def migrate(driver: TraceDriver, migrations: list[Migration] | None = None) -> list[int]:
    """Bring a store up to this version.

    Returns:
        The versions that were applied now.

    Raises:
        Misconfigured: The store was written by a later version, or a file that it knows has another text now.
        StoreUnavailable: Another gateway is doing it.
    """
    wanted = shipped_migrations() if migrations is None else migrations
    await driver.command(LEDGER)
    if not (missing := await _missing(driver, wanted)):
        return []
    if driver.shared:
        async with _alone(driver):
            # Another gateway may have been here in between.
            missing = await _missing(driver, wanted)
            await _apply(driver, missing)
    else:
        await _apply(driver, missing)
    return [migration.version for migration in missing]


async def _missing(driver: TraceDriver, wanted: list[Migration]) -> list[Migration]:
    rows = await driver.query("SELECT version, any(digest) AS digest FROM schema_migrations GROUP BY version")
    applied = {row.version: row.digest for row in msgspec.json.decode(rows, type=_Ledger).data}
    if later := sorted(applied.keys() - {migration.version for migration in wanted}):
        raise Misconfigured(
            f"The trace store has schema version {later[-1]}, which this version does not know"
            f" (it knows {wanted[-1].version}). Run the version that wrote it, or name another database."
        )
    for migration in wanted:
        if applied.get(migration.version, migration.digest) != migration.digest:
            raise Misconfigured(f"Schema version {migration.version} of the trace store is not the one shipped here.")
    return [migration for migration in wanted if migration.version not in applied]


@asynccontextmanager
async def _alone(driver: TraceDriver) -> AsyncGenerator[None, None]:
    """Keep other gateways from changing the schema meanwhile: a view that is made anew misses what passes then."""
    try:
        await driver.command(_LOCK)
    except StoreRejected:
        stale = {"database": driver.database, "stale_s": str(_STALE_S)}
        if int(await driver.query(_STALE, fmt="TSVRaw", params=stale)):
            await driver.command(_UNLOCK)
        raise StoreUnavailable("Another gateway is changing the trace store's schema.") from None
    try:
        yield
    finally:
        await driver.command(_UNLOCK)


async def _apply(driver: TraceDriver, migrations: list[Migration]) -> None:
    if migrations and migrations[0].version == 1 and await _is_empty(driver):
        # Whoever is cut here finds tables the next time, and takes one file after the other.
        for statement in from_nothing(migrations):
            await driver.command(statement)
        await _note(driver, migrations)
        return
    for migration in migrations:
        for statement in migration.statements:
            await driver.command(statement)
        await _note(driver, [migration])


async def _is_empty(driver: TraceDriver) -> bool:
    return not int(await driver.query(_TABLES, fmt="TSVRaw", params={"database": driver.database}))


def from_nothing(migrations: list[Migration]) -> list[str]:
    """Give what makes the same tables in an empty database in half the time.

    A view that is made anew later is made once, in its last form: nothing passes it before. Columns that are added to a
    table one after the other are added at once, unless something that is done in between names the table.
    """
    given = [statement for migration in migrations for statement in migration.statements]
    dropped = {found[1]: at for at, statement in enumerate(given) if (found := _NO_VIEW.match(statement))}
    kept: list[str] = []
    adding: dict[str, int] = {}
    for at, statement in enumerate(given):
        view, column = _VIEW.match(statement), _COLUMN.match(statement)
        if _NO_VIEW.match(statement) or (view and at < dropped.get(view[1], -1)):
            continue
        if column and (place := adding.get(column[1])) is not None:
            kept[place] += f", {statement[column.end() :]}"
            continue
        for table in [table for table in adding if re.search(rf"\b{table}\b", statement)]:
            del adding[table]
        if column:
            adding[column[1]] = len(kept)
        kept.append(statement)
    return kept


async def _note(driver: TraceDriver, migrations: list[Migration]) -> None:
    rows = [{"version": each.version, "name": each.name, "digest": each.digest} for each in migrations]
    token = f"migration-{migrations[-1].version}"
    await driver.insert_lines("schema_migrations", b"\n".join(map(orjson.dumps, rows)), token)
