from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gateway.clients.chdb import ChdbClient
from gateway.core.errors import GatewayError, StoreRejected, StoreUnavailable
from tests.support.engine import engine_dir, fresh_database


def opened(scenario) -> None:
    """Run a scenario on a fresh database of the process's engine."""

    async def run() -> None:
        client = ChdbClient(engine_dir(), database=fresh_database())
        await client.open()
        try:
            await scenario(client)
        finally:
            await client.close()

    asyncio.run(run())


def test_an_answer_that_failed_half_way_does_not_come_out_of_the_next_query() -> None:
    async def scenario(client: ChdbClient) -> None:
        too_many = "SELECT throwIf(number = 9000) FROM numbers(20000)"
        for _ in range(5):
            with pytest.raises(StoreRejected):
                await client.query(too_many, guest=True)
            assert await client.query("SELECT 7", fmt="TSVRaw", guest=True) == b"7\n"

    opened(scenario)


def test_an_insert_does_not_wait_for_a_slow_query_of_a_guest() -> None:
    async def scenario(client: ChdbClient) -> None:
        await client.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
        slow = asyncio.get_running_loop().create_task(
            client.query("SELECT count() FROM numbers(60000000) WHERE sipHash64(number) = 1", guest=True)
        )
        await client.insert_lines("t", b'{"a":1}\n', "one")
        assert not slow.done()
        assert await client.query("SELECT count() FROM t", fmt="TSVRaw") == b"1\n"
        assert not slow.done()
        await slow

    opened(scenario)


def test_too_many_waiting_queries_are_refused_and_not_queued() -> None:
    async def scenario(client: ChdbClient) -> None:
        slow = "SELECT count() FROM numbers(20000000) WHERE sipHash64(number) = 1"
        answers = await asyncio.gather(
            client.query(slow, guest=True),
            *(client.query("SELECT 1", guest=True) for _ in range(80)),
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
        assert len(refused) == 81 - 64
        assert orjson.loads(await client.query("SELECT 1 AS one"))["data"] == [{"one": 1}]

    opened(scenario)


def test_what_is_read_at_once_is_looked_up_at_once() -> None:
    async def scenario(client: ChdbClient) -> None:
        slow = asyncio.get_running_loop().create_task(
            client.query("SELECT count() FROM numbers(60000000) WHERE sipHash64(number) = 1")
        )
        await asyncio.sleep(0)
        assert await client.query("SELECT 7", fmt="TSVRaw") == b"7\n"
        assert not slow.done()
        await slow

    opened(scenario)


def test_a_directory_that_another_process_has_is_unavailable(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from chdb.session import Session; s = Session(sys.argv[1]); input()",
            tmp_path,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        probe = """
import asyncio, sys, time
from pathlib import Path
from gateway.clients.chdb import ChdbClient
from gateway.core.errors import StoreUnavailable
async def main():
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        client = ChdbClient(Path(sys.argv[1]))
        try:
            await client.open()
        except StoreUnavailable as error:
            assert "another process" in error.public_message
            return
        await client.close()
        await asyncio.sleep(0.01)
    sys.exit(1)
asyncio.run(main())
"""
        while not (tmp_path / "status").exists():
            assert holder.poll() is None
        assert subprocess.run([sys.executable, "-c", probe, tmp_path], check=False).returncode == 0
    finally:
        holder.communicate(b"\n")


def test_a_missing_package_is_named_with_the_extra_to_install() -> None:
    script = """
import asyncio, sys
from pathlib import Path
sys.modules["chdb"] = None
from gateway.clients.chdb import ChdbClient
from gateway.core.errors import Misconfigured
try:
    asyncio.run(ChdbClient(Path(sys.argv[1])).open())
except Misconfigured as error:
    assert "weighbridge[embedded]" in error.public_message
else:
    sys.exit(1)
"""
    assert subprocess.run([sys.executable, "-c", script, "unused-store"], check=False).returncode == 0


def test_a_place_where_no_directory_can_be_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        asyncio.run(ChdbClient(Path("/proc/nowhere/store")).open())


def test_closing_leaves_a_store_that_can_be_opened_again() -> None:
    async def scenario() -> None:
        database = fresh_database()
        first = ChdbClient(engine_dir(), database=database)
        await first.open()
        await first.command("CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
        await first.insert_lines("t", b'{"a":5}\n', "x")
        await first.close()
        second = ChdbClient(engine_dir(), database=database)
        await second.open()
        assert await second.query("SELECT a FROM t", fmt="TSVRaw") == b"5\n"
        await second.close()

    asyncio.run(scenario())


def test_every_failure_is_one_of_ours() -> None:
    async def scenario(client: ChdbClient) -> None:
        for broken in ("SELECT", "SELECT nope", "SELECT * FROM nope", "SELECT 1/"):
            with pytest.raises(GatewayError):
                await client.query(broken)
            with pytest.raises(GatewayError):
                await client.command(broken)

    opened(scenario)


def test_the_engine_is_found_without_loading_it() -> None:
    script = "import sys; from gateway.clients.chdb import has_engine; print(has_engine(), 'chdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
