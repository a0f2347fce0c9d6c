from __future__ import annotations

import uuid

import msgspec
import orjson
import pytest
from msgspec.structs import asdict

from gateway.core.errors import StoreRejected
from gateway.core.record import AttemptRecord, CacheRecord, CaptureRecord, ExchangeRecord
from gateway.operator.store import Feedback, TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record


def with_store(kind: str, scenario, **options) -> None:
    async def run(driver: TraceDriver) -> None:
        store = TraceStore(driver, **options)
        await store.start()
        await scenario(store)

    with_driver(kind, run)


async def one(store: TraceStore, sql: str) -> list:
    return orjson.loads(await store.driver.query(sql, fmt="JSONCompact"))["data"][0]


TOTALS = {
    "exchanges": "SELECT count(), sum(input_tokens) FROM exchanges",
    "attempts": "SELECT count() FROM attempts",
    "guard_events": "SELECT count() FROM guard_events",
    "bodies": "SELECT count() FROM bodies",
    "spend": "SELECT sum(calls), sum(input_tokens), sum(cost_nanousd), sum(unknown_cost_calls) FROM spend_by_minute",
    "tags": "SELECT sum(calls), sum(cost_nanousd) FROM spend_by_tag_minute",
    "teams": "SELECT groupArray(team) FROM (SELECT DISTINCT team FROM latency_by_minute)",
    "rules": "SELECT sum(hits), sum(calls), any(rule) FROM rules_by_minute",
    "latency": "SELECT sum(calls), quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(duration_ms)[1] FROM latency_by_minute",
}


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_slice_sent_three_times_counts_once_in_every_table(kind: str) -> None:
    async def scenario(store: TraceStore) -> None:
        records = [
            record(
                tags={"a": "1", "b": "2"} if i % 2 else {},
                cost_nanousd=None if i % 5 == 0 else 10,
                duration_ms=float(i),
                request_body="{}" if i % 4 == 0 else None,
            )
            for i in range(100)
        ]
        first, second = lines(*records[:60]), lines(*records[60:])
        for _ in range(3):
            await store.insert(first, "spool:w-1-0.ndjson:0-60")
        await store.insert(second, "spool:w-1-0.ndjson:60-100")
        await store.insert(first, "spool:w-1-0.ndjson:0-60")
        await store.insert(second, "spool:w-1-0.ndjson:60-100")
        found = {name: await one(store, sql) for name, sql in TOTALS.items()}
        assert found["exchanges"] == [100, 10_000]
        assert found["attempts"] == found["guard_events"] == [100]
        assert found["bodies"] == [25]
        assert found["spend"] == [100, 10_000, 800, 20]
        assert found["tags"] == [50 + 2 * 50, 400 + 2 * 400]
        assert found["latency"][0] == 100
        assert found["teams"] == [["support"]]
        assert found["rules"] == [100, 100, "no-keys"]
        assert 48 <= found["latency"][1] <= 51

    with_store(kind, scenario)


def test_the_same_lines_under_another_token_count_again_so_the_token_is_what_counts() -> None:
    async def scenario(store: TraceStore) -> None:
        data = lines(record())
        await store.insert(data, "a:w-1-0.ndjson:0-60")
        await store.insert(data, "b:w-1-0.ndjson:0-60")
        assert (await one(store, TOTALS["spend"]))[0] == 2

    with_store("chdb", scenario)


def test_lines_of_several_days_go_into_one_insert_and_count_once() -> None:
    async def scenario(store: TraceStore) -> None:
        now = record().started_us
        data = lines(*(record(started_us=now - day * 86_400_000_000) for day in range(80)))
        for _ in range(2):
            await store.insert(data, "a")
        assert await one(store, "SELECT count(), uniq(toDate(started_at)) FROM exchanges") == [80, 80]
        assert (await one(store, TOTALS["spend"]))[0] == 80

    with_store("chdb", scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_every_field_of_a_record_is_found_again(kind: str) -> None:
    given = record(
        session_id="s",
        tags={"k": "v"},
        stream=True,
        error_code="e",
        finish_reason="stop",
        verdict="edit",
        policy_revision="p",
        config_hash="c",
        cache="hit-semantic",
        cached_input_tokens=1,
        cache_write_tokens=2,
        reasoning_tokens=3,
        audio_input_tokens=4,
        audio_output_tokens=5,
        image_input_tokens=6,
        chunks=7,
        bytes_in=8,
        bytes_out=9,
        prompt_id="pi",
        prompt_version="pv",
        cached=[
            CacheRecord(
                origin="o",
                partition="pa",
                similarity=0.5,
                chance=0.25,
                guards=["numbers"],
                shadow="guards",
                age_s=11,
                saved_nanousd=12,
                saved_ms=1.5,
            )
        ],
        coverage=0.5,
        trace_id="t",
        span_id="sp",
        dropped_before=10,
        capture="redacted",
        captured=[CaptureRecord(user="ada", request_bytes=13, response_bytes=14, media=15)],
        request_body='{"a":"ü\\n"}',
        response_body="",
    )

    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(given), "a")
        row = orjson.loads(await store.driver.query("SELECT * FROM exchanges"))["data"][0]
        assert row.pop("attempts") == 1
        row.pop("ingested_at")
        row.pop("started_at")
        told = {f"cache_{name}": value for name, value in asdict(given.cached[0]).items()}
        assert {name: row.pop(name) for name in told} == told
        assert row == {name: getattr(given, name) for name in row}
        missing = set(ExchangeRecord.__struct_fields__) - row.keys()
        assert missing == {
            "v",
            "started_us",
            "attempts",
            "cached",
            "guard_events",
            "mirrors",
            "capture",
            "captured",
            "request_body",
            "response_body",
            # For who tells of the call.
            "trace_flags",
            "trace_state",
        }
        assert await one(store, "SELECT toUnixTimestamp64Micro(started_at) FROM exchanges") == [given.started_us]
        bodies = orjson.loads(await store.driver.query("SELECT * EXCEPT started_at FROM bodies"))["data"][0]
        assert (bodies.pop("exchange_id"), bodies.pop("tenant")) == (given.id, "acme")
        kept = {"user_id" if name == "user" else name: value for name, value in asdict(given.captured[0]).items()}
        assert {name: bodies.pop(name) for name in kept} == kept
        assert bodies == {"capture": "redacted", "request_body": '{"a":"ü\\n"}', "response_body": ""}
        attempt = orjson.loads(await store.driver.query("SELECT * EXCEPT started_at FROM attempts"))["data"][0]
        assert (attempt.pop("exchange_id"), attempt.pop("tenant")) == (given.id, "acme")
        assert attempt == {name: getattr(given.attempts[0], name) for name in attempt}
        event = orjson.loads(await store.driver.query("SELECT * EXCEPT started_at FROM guard_events"))["data"][0]
        assert (event.pop("exchange_id"), event.pop("tenant"), event.pop("policy_revision")) == (given.id, "acme", "p")
        assert event == {name: getattr(given.guard_events[0], name) for name in event}

    with_store(kind, scenario)


def test_a_call_that_a_rule_hits_often_is_one_call() -> None:
    hit = record().guard_events[0]
    hits = [hit, msgspec.structs.replace(hit, score=0.5, latency_us=7), msgspec.structs.replace(hit, rule="other")]
    sql = """SELECT rule, team, sum(hits), sum(calls), quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(latency_us)[4] > 0
        FROM rules_by_minute GROUP BY rule, team ORDER BY rule"""

    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(record(guard_events=hits), record(guard_events=hits)), "a")
        rows = orjson.loads(await store.driver.query(sql, fmt="JSONCompact"))["data"]
        assert rows == [["no-keys", "support", 4, 2, 1], ["other", "support", 2, 2, 1]]

    with_store("chdb", scenario)


def test_every_kind_of_try_is_told() -> None:
    kinds = ["first", "retry", "fallback", "hedge", "mirror", "continue", "probe"]
    tries = [AttemptRecord(number=number, kind=kind) for number, kind in enumerate(kinds, 1)]

    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(record(attempts=tries)), "a")
        assert await one(store, "SELECT groupArray(kind) FROM (SELECT kind FROM attempts ORDER BY number)") == [kinds]

    with_store("chdb", scenario)


def test_words_that_an_enum_does_not_know_lose_no_line() -> None:
    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(record(cache="quantum", attempts=[AttemptRecord(kind="again")])), "a")
        assert await one(store, "SELECT cache, attempts FROM exchanges") == ["unknown", 1]
        assert await one(store, "SELECT kind FROM attempts") == ["unknown"]

    with_store("chdb", scenario)


@pytest.mark.parametrize("started_us", [0, -1, 2**63 - 1, -(2**63)])
def test_an_impossible_time_is_taken_and_not_the_shippers_trouble(started_us: int) -> None:
    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(record(started_us=started_us), record()), "a")
        assert (await one(store, "SELECT count() FROM exchanges WHERE started_at > now() - INTERVAL 1 HOUR"))[0] >= 1

    with_store("chdb", scenario)


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"cost_nanousd": None}, 1),
        ({"cost_nanousd": 0}, 0),
        ({"cost_nanousd": None, "status": 400, "attempts": []}, 0),
        ({"cost_nanousd": None, "status": 502, "attempts": [AttemptRecord(status=500)]}, 0),
        ({"cost_nanousd": None, "status": 400, "attempts": [AttemptRecord(status=200)]}, 1),
    ],
)
def test_a_cost_is_unknown_when_a_provider_may_charge_and_nobody_knows_the_price(fields: dict, unknown: int) -> None:
    async def scenario(store: TraceStore) -> None:
        await store.insert(lines(record(**fields)), "a")
        assert (await one(store, TOTALS["spend"]))[3] == unknown

    with_store("chdb", scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_bodies_are_kept_as_long_as_configured_also_after_a_change(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        for days in (30, 7):
            store = TraceStore(driver, body_ttl_s=days * 86_400)
            await store.start()
            now = record().started_us
            old = record(started_us=now - 10 * 86_400_000_000, request_body="old")
            await store.insert(lines(old, record(request_body="new")), f"days-{days}")
            await driver.command("OPTIMIZE TABLE bodies FINAL")
        assert await one(store, "SELECT groupUniqArray(request_body) FROM bodies") == [["new"]]
        assert (await one(store, "SELECT count() FROM exchanges"))[0] == 4

    with_driver(kind, scenario)


def test_feedback_is_kept_once_a_token() -> None:
    async def scenario(store: TraceStore) -> None:
        exchange_id = str(uuid.uuid4())
        given = Feedback(
            exchange_id=exchange_id, created_us=1_795_000_000_123_456, tenant="t", name="helpful", score=0.5
        )
        for _ in range(2):
            await store.add_feedback(given, "f")
        assert await one(
            store, "SELECT count(), any(score), toUnixTimestamp64Micro(any(created_at)) FROM feedback"
        ) == [
            1,
            0.5,
            1_795_000_000_123_456,
        ]
        with pytest.raises(StoreRejected):
            await store.add_feedback(Feedback(exchange_id="none", created_us=0, name="x"), "g")

    with_store("chdb", scenario)
