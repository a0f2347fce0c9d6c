from __future__ import annotations

import http.client
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.lessons import PEOPLE, Lesson, Pupil
from gateway.core.record import CacheRecord
from gateway.operator.api import Judgement, as_columns, judgement, within_bounds
from gateway.recording.metrics import Metrics
from tests.operator.test_metrics import parse_strictly, value
from tests.support.clock import ManualClock
from tests.support.operator_plane import OperatorPlane, exchange, guard_event
from tests.support.waiting import until

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


def listed(plane: OperatorPlane, **query: object) -> list[str]:
    status, document = plane.get(f"/api/exchanges?{urlencode(query)}")
    assert status == 200, document
    return [row["id"] for row in document["exchanges"]]


def test_probes_say_that_all_is_well(plane: OperatorPlane) -> None:
    assert plane.get("/healthz") == (200, {"status": "ok"})
    assert plane.get("/readyz") == (200, {"status": "ok"})


def test_an_exchange_is_there_with_all_that_hangs_on_it(plane: OperatorPlane) -> None:
    [exchange_id] = plane.record(
        exchange(guard_events=[guard_event(), guard_event("other")], request_body="{}", tags={"env": "prod"})
    )
    for written in (exchange_id, exchange_id.upper(), exchange_id.replace("-", "")):
        status, found = plane.get(f"/api/exchanges/{written}")
        assert status == 200
        assert found["id"] == exchange_id
    assert found["cost_nanousd"] == 31_500
    assert [one["number"] for one in found["attempts"]] == [1]
    assert {one["rule"] for one in found["guard_events"]} == {"no-keys", "other"}
    assert found["bodies"]["request_body"] == "{}"
    assert found["feedback"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/api/exchanges/{UNKNOWN_ID}", 404, "exchange_not_found"),
        ("/api/exchanges/nothing", 400, "invalid_request"),
        ("/api/exchanges?limit=1001", 400, "invalid_request"),
        ("/api/exchanges?cursor=nothing", 400, "invalid_request"),
        ("/api/exchanges?since=soon", 400, "invalid_request"),
        ("/api/exchanges?status=ok", 400, "invalid_request"),
        ("/api/spend?by=colour", 400, "invalid_request"),
        ("/api/export?format=xlsx", 400, "invalid_request"),
        ("/api/sql", 400, "invalid_request"),
        ("/api/sql?query=DROP+TABLE+exchanges", 400, "store_rejected"),
        ("/api/keys/nobody", 404, "key_not_found"),
        ("/api/nothing", 404, "not_found"),
    ],
)
def test_what_cannot_be_answered_is_an_error_document(plane: OperatorPlane, path: str, status: int, code: str) -> None:
    found, document = plane.get(path)
    assert (found, document["error"]["code"]) == (status, code)
    assert document["error"]["message"]


def test_the_list_is_filtered_and_newest_first(plane: OperatorPlane) -> None:
    session = "filters"
    first, second, third = plane.record(
        exchange(session_id=session, status=200),
        exchange(session_id=session, status=429, verdict="block", provider="other"),
        exchange(session_id=session, model_served="llama"),
    )
    assert listed(plane, session=session) == [third, second, first]
    assert listed(plane, session=session, status=429) == [second]
    assert listed(plane, session=session, verdict="block") == [second]
    assert listed(plane, session=session, provider="openai") == [third, first]
    assert listed(plane, session=session, model="llama") == [third]
    assert listed(plane, session=session, since="1h") == [third, second, first]
    assert listed(plane, session=session, until="1h") == []
    assert listed(plane, session=session, since="2020-01-01", until="2020-01-02T00:00:00Z") == []


def test_pages_follow_each_other_without_gap_or_repeat(plane: OperatorPlane) -> None:
    session = "pages"
    ids = plane.record(*(exchange(session_id=session) for _ in range(5)))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        _, document = plane.get(f"/api/exchanges?session={session}&limit=2&cursor={quote(cursor)}")
        assert len(document["exchanges"]) <= 2
        assert not {"started_us", "ingested_at"} & set(document["exchanges"][0])
        seen += [row["id"] for row in document["exchanges"]]
        cursor = document["next_cursor"]
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("given_value", "score", "label"),
    [(0.8, 0.8, ""), (3, 3, ""), (True, 1, "true"), (False, 0, "false"), ("wrong answer", None, "wrong answer")],
)
def test_feedback_is_kept_with_its_exchange(
    plane: OperatorPlane, given_value: object, score: float | None, label: str
) -> None:
    [exchange_id] = plane.record(exchange(tenant="acme"))
    status, said = plane.post(
        f"/api/exchanges/{exchange_id}/feedback", {"name": "helpful", "value": given_value, "comment": "no <b>"}
    )
    assert (status, said) == (201, {"exchange_id": exchange_id, "name": "helpful", "value": given_value})
    _, found = plane.get(f"/api/exchanges/{exchange_id}")
    [kept] = found["feedback"]
    assert (kept["name"], kept["score"], kept["label"], kept["comment"]) == ("helpful", score, label, "no <b>")
    query = f"SELECT tenant FROM feedback WHERE exchange_id = '{exchange_id}'"
    assert plane.post("/api/sql", {"query": query})[1]["rows"] == [{"tenant": "acme"}]


def test_a_judgement_of_a_cached_answer_reaches_the_workers(plane: OperatorPlane) -> None:
    told = CacheRecord(origin="e1", partition="p", similarity=0.97, chance=0.98)
    [hit] = plane.record(exchange(cache="hit-semantic", cached=[told]))
    [miss] = plane.record(exchange(cache="miss"))
    pupil = Pupil(plane.run_dir, "worker-0")
    for exchange_id, name in ((miss, "correct"), (hit, "helpful"), (hit, "correct")):
        assert plane.post(f"/api/exchanges/{exchange_id}/feedback", {"name": name, "value": False})[0] == 201
    assert pupil.new() == [Lesson(partition="p", chance=0.98, right=False, by=PEOPLE, origin="e1")]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "x"},
        {"name": "", "value": 1},
        {"name": "x" * 65, "value": 1},
        {"name": "x", "value": None},
        {"name": "x", "value": [1]},
        {"name": "x", "value": "y" * 1025},
        {"name": "x", "value": 1, "comment": "y" * 4097},
        {"name": "x", "value": 1, "colour": "red"},
    ],
)
def test_feedback_that_is_none_is_refused(plane: OperatorPlane, document: object) -> None:
    status, said = plane.post(f"/api/exchanges/{UNKNOWN_ID}/feedback", document)
    assert (status, said["error"]["code"]) == (400, "invalid_request")


def test_feedback_on_nothing_is_404(plane: OperatorPlane) -> None:
    status, said = plane.post(f"/api/exchanges/{UNKNOWN_ID}/feedback", {"name": "x", "value": 1})
    assert (status, said["error"]["code"]) == (404, "exchange_not_found")


def test_sql_by_either_method_gives_columns_rows_and_plain_numbers(plane: OperatorPlane) -> None:
    query = "SELECT toUInt64(18446744073709551615) AS big, 'x' AS text"
    wanted = {"columns": ["big", "text"], "rows": [{"big": 2**64 - 1, "text": "x"}], "truncated": False}
    assert plane.post("/api/sql", {"query": query}) == (200, wanted)
    assert plane.get(f"/api/sql?query={quote(query)}") == (200, wanted)


def test_sql_answers_are_bounded(plane: OperatorPlane) -> None:
    _, many = plane.post("/api/sql", {"query": "SELECT number FROM numbers(10001)"})
    assert (len(many["rows"]), many["truncated"]) == (10_000, True)
    # However many there are, and counted only in what is shown.
    _, endless = plane.post("/api/sql", {"query": "SELECT number AS n FROM numbers(1000000000)"})
    assert ([row["n"] for row in endless["rows"]], endless["truncated"]) == (list(range(10_000)), True)
    _, within = plane.post("/api/sql", {"query": "SELECT count() AS n FROM (SELECT number FROM numbers(30000))"})
    assert (within["rows"], within["truncated"]) == ([{"n": 30_000}], False)
    _, wide = plane.post("/api/sql", {"query": "SELECT repeat('x', 1000000) AS text FROM numbers(12)"})
    assert (len(wide["rows"]), wide["truncated"]) == (8, True)


def test_a_request_that_is_too_large_is_refused(plane: OperatorPlane) -> None:
    status, said = plane.post("/api/sql", {"query": "x" * 300_000})
    assert (status, said["error"]["code"]) == (413, "request_too_large")


def test_metrics_add_workers_and_the_operator_up(plane: OperatorPlane) -> None:
    clock = ManualClock(unix_ms=4_000_000_000_000)
    for index in range(2):
        metrics = Metrics(index, clock.unix_ms)
        metrics.observe(exchange())
        metrics.in_flight = 3
        metrics.config_hash, metrics.policy_revision = "c0ffee", "abc"
        metrics.write_snapshot(plane.run_dir / f"worker-{index}.metrics.json")
    plane.record(exchange())
    status, text = plane.ask("GET", "/metrics")
    assert status == 200
    found = parse_strictly(text.decode())
    assert value(found, "weighbridge_exchanges_total", model="gpt-4o-mini") == 2
    assert value(found, "weighbridge_in_flight_exchanges") == 6
    assert value(found, "weighbridge_store_up") == 1
    assert value(found, "weighbridge_shipper_shipped_lines_total") >= 1
    _, told = plane.get("/api/status")
    assert told["config_hashes"] == ["c0ffee"]
    assert told["policy_revisions"] == ["abc"]
    assert [(one["index"], one["up"], one["in_flight"]) for one in told["workers"]] == [(0, True, 3), (1, True, 3)]
    assert told["store"] == {"up": True, "last_error": ""}
    assert told["shipper"]["shipped_lines"] >= 1


def test_the_tail_shows_what_arrives(plane: OperatorPlane) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=60)
    connection.request("GET", "/api/tail")
    answer = connection.getresponse()
    assert answer.getheader("content-type") == "text/event-stream"
    record = exchange()
    plane.append([record])

    def seen() -> dict[str, object] | None:
        line = answer.readline()
        row = orjson.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else None
        return row if row and row["id"] == record.id else None

    row = until(seen)
    assert row["cost_nanousd"] == 31_500
    assert not {"arrived_us", "ingested_at"} & set(row)
    connection.close()


def test_the_tail_shows_only_what_was_asked_for(plane: OperatorPlane) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=60)
    connection.request("GET", "/api/tail?team=watched&tag=env%3Dprod&failed=true")
    answer = connection.getresponse()
    assert answer.status == 200
    tags = {"env": "prod"}
    wanted = exchange(team="watched", tags=tags, status=500)
    others = (
        exchange(team="watched", tags=tags),
        exchange(team="watched", status=500),
        exchange(tags=tags, status=500),
    )
    plane.append([*others, wanted])

    def shown() -> str | None:
        line = answer.readline()
        return orjson.loads(line.removeprefix(b"data: "))["id"] if line.startswith(b"data: ") else None

    assert until(shown) == wanted.id
    connection.close()


@pytest.mark.parametrize("name", ["rule", "detector", "feedback", "text", "since", "until"])
def test_the_tail_says_what_it_cannot_restrict_by(plane: OperatorPlane, name: str) -> None:
    status, said = plane.get(f"/api/tail?{name}=1h")
    assert (status, said["error"]["code"]) == (400, "invalid_request")


@given(st.one_of(st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)))
def test_every_value_of_a_judgement_is_kept_as_a_score_or_a_label(given_value: bool | float | str) -> None:
    kept = judgement(UNKNOWN_ID, "acme", 1, Judgement(name="x", value=given_value))
    assert (kept.score is None) == isinstance(given_value, str)
    assert kept.label == (given_value if isinstance(given_value, str) else kept.label)


def test_bounds_count_rows_and_bytes() -> None:
    rows = [{"a": "x" * 10} for _ in range(10)]
    assert len(within_bounds(rows, most_rows=3)) == 3
    assert len(within_bounds(rows, most_bytes=4 * len(orjson.dumps(rows[0])))) == 4
    assert within_bounds([], most_rows=3) == []


def test_columns_for_cursors_are_not_shown() -> None:
    assert as_columns([{"id": 1, "started_us": 2, "arrived_us": 3}]) == [{"id": 1}]
