from __future__ import annotations

import os
import time
import timeit
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deployment_health import DeploymentHealth
from gateway.core.record import AttemptRecord, ExchangeRecord, GuardEvent
from gateway.recording import metrics as m
from gateway.recording.metrics import Metrics, Snapshot, read_snapshot
from tests.support.clock import ManualClock
from tests.support.figures import BUSY, measured


def record(**changes: object) -> ExchangeRecord:
    values: dict[str, object] = {
        "dialect": "openai_chat",
        "provider": "openai",
        "alias": "*",
        "model_requested": "gpt-4o-mini",
        "status": 200,
        "input_tokens": 100,
        "output_tokens": 40,
        "cached_input_tokens": 30,
        "reasoning_tokens": 10,
        "cost_nanousd": 5_000,
        "ttft_ms": 12.0,
        "duration_ms": 100.0,
        "overhead_ms": 0.4,
    }
    return msgspec.convert(values | changes, ExchangeRecord)


def event(rule: str = "no-keys", action: str = "redact", mode: str = "enforce") -> GuardEvent:
    return GuardEvent(
        rule=rule, detector="keys", action=action, mode=mode, direction="request", path="messages/0", start=0, end=4
    )


def worker(index: int = 0, **options: int) -> Metrics:
    return Metrics(index, ManualClock().unix_ms, **options)


def only_cell(metrics: Metrics) -> list[int | float]:
    [(_, counts)] = metrics.snapshot().cells
    return counts


def test_an_exchange_is_counted_with_its_tokens_its_cost_and_its_times() -> None:
    metrics = worker()
    metrics.observe(record())
    metrics.observe(record(duration_ms=25.0, ttft_ms=None))
    [(key, counts)] = metrics.snapshot().cells
    assert key == ("openai_chat", "openai", "gpt-4o-mini", 200, "")
    assert counts[m.EXCHANGES] == 2
    assert (counts[m.INPUT], counts[m.OUTPUT]) == (200, 80)
    assert (counts[m.CACHED_INPUT], counts[m.REASONING]) == (60, 20)
    assert (counts[m.COST], counts[m.UNPRICED]) == (10_000, 0)
    assert (counts[m.DURATION_SUM], counts[m.TTFT_SUM]) == (125.0, 12.0)
    assert sum(counts[m.DURATION_AT : m.TTFT_AT]) == 2
    assert sum(counts[m.TTFT_AT :]) == 1


@pytest.mark.parametrize("bounds", [m.DURATION_BOUNDS_MS, m.TTFT_BOUNDS_MS, m.OVERHEAD_BOUNDS_MS])
def test_bucket_bounds_grow(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


@pytest.mark.parametrize(("duration_ms", "bucket"), [(0.0, 0), (10.0, 0), (10.01, 1), (20.0, 1), (1e9, 17)])
def test_a_duration_lands_in_the_bucket_whose_bound_it_does_not_exceed(duration_ms: float, bucket: int) -> None:
    metrics = worker()
    metrics.observe(record(duration_ms=duration_ms))
    buckets = only_cell(metrics)[m.DURATION_AT : m.TTFT_AT]
    assert buckets.index(1) == bucket


@pytest.mark.parametrize(
    ("changes", "unpriced", "unmeasured"),
    [
        ({"cost_nanousd": 0}, 0, 0),
        ({"cost_nanousd": None}, 1, 0),
        ({"cost_nanousd": None, "input_tokens": None}, 1, 1),
        ({"cost_nanousd": None, "status": 499}, 1, 0),
        ({"cost_nanousd": None, "status": 401, "input_tokens": None}, 0, 0),
        ({"cost_nanousd": None, "model_requested": "", "input_tokens": None}, 0, 0),
    ],
)
def test_an_exchange_is_unpriced_when_something_was_used_and_nobody_knows_its_cost(
    changes: dict[str, object], unpriced: int, unmeasured: int
) -> None:
    metrics = worker()
    metrics.observe(record(**changes))
    cell = only_cell(metrics)
    assert (cell[m.UNPRICED], cell[m.UNMEASURED]) == (unpriced, unmeasured)


def test_a_model_name_that_reached_no_provider_is_no_label() -> None:
    metrics = worker()
    for number in range(50):
        metrics.observe(record(provider="", alias="", model_requested=f"junk-{number}", status=404))
    assert [key[2] for key, _ in metrics.snapshot().cells] == [""]


def test_label_sets_beyond_the_cap_are_counted_as_other() -> None:
    metrics = worker(max_label_sets=10)
    for number in range(100):
        metrics.observe(record(model_requested=f"model-{number}"))
    cells = dict(metrics.snapshot().cells)
    assert len(cells) == 11
    assert cells["openai_chat", "openai", m.OTHER, 200, ""][m.EXCHANGES] == 90
    assert sum(counts[m.EXCHANGES] for counts in cells.values()) == 100


def test_models_beyond_the_cap_are_counted_as_other_also_after_a_restart(tmp_path: Path) -> None:
    metrics = worker()
    for number in range(m.MAX_MODELS + 50):
        metrics.observe(record(model_requested=f"model-{number}"))
    file = tmp_path / "worker-0.metrics.json"
    metrics.write_snapshot(file)
    successor = worker()
    assert successor.resume(file)
    for number in range(200):
        successor.observe(record(model_requested=f"late-{number}"))
        successor.observe(record(model_requested="model-0", status=503))
    cells = dict(successor.snapshot().cells)
    assert len({key[2] for key in cells}) == m.MAX_MODELS + 1
    assert cells["openai_chat", "openai", m.OTHER, 200, ""][m.EXCHANGES] == 250
    assert cells["openai_chat", "openai", "model-0", 503, ""][m.EXCHANGES] == 200


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(100, 140), st.integers(0, 30)), max_size=300))
def test_memory_is_bounded_whatever_clients_and_providers_invent(calls: list[tuple[int, int, int]]) -> None:
    metrics = worker(max_label_sets=8)
    for model, status, code in calls:
        metrics.observe(record(model_requested=str(model), status=status, error_code=str(code)))
    cells = metrics.snapshot().cells
    assert len(cells) <= 17
    assert sum(counts[m.EXCHANGES] for _, counts in cells) == len(calls)


def test_guard_events_are_counted_by_rule_action_and_mode_within_the_cap() -> None:
    metrics = worker(max_label_sets=3)
    metrics.observe(record(guard_events=[event(), event(), event(mode="audit")]))
    metrics.observe(record(guard_events=[event(rule=f"rule-{number}") for number in range(5)]))
    counts = dict(metrics.snapshot().guard_events)
    assert counts["no-keys", "redact", "enforce"] == 2
    assert counts["no-keys", "redact", "audit"] == 1
    assert counts[m.OTHER, m.OTHER, m.OTHER] == 4
    assert len(counts) == 4


def test_a_snapshot_file_holds_what_was_counted(tmp_path: Path) -> None:
    clock = ManualClock(unix_ms=42_000)
    metrics = Metrics(3, clock.unix_ms)
    metrics.observe(record(guard_events=[event()]))
    metrics.in_flight = 5
    metrics.upstream_connections = {"idle": 2, "busy": 1}
    metrics.config_hash, metrics.policy_revision = "c0ffee", "abc123"
    metrics.reloaded("applied")
    clock.advance(1)
    path = tmp_path / "worker-3.metrics.json"
    assert metrics.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    assert (found.index, found.pid, found.started_ms, found.written_ms) == (3, os.getpid(), 42_000, 43_000)
    assert found.cells == metrics.snapshot().cells
    assert (found.in_flight, found.upstream_connections) == (5, {"idle": 2, "busy": 1})
    assert (found.config_hash, found.policy_revision) == ("c0ffee", "abc123")
    assert found.config_reloads == {"applied": 1}
    assert found.cpu_s > 0
    assert found.resident_bytes is None or found.resident_bytes > 1_000_000
    assert list(tmp_path.iterdir()) == [path]


def test_writing_where_nothing_can_be_written_says_so_and_keeps_the_counts(tmp_path: Path) -> None:
    metrics = worker()
    metrics.observe(record())
    assert not metrics.write_snapshot(tmp_path / "absent" / "worker-0.metrics.json")
    assert only_cell(metrics)[m.EXCHANGES] == 1


def flat(snapshot: Snapshot) -> dict[str, float]:
    """Every sum of a snapshot under one name."""
    sums: dict[str, float] = {"overhead_sum": snapshot.overhead_sum_ms, "cpu": snapshot.cpu_s}
    sums |= {f"{key}/{at}": count for key, counts in snapshot.cells for at, count in enumerate(counts)}
    sums |= {f"overhead/{at}": count for at, count in enumerate(snapshot.overhead)}
    sums |= {f"guard/{key}": count for key, count in snapshot.guard_events}
    sums |= {f"reload/{key}": count for key, count in snapshot.config_reloads.items()}
    sums["lines"], sums["bodies"] = snapshot.spool_dropped_lines, snapshot.spool_dropped_bodies
    return sums


def test_a_successor_goes_on_where_its_predecessor_stopped(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.metrics.json"
    before: dict[str, float] = {}
    for life in range(1, 4):
        metrics = worker()
        assert metrics.resume(path) == (life > 1)
        assert metrics.in_flight == 0
        metrics.observe(record(guard_events=[event()]))
        metrics.in_flight = 7
        metrics.spool_dropped_lines = 2
        metrics.spool_dropped_bodies = 3
        metrics.reloaded("rejected")
        assert metrics.write_snapshot(path)
        after = flat(metrics.snapshot())
        assert all(after[name] >= value for name, value in before.items())
        assert only_cell(metrics)[m.EXCHANGES] == life
        assert (after["lines"], after["bodies"], after["reload/rejected"]) == (2 * life, 3 * life, life)
        before = after


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"v":99}',
        b'{"v":1}',
        b'{"v":1,"overhead":[1]}',
        b'{"v":1,"overhead":[' + b",".join([b"0"] * 18) + b'],"cells":[[["d","p","m",200,""],[1,2,3]]]}',
    ],
)
def test_a_damaged_or_foreign_snapshot_is_not_resumed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "worker-0.metrics.json"
    path.write_bytes(content)
    metrics = worker()
    assert not metrics.resume(path)
    metrics.observe(record())
    assert only_cell(metrics)[m.EXCHANGES] == 1


def test_tries_go_on_where_the_predecessor_stopped_and_deployments_do_not(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.metrics.json"
    before = worker()
    before.deployments = [DeploymentHealth(provider="p", model="m", calls=7)]
    tried = AttemptRecord(provider="p", status=503, error_code="upstream_error")
    before.observe(record(attempts=[tried]))
    before.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    assert found.deployments == before.deployments
    after = worker()
    assert after.resume(path)
    after.observe(record(attempts=[tried]))
    assert after.snapshot().tries == [(("p", "first", "5xx"), 2)]
    assert after.snapshot().deployments == []


def test_counts_beyond_53_bits_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.metrics.json"
    metrics = worker()
    metrics.observe(record(cost_nanousd=2**53 + 1))
    metrics.write_snapshot(path)
    found = read_snapshot(path)
    assert found is not None
    assert found.cells[0][1][m.COST] == 2**53 + 1


@pytest.mark.bench
def test_an_observation_costs_at_most_one_and_a_half_microseconds() -> None:
    metrics, one = worker(), record()
    taken_s = timeit.repeat(lambda: metrics.observe(one), timer=time.thread_time, number=20_000, repeat=5)
    best_s = min(taken_s) / 20_000
    measured("observation_us", best_s * 1e6)
    assert best_s <= 1.5e-6 * BUSY
