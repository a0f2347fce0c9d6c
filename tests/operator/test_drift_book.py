"""What is counted of an hour, on the engine."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from gateway.core.drift import Finding, bin_of
from gateway.core.drift_hours import Compared, Hour
from gateway.operator.drift_bodies import Body
from gateway.operator.drift_book import DriftBook
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record

HOUR_S = int(datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp())
HOUR_US = HOUR_S * 1_000_000


def chat(question: str) -> str:
    return orjson.dumps({"messages": [{"role": "user", "content": question}]}).decode()


@pytest.mark.parametrize("kind", DRIVERS)
def test_an_hour_is_counted_by_alias_and_prompt(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        made = [
            record(started_us=HOUR_US, alias="a", output_tokens=20, cost_nanousd=1500, ttft_ms=12.5),
            record(started_us=HOUR_US + 1, alias="a", output_tokens=None, cost_nanousd=None, ttft_ms=None),
            record(started_us=HOUR_US + 2, alias="a", tags={"prompt": "greet", "prompt_version": "2"}),
            record(
                started_us=HOUR_US + 3, alias="a", prompt_id="greet", prompt_version="3", finish_reason="stop,REFUSAL"
            ),
            record(started_us=HOUR_US + 4, alias="a", cache="hit-exact", cost_nanousd=0, output_tokens=9),
            record(started_us=HOUR_US + 5, alias="a", status=400, error_code="policy_blocked", verdict="block"),
            record(started_us=HOUR_US + 6, alias="a", status=401, error_code="invalid_api_key", input_tokens=None),
            record(started_us=HOUR_US + 7, alias="b", status=502, error_code="upstream_error"),
            # Of other hours, of no alias, and a copy.
            record(started_us=HOUR_US - 1, alias="a"),
            record(started_us=HOUR_US + 3_600_000_000, alias="a"),
            record(started_us=HOUR_US + 8, alias=""),
            record(started_us=HOUR_US + 9, alias="a", tags={"weighbridge": "mirror"}),
        ]
        await store.insert(lines(*made), "one")
        book = DriftBook(driver)
        hours = {(each.alias, each.prompt): each for each in await book.count(HOUR_S, 10)}
        assert set(hours) == {("a", ""), ("a", "greet"), ("b", "")}
        whole, greet, other = hours["a", ""], hours["a", "greet"], hours["b", ""]
        assert (whole.calls, whole.judged, whole.blocked, whole.answered, whole.refused) == (7, 6, 1, 5, 1)
        assert whole.output_lengths == {bin_of(20): 3}
        assert whole.costs == {bin_of(1500): 3}
        assert whole.ttfts == {bin_of(12.5): 3}
        assert whole.input_lengths == {bin_of(100): 5}
        assert whole.models == {"gpt-1": 4}
        assert (greet.calls, greet.refused, greet.versions) == (2, 1, {"2": 1, "3": 1})
        assert (other.calls, other.judged, other.answered, other.models) == (1, 1, 0, {})
        assert await book.seen(HOUR_S - 3600, HOUR_S + 7200) == {HOUR_S - 3600: 1, HOUR_S: 8, HOUR_S + 3600: 1}
        assert [each.alias for each in await book.count(HOUR_S, 1)] == ["a"]

    with_driver(kind, scenario)


@pytest.mark.parametrize("kind", DRIVERS)
def test_what_was_counted_is_read_again_and_the_last_count_holds(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        book = DriftBook(driver)
        first = Hour(hour_s=HOUR_S, alias="a", prompt="p", calls=5)
        full = Hour(
            hour_s=HOUR_S,
            alias="a",
            prompt="p",
            calls=7,
            judged=7,
            costs={3: 4, 40: 3},
            models={"m": 7},
            questions=6,
            question_languages={"de": 5, "": 1},
            embedded=6,
            embedding=[0.5, -1.25],
        )
        await book.keep([first], 5)
        await book.keep([full], 7)
        await book.keep([full], 7)
        await book.keep([Hour(hour_s=HOUR_S - 6 * 3600, alias="a", prompt="p", calls=1)], 1)
        await book.keep([Hour(hour_s=HOUR_S - 86_400, alias="a", prompt="p", calls=2)], 2)
        await book.keep([], 0)
        assert await book.kept(HOUR_S, HOUR_S + 3600) == {HOUR_S: 7}
        found = await book.hours(("a", "p"), HOUR_S - 7 * 86_400, HOUR_S + 3600, 6)
        # What lies at another time of the day is not wanted.
        assert {at: each.calls for at, each in found.items()} == {HOUR_S: 7, HOUR_S - 86_400: 2}
        assert found[HOUR_S] == full
        assert await book.subjects(HOUR_S - 86_400, HOUR_S + 3600, 5) == [("a", "p")]
        assert await book.hours(("a", "other"), HOUR_S - 86_400, HOUR_S + 3600, 6) == {}

    with_driver(kind, scenario)


def test_the_sample_holds_bodies_of_answered_calls_and_is_the_same_each_time() -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        made = [
            record(started_us=HOUR_US + at, alias="a", request_body=chat(f"q{at}"), response_body="{}", tags=tags)
            for at, tags in enumerate([{}] * 9 + [{"prompt": "greet"}] * 3)
        ]
        made += [
            record(started_us=HOUR_US, alias="a"),
            record(started_us=HOUR_US, alias="a", status=500, request_body=chat("lost")),
            record(started_us=HOUR_US, alias="a", request_body="x" * 600_000),
            record(started_us=HOUR_US, alias="b", request_body=chat("other"), finish_reason="content_filter"),
        ]
        await store.insert(lines(*made), "one")
        book = DriftBook(driver)
        sampled = await book.sample(Hour(hour_s=HOUR_S, alias="a"), 5)
        assert sampled == await book.sample(Hour(hour_s=HOUR_S, alias="a"), 5)
        assert 4 <= len(sampled) <= 5
        assert all(each.request.startswith('{"messages"') and not each.told for each in sampled)
        every = await book.sample(Hour(hour_s=HOUR_S, alias="a"), 100)
        assert {each.request for each in every} == {chat(f"q{at}") for at in range(12)}
        assert len(await book.sample(Hour(hour_s=HOUR_S, alias="a", prompt="greet"), 100)) == 3
        assert await book.sample(Hour(hour_s=HOUR_S, alias="b"), 5) == [
            Body("openai_chat", chat("other"), "", told=True)
        ]

    with_driver("chdb", scenario)


def test_findings_are_told_by_measure_the_worst_first() -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        book = DriftBook(driver)
        assert await book.judged_until() == 0
        quiet = Finding(state="quiet", now=0.02, usual=0.02, far=0.1, count=500, usual_count=2000)
        news = Finding(state="drifting", now=0.2, usual=0.02, far=4.0, count=500, usual_count=2000)
        for at, found in enumerate((quiet, news, news, quiet)):
            pair = [
                Compared(measure="blocks", against="weekday", finding=found),
                Compared(measure="cost", against="days", finding=quiet),
            ]
            await book.note(("a", ""), HOUR_S + at * 3600, pair, f"t{at}")
            # The hour was compared again.
            await book.note(("a", ""), HOUR_S + at * 3600, pair, f"again{at}")
        await book.note(("b", "p"), HOUR_S, [Compared(measure="blocks", against="days", finding=news)], "b")
        assert await book.judged_until() == HOUR_S + 3 * 3600
        rows = await book.looked(HOUR_S - 1, HOUR_S + 86_400, {}, 10)
        assert [(row["alias"], row["measure"], row["state"]) for row in rows] == [
            ("b", "blocks", "drifting"),
            ("a", "blocks", "quiet"),
            ("a", "cost", "quiet"),
        ]
        worst = rows[1]
        assert (worst["drifting_hours"], worst["farthest"], worst["now"]) == (2, 4.0, 0.02)
        assert (worst["first_drifting_s"], worst["last_drifting_s"]) == (HOUR_S + 3600, HOUR_S + 7200)
        assert len(await book.looked(HOUR_S - 1, HOUR_S + 86_400, {"alias": "b", "measure": "blocks"}, 10)) == 1
        assert await book.looked(HOUR_S - 1, HOUR_S + 86_400, {"prompt": "none"}, 10) == []

    with_driver("chdb", scenario)
