"""What is left of a subject in the store: everything that is counted, and nothing that was said."""

from __future__ import annotations

import uuid

import orjson
import pytest

from gateway.core.erasure import Erasure, Kind, digest_of
from gateway.core.record import CaptureRecord, ExchangeRecord, GuardEvent, MirrorRecord
from gateway.operator.erased_rows import count_bodies, erase_rows, found_rows
from gateway.operator.store import Feedback, TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

FOREVER_US = 4_000_000_000_000_000
TEXTS = """
SELECT (SELECT groupUniqArray(request_body) FROM bodies), (SELECT groupUniqArray(session_id) FROM exchanges),
    (SELECT groupUniqArray(path) FROM guard_events), (SELECT groupUniqArray(comment) FROM feedback)
"""
SUMS = """
SELECT (SELECT (count(), sum(cost_nanousd), sum(input_tokens)) FROM exchanges), (SELECT count() FROM guard_events),
    (SELECT (sum(calls), sum(cost_nanousd)) FROM spend_by_minute), (SELECT sum(score) FROM feedback),
    (SELECT (sum(calls), sum(cost_nanousd)) FROM spend_by_tag_minute WHERE tag_key = 'user'),
    (SELECT sum(calls) FROM latency_by_minute)
"""
ADA = "ada o'hara \\ 1"


def named(kind: Kind, value: str, name: str = "", *, whole: bool = True) -> Erasure:
    digest = digest_of(kind, name, value)
    return Erasure(
        id=str(uuid.uuid4()), at_us=FOREVER_US, kind=kind, name=name, digest=digest, value=value if whole else ""
    )


def call(who: str, **fields) -> ExchangeRecord:
    hit = GuardEvent(rule="r", detector="d", action="redact", mode="enforce", direction="request", path=f"of {who}",
                     start=1, end=2)  # fmt: skip
    return record(
        session_id=f"session of {who}", trace_id=f"trace of {who}", key_id=f"key of {who}",
        request_body=f"body of {who}",
        guard_events=[hit], tags={"user": who, "app": "shop"}, cost_nanousd=10, **fields,
    )  # fmt: skip


async def forget_nothing(ids: set[str]) -> int:
    return len(ids)


async def one(driver: TraceDriver, sql: str) -> list:
    return orjson.loads(await driver.query(sql, fmt="JSONCompact"))["data"][0]


async def filled(driver: TraceDriver) -> dict[str, ExchangeRecord]:
    store = TraceStore(driver)
    await store.start()
    calls = {"ada": call(ADA), "bob": call("bob")}
    await store.insert(lines(*calls.values(), call(ADA), call("bob")), "s:w:0-4")
    for number, (who, one_of) in enumerate(calls.items()):
        told = Feedback(exchange_id=one_of.id, created_us=one_of.started_us, name="n", score=1.0, comment=f"on {who}")
        await store.add_feedback(told, f"f-{number}")
    return calls


@pytest.mark.parametrize("kind", DRIVERS)
def test_what_was_said_goes_what_is_counted_stays_and_doing_it_twice_is_doing_it_once(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        await filled(driver)
        before = await one(driver, SUMS)
        who = named("user", ADA)
        assert await count_bodies(driver, await found_rows(driver, who)) == 2
        forgotten: set[str] = set()

        async def forget(ids: set[str]) -> int:
            forgotten.update(ids)
            return 0

        assert await erase_rows(driver, who, forget) == 2
        assert len(forgotten) == 2
        assert [sorted(each) for each in await one(driver, TEXTS)] == [
            ["body of bob"], ["", "session of bob"], ["", "of bob"], ["", "on bob"],
        ]  # fmt: skip
        assert await one(driver, SUMS) == before
        assert ADA not in str(await one(driver, "SELECT groupArray(tags) FROM exchanges"))
        by_user = "SELECT groupArray((tag_value, n)) FROM (SELECT tag_value, sum(calls) AS n FROM spend_by_tag_minute"
        by_user += " WHERE tag_key = 'user' GROUP BY tag_value ORDER BY tag_value)"
        assert await one(driver, by_user) == [[["bob", 2], ["erased", 2]]]
        assert await erase_rows(driver, who, forget) == 0
        assert await one(driver, SUMS) == before

    with_driver(kind, scenario)


def test_everybody_is_found_by_every_name_and_by_digests_alone() -> None:
    async def scenario(driver: TraceDriver) -> None:
        calls = await filled(driver)
        store = TraceStore(driver)
        told = call("cleo", captured=[CaptureRecord(user="4711")])
        copied = record(mirrors=[MirrorRecord(mirror_of=calls["bob"].id)])
        await store.insert(lines(told, copied), "s:w:4-6")
        asked: tuple[tuple[Kind, str, str, int], ...] = (
            ("session", f"session of {ADA}", "", 2), ("key", "key of bob", "", 2), ("id", calls["bob"].id, "", 2),
            ("user", "bob", "", 2), ("user", "4711", "", 1), ("tag", "shop", "app", 5), ("tag", "shop", "user", 0),
        )  # fmt: skip
        for whole in (True, False):
            for kind, value, name, count in asked:
                who = named(kind, value, name, whole=whole)
                assert len(await found_rows(driver, who)) == count, (whole, kind, value)
        assert await erase_rows(driver, named("user", "4711", whole=False), forget_nothing) == 1
        assert "body of cleo" not in (await one(driver, TEXTS))[0]

    with_driver("chdb", scenario)
