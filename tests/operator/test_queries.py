from __future__ import annotations

import asyncio
import uuid

import pytest

from gateway.clients.clock import SystemClock
from gateway.core.errors import MalformedRequest
from gateway.core.ids import uuid7
from gateway.core.record import AttemptRecord, MirrorRecord
from gateway.operator.filters import Filters
from gateway.operator.queries import TraceQueries
from gateway.operator.store import Feedback, TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record


def with_queries(kind: str, scenario) -> None:
    async def run(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        await scenario(store, TraceQueries(driver, SystemClock(), store.landed))

    with_driver(kind, run)


@pytest.mark.parametrize("kind", DRIVERS)
def test_an_exchange_that_can_be_read_is_whole_at_once(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        for number in range(15):
            given = record(request_body="question")
            inserting = asyncio.get_running_loop().create_task(store.insert(lines(given), f"slice-{number}"))
            while (found := await queries.exchange(given.id)) is None:
                await asyncio.sleep(0)
            assert (len(found["attempts"]), len(found["guard_events"])) == (1, 1)
            assert found["bodies"]["request_body"] == "question"
            await inserting

    with_queries(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_copy_is_found_with_the_call_that_it_is_of_and_apart_from_what_clients_did(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        real = record()
        told = MirrorRecord(
            mirror_of=real.id, real_deployment="openai/gpt", same_text=False, same_tools=True, chars=7, real_chars=9,
            finish_reason="stop", real_finish_reason="length", input_tokens=100, cost_nanousd=900,
            real_cost_nanousd=1500, ttft_ms=1.5, duration_ms=20.0, real_duration_ms=10.0,
        )  # fmt: skip
        copy = record(
            team="", key_id="", tenant="", tags={"weighbridge": "mirror"}, deployment="q/small", cost_nanousd=900,
            attempts=[AttemptRecord(kind="mirror", status=200, deployment="q/small")], guard_events=[], mirrors=[told],
        )  # fmt: skip
        await store.insert(lines(real, copy), "a")
        for one in (real.id, copy.id):
            found = await queries.exchange(one)
            assert found is not None
            (row,) = found["mirrors"]
            row.pop("started_at")
            given = {name: getattr(told, name) for name in told.__struct_fields__}
            assert row == given | {
                "exchange_id": copy.id, "alias": "small", "deployment": "q/small", "status": 200, "error_code": "",
            }  # fmt: skip
        copied = await queries.exchange(copy.id)
        assert copied is not None
        assert [each["kind"] for each in copied["attempts"]] == ["mirror"]
        # How long clients waited says nothing of it.
        rows = (
            await queries.sql("SELECT deployment, sum(calls) AS calls FROM latency_by_minute GROUP BY deployment")
        ).rows
        assert [row["deployment"] for row in rows] == ["openai/gpt"]

    with_queries(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_an_exchange_comes_with_all_that_hangs_on_it(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        tries = [AttemptRecord(number=2, kind="fallback", status=200), AttemptRecord(number=1, status=500)]
        given = record(attempts=tries, request_body="question", tags={"k": "v"})
        await store.insert(lines(record(), given, record()), "a")
        await store.add_feedback(
            Feedback(exchange_id=given.id, created_us=given.started_us, name="good", score=1.0), "f"
        )
        found = await queries.exchange(given.id)
        assert found is not None
        assert (found["id"], found["tags"], found["cost_nanousd"]) == (given.id, {"k": "v"}, 1500)
        assert [(one["number"], one["kind"], one["status"]) for one in found["attempts"]] == [
            (1, "first", 500),
            (2, "fallback", 200),
        ]
        assert [one["rule"] for one in found["guard_events"]] == ["no-keys"]
        assert found["bodies"] == {"request_body": "question", "response_body": None}
        assert found["mirrors"] == []
        assert [one["score"] for one in found["feedback"]] == [1.0]

    with_queries(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_an_exchange_without_captured_bodies_says_so(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        given = record(attempts=[], guard_events=[])
        await store.insert(lines(given), "a")
        found = await queries.exchange(given.id)
        assert found is not None
        assert (found["attempts"], found["guard_events"], found["bodies"]) == ([], [], None)

    with_queries(kind, scenario)


def test_an_exchange_is_found_by_ids_that_say_nothing_or_the_wrong_thing_about_time() -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        ids = [str(uuid.uuid4()), uuid7(1_000, bytes(10)), uuid7(2**48 - 1, bytes(10))]
        await store.insert(lines(*(record(id=one) for one in ids)), "a")
        for one in ids:
            found = await queries.exchange(one)
            assert found is not None
            assert len(found["attempts"]) == 1

    with_queries("chdb", scenario)


@pytest.mark.parametrize(
    "text", ["", "nope", "0", "0b5ce6c8-3a0c-4b1e-9f86-2f3d1f4c0a11", "' OR 1=1 --", "x" * 36, "7" * 32]
)
def test_an_id_that_is_none_finds_nothing(text: str) -> None:
    async def scenario(_: TraceStore, queries: TraceQueries) -> None:
        assert await queries.exchange(text) is None

    with_queries("chdb", scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_pages_put_together_are_the_whole_list_newest_first(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        start = record().started_us
        # Several share an instant, so the id has to decide.
        given = [record(started_us=start - (i // 3) * 10) for i in range(10)]
        await store.insert(lines(*given), "a")
        seen, cursor, pages = [], "", 0
        while True:
            page = await queries.exchanges(Filters(), limit=4, cursor=cursor)
            seen += [row["id"] for row in page.rows]
            pages += 1
            cursor = page.cursor
            if not cursor:
                break
        assert pages == 3
        assert sorted(seen) == sorted(one.id for one in given)
        started = {one.id: one.started_us for one in given}
        assert [started[one] for one in seen] == sorted(started.values(), reverse=True)

    with_queries(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_filters_restrict_and_are_values_not_sql(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        now = record().started_us
        one = record(team="it's", tags={"k": "a=b"}, status=429, error_code="rate_limited", verdict="block")
        old = record(started_us=now - 3_600_000_000)
        await store.insert(lines(one, record(tags={"k": "c"}), old), "a")
        for filters in (
            Filters(team="it's"),
            Filters(tags=("k=a=b",)),
            Filters(min_status=400),
            Filters(error_code="rate_limited", verdict="block", tenant="acme", key_id="k1", provider="openai"),
            Filters(team="it's", tags=("k=a=b",), since_us=now - 1_000_000),
        ):
            assert [row["id"] for row in (await queries.exchanges(filters)).rows] == [one.id]
        assert len((await queries.exchanges(Filters(since_us=now - 1_000_000))).rows) == 2
        assert [row["id"] for row in (await queries.exchanges(Filters(until_us=now - 1_000_000))).rows] == [old.id]
        assert (await queries.exchanges(Filters(team="' OR 1=1 --"))).rows == []
        assert (await queries.exchanges(Filters(alias="\\", model_served="\n"))).rows == []

    with_queries(kind, scenario)


def test_a_list_never_holds_bodies() -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        await store.insert(lines(record(request_body="q")), "a")
        (row,) = (await queries.exchanges(Filters())).rows
        assert not {"request_body", "response_body", "bodies", "ingested_at"} & row.keys()

    with_queries("chdb", scenario)


@pytest.mark.parametrize("cursor", ["x", "1", "1.x", "-1." + "0" * 36, "9" * 40 + "." + "0" * 36])
def test_a_cursor_that_is_none_is_the_callers_fault(cursor: str) -> None:
    async def scenario(_: TraceStore, queries: TraceQueries) -> None:
        with pytest.raises(MalformedRequest):
            await queries.exchanges(Filters(), cursor=cursor)
        with pytest.raises(MalformedRequest):
            await queries.tail(cursor)

    with_queries("chdb", scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_tail_gives_each_exchange_once_in_the_order_of_arrival(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        page = await queries.tail()
        assert page.rows == []
        seen = []
        start = record().started_us
        # A long call arrives after a short one that began later.
        batches = [[record(), record()], [record(started_us=start - 60_000_000)], [record()]]
        for number, batch in enumerate(batches):
            await store.insert(lines(*batch), str(number))
            page = await queries.tail(page.cursor)
            seen += [row["id"] for row in page.rows]
            assert (await queries.tail(page.cursor)).rows == []
        assert sorted(seen[:2]) == sorted(one.id for one in batches[0])
        assert seen[2:] == [batches[1][0].id, batches[2][0].id]
        fresh = await queries.tail()
        assert [row["id"] for row in fresh.rows] == seen
        assert (await queries.tail(fresh.cursor)).rows == []

    with_queries(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_users_sql_gives_columns_and_rows(kind: str) -> None:
    async def scenario(store: TraceStore, queries: TraceQueries) -> None:
        await store.insert(lines(record(), record(team="x")), "a")
        table = await queries.sql("SELECT team, count() AS n FROM exchanges GROUP BY team ORDER BY team;")
        assert table.columns == ["team", "n"]
        assert table.rows == [{"team": "support", "n": 1}, {"team": "x", "n": 1}]

    with_queries(kind, scenario)
