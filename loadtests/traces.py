"""What the trace store answers when it holds ten million exchanges, and how long that takes.

python -m loadtests.traces [--rows 10000000] [--days 30] [--dir FOLDER] [--keep]

The engine makes the exchanges itself, bodies included, and sends them through the views of every table; then each
question is asked as the operator plane asks it. Times are of the question with its answer read, best and median;
CPU time is of all threads. On a machine that others use, the best says more. FOLDER is kept where it was there before.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from gateway.clients.chdb import ChdbClient
from gateway.operator.filters import Filters
from gateway.operator.latency import Latency
from gateway.operator.queries import TraceQueries
from gateway.operator.sessions import Sessions
from gateway.operator.spend import SpendBook
from gateway.operator.spend_query import SpendQuery
from gateway.operator.store import TraceStore
from gateway.operator.word_index import index_words
from loadtests.fleet import quantile
from loadtests.traces_made import COMMON_WORD, RARE_WORD, make
from tests.support.clock import ManualClock

ROUNDS = 7
DAY_S = 86_400
Ask = Callable[[], Awaitable[Any]]
_ROOM = """
SELECT table, sum(rows) AS rows, count() AS parts, sum(bytes_on_disk) AS bytes,
    sum(secondary_indices_compressed_bytes) AS index_bytes
FROM system.parts WHERE active AND database = 'weighbridge' GROUP BY table ORDER BY bytes DESC
"""


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def timed(name: str, ask: Ask) -> None:
    """Ask some times, and print what it takes."""
    walls: list[float] = []
    cpu_s = time.process_time()
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        await ask()
        walls.append((time.perf_counter() - began_s) * 1000)
    cpu_ms = (time.process_time() - cpu_s) * 1000 / ROUNDS
    say(f"  {name:44} best {min(walls):8.1f} ms   p50 {quantile(walls, 0.5):8.1f} ms   CPU {cpu_ms:8.1f} ms")


async def rows_of(driver: ChdbClient, sql: str) -> list[dict[str, Any]]:
    """Ask the engine itself."""
    return orjson.loads(await driver.query(sql))["data"]


async def measure(driver: ChdbClient, store: TraceStore) -> None:
    """Ask everything."""
    (newest,) = await rows_of(driver, "SELECT toUnixTimestamp(max(started_at)) + 1 AS s FROM exchanges")
    now_s = newest["s"]
    queries = TraceQueries(driver, ManualClock(now_s * 1000), store.landed)
    since_us = (now_s - 30 * DAY_S) * 1_000_000
    (middle,) = await rows_of(
        driver,
        "SELECT toString(id) AS id, session_id, toUnixTimestamp64Micro(started_at) AS us FROM exchanges "
        "WHERE started_at > now() - INTERVAL 15 DAY AND session_id != '' AND status = 500 LIMIT 1",
    )
    cursor = f"{middle['us']}.{middle['id']}"
    pages = {
        "list, newest page": Filters(),
        "list, one team": Filters(team="team-7"),
        "list, one key that seldom calls": Filters(key_id="key-399"),
        "list, status 500 of one deployment": Filters(status=500, deployment="deploy-9/model-1"),
        "list, one session of long ago": Filters(session_id=middle["session_id"]),
        "list, one tag": Filters(tags=("app=app-59",)),
        "list, a rule that hit": Filters(rule="no-keys", verdict="block"),
        "list, slower than a minute": Filters(min_duration_ms=60_000),
        "list, nothing to find": Filters(team="nobody"),
        f"text, in every second body ({COMMON_WORD})": Filters(text=COMMON_WORD),
        f"text, in one of 100,000 ({RARE_WORD})": Filters(text=RARE_WORD),
        "text, in no body": Filters(text="nowhere"),
    }
    for name, filters in pages.items():
        await timed(name, lambda filters=filters: queries.exchanges(filters))
    await timed("list, a page of 15 days ago", lambda: queries.exchanges(Filters(), cursor=cursor))
    await timed("one exchange", lambda: queries.exchange(middle["id"]))
    await timed("tail, the newest", lambda: queries.tail(limit=10))
    sessions = Sessions(driver)
    await timed("sessions of a day", lambda: sessions.newest(Filters(since_us=(now_s - DAY_S) * 1_000_000), 100))
    await timed("one session as a tree", lambda: sessions.tree(middle["session_id"], "session"))
    book = SpendBook(driver)
    for by in ("team", "key", "model", "day"):
        spend = SpendQuery(by=(by,), since_s=now_s - 30 * DAY_S, until_s=now_s + 60)
        await timed(f"30 days of spend by {by}", lambda spend=spend: book.spent(spend, now_s))
    latency = Latency(driver)
    await timed(
        "30 days of p99 by deployment", lambda: latency.read(["deployment"], ["duration"], since_us, now_s * 1_000_000)
    )


async def tell_room(driver: ChdbClient) -> None:
    """Say what it takes on the disk."""
    found = await rows_of(driver, _ROOM)
    exchanges = next((row["rows"] for row in found if row["table"] == "exchanges"), 0)
    for row in found:
        per, index = row["bytes"] / max(row["rows"], 1), row["index_bytes"] / max(row["rows"], 1)
        say(f"  {row['table']:24} {row['rows']:>10} rows, {row['parts']:>3} parts, {per:6.1f} bytes a row")
        say(f"  {'of which indices':24} {index:6.1f} bytes a row")
    say(f"  all together {sum(row['bytes'] for row in found) / max(exchanges, 1):.1f} bytes an exchange")


async def run(folder: Path, rows: int, days: int) -> None:
    """Make what is not there, and measure."""
    driver = ChdbClient(folder)
    store = TraceStore(driver)
    await store.start()
    await index_words(driver)
    try:
        (found,) = await rows_of(driver, "SELECT count() AS rows FROM exchanges")
        if found["rows"] < rows:
            await make(driver, rows - found["rows"], days, int(time.time()), lambda made: say(f"  {made} made"))
        await tell_room(driver)
        await measure(driver, store)
    finally:
        await store.close()


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    folder = args.dir or Path(tempfile.mkdtemp(prefix="traces-"))
    there = args.dir is not None and folder.exists()
    try:
        asyncio.run(run(folder, args.rows, args.days))
    finally:
        if not args.keep and not there:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
