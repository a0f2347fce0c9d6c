from __future__ import annotations

import asyncio

import pytest

from gateway.clients.clickhouse import ClickHouseClient
from gateway.core.errors import Misconfigured, StoreUnavailable
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.drivers import shim
from tests.support.engine import fresh_database


@pytest.mark.parametrize(
    "url", ["", "http://h:8123/db", "clickhouse://", "clickhouse:///db", "clickhouse://h/db; DROP", "chdb://x"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        ClickHouseClient(url)


def test_the_database_has_a_name_when_the_url_gives_none() -> None:
    assert ClickHouseClient("clickhouse://host").database == "weighbridge"
    assert ClickHouseClient("clickhouses://host:9440/other").database == "other"


def test_a_refused_port_is_unavailable_and_tried_again_by_the_next_call() -> None:
    async def scenario() -> None:
        server = ClickHouseShim()
        server.start()
        server.stop()
        client = ClickHouseClient(server.url(fresh_database()))
        for call in (client.open(), client.query("SELECT 1"), client.command("SELECT 1")):
            with pytest.raises(StoreUnavailable):
                await call
        server.start()
        assert await client.query("SELECT 1", fmt="TSVRaw") == b"1\n"
        await client.close()
        server.close()

    asyncio.run(scenario())


def test_a_wrong_password_is_unavailable_and_never_shown() -> None:
    async def scenario() -> None:
        client = ClickHouseClient(shim().url("db", user="someone", password="pass%2Fword"))
        with pytest.raises(StoreUnavailable) as caught:
            await client.open()
        assert "word" not in str(caught.value)

    asyncio.run(scenario())


def test_user_and_password_are_percent_decoded() -> None:
    async def scenario() -> None:
        server = ClickHouseShim("us er", "p@ss/word")
        server.start()
        client = ClickHouseClient(server.url(fresh_database(), user="us%20er", password="p%40ss%2Fword"))
        assert await client.query("SELECT 1", fmt="TSVRaw") == b"1\n"
        await client.close()
        server.close()

    asyncio.run(scenario())


def test_a_cluster_that_no_server_knows_is_refused_with_its_name() -> None:
    async def scenario() -> None:
        client = ClickHouseClient(f"{shim().url(fresh_database())}?cluster=prod")
        with pytest.raises(Misconfigured, match="'prod'"):
            await client.open()

    asyncio.run(scenario())


def test_tables_of_one_server_are_not_taken_for_those_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.clients.clickhouse._KNOWN", "SELECT notEmpty({name:String})")

    async def scenario() -> None:
        url = shim().url(fresh_database())
        plain, spread = ClickHouseClient(url), ClickHouseClient(f"{url}?cluster=prod")
        await plain.command("CREATE TABLE ingest (a Int64) ENGINE = Null")
        with pytest.raises(Misconfigured, match="that of one server"):
            await spread.open()
        await plain.close()

    asyncio.run(scenario())


def test_inserts_that_the_server_gathers_count_once_too() -> None:
    async def scenario() -> None:
        client = ClickHouseClient(f"{shim().url(fresh_database())}?async_inserts=1")
        window = "SETTINGS non_replicated_deduplication_window = 100"
        await client.command(f"CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a {window}")
        for _ in range(2):
            await client.insert_lines("t", b'{"a":1}\n', "one")
        await client.insert_lines("t", b'{"a":1}\n', "two")
        assert await client.query("SELECT count() FROM t", fmt="TSVRaw") == b"2\n"
        await client.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("failing", ["before", "after"])
def test_an_insert_cut_off_is_unavailable_and_counts_once_when_sent_again(failing: str) -> None:
    async def scenario() -> None:
        server = ClickHouseShim()
        server.start()
        client = ClickHouseClient(server.url(fresh_database()))
        window = "SETTINGS non_replicated_deduplication_window = 100"
        await client.command(f"CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a {window}")
        server.failing = failing
        with pytest.raises(StoreUnavailable):
            await client.insert_lines("t", b'{"a":1}\n', "one")
        server.failing = ""
        await client.insert_lines("t", b'{"a":1}\n', "one")
        assert await client.query("SELECT count() FROM t", fmt="TSVRaw") == b"1\n"
        await client.close()
        server.close()

    asyncio.run(scenario())
