from __future__ import annotations

from gateway.operator.store import TraceStore
from gateway.operator.word_index import INDEX, index_words
from gateway.operator.words import found_in, read_words
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import with_driver
from tests.support.records import lines, record


def test_the_index_is_made_once_and_asked_for() -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        assert await index_words(driver)
        assert await index_words(driver)
        await store.insert(lines(record(request_body='{"a":"osprey"}'), record(request_body="{}")), "a")
        found, params = found_in(read_words("osprey"))
        query = "SELECT exchange_id FROM bodies WHERE " + found
        assert len((await driver.query(query, fmt="TSVRaw", params=params)).splitlines()) == 1
        assert INDEX.encode() in await driver.query(f"EXPLAIN indexes = 1 {query}", fmt="TSVRaw", params=params)

    with_driver("chdb", scenario)
