from __future__ import annotations

from pathlib import Path

from gateway.core.deployment_health import DeploymentHealth
from gateway.core.hint import HintCounts
from gateway.core.queue_told import QueueCounts
from gateway.operator.deployments import deployments_now
from gateway.operator.families import render
from gateway.operator.metrics import FRESH_MS, read_workers, worker_families
from gateway.recording.metrics import Metrics
from tests.operator.test_metrics import exchange, parse_strictly, value
from tests.support.clock import ManualClock


def worker(run_dir: Path, clock: ManualClock, index: int, *told: DeploymentHealth) -> None:
    metrics = Metrics(index, clock.unix_ms)
    metrics.deployments = list(told)
    metrics.write_snapshot(run_dir / f"worker-{index}.metrics.json")


def test_workers_are_added_up_and_one_that_is_gone_is_left_out(tmp_path: Path) -> None:
    clock = ManualClock()
    worker(tmp_path, clock, 2, DeploymentHealth(provider="p", model="m", in_flight=9, calls=9, breaker="open"))
    clock.advance(FRESH_MS / 1000 + 1)
    worker(
        tmp_path, clock, 0, DeploymentHealth(provider="p", model="m", in_flight=2, calls=7, ttft_s=0.5, ejected_s=7.5)
    )
    half_open = DeploymentHealth(
        provider="p", model="m", in_flight=1, calls=3, breaker="half_open", load=0.5, queue=2.0
    )
    worker(tmp_path, clock, 1, half_open)
    told = deployments_now(tmp_path, clock.unix_ms())
    assert told == {
        "workers": 2,
        "deployments": [
            {
                "provider": "p", "model": "m", "workers": 2, "in_flight": 3, "calls": 10, "failures": 0,
                "breaker": "half_open", "rests_s": 0.0, "ejected_s": 7.5,
                "ttft_s": 0.5, "tpot_s": None, "whole_s": None,
                "load": 0.5, "queue": 2.0, "running": None, "kv_use": None,
            }
        ],
        "queues": [],
        "mirrors": [],
    }  # fmt: skip
    found = parse_strictly(render(worker_families(read_workers(tmp_path), clock.unix_ms())))
    assert value(found, "weighbridge_deployment_in_flight", provider="p", model="m") == 3
    assert value(found, "weighbridge_deployment_open", provider="p", model="m") == 1
    assert value(found, "weighbridge_deployment_ejected", provider="p", model="m") == 1
    assert value(found, "weighbridge_deployment_load", provider="p", model="m") == 0.5
    assert value(found, "weighbridge_deployment_queue", provider="p", model="m") == 2
    assert "weighbridge_deployment_running{" not in render(worker_families(read_workers(tmp_path), clock.unix_ms()))


def test_readings_are_counted_and_outlive_a_worker(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "worker-0.metrics.json"
    metrics = Metrics(0, clock.unix_ms)
    metrics.load_reads = {("p", "ok"): 3}
    metrics.write_snapshot(path)
    successor = Metrics(0, clock.unix_ms)
    successor.resume(path)
    successor.load_reads = {("p", "ok"): 1, ("p", "failed"): 2}
    # Twice, since a snapshot must not add to what was before it.
    for _ in range(2):
        successor.write_snapshot(path)
    found = parse_strictly(render(worker_families(read_workers(tmp_path), clock.unix_ms())))
    assert value(found, "weighbridge_load_reads_total", provider="p", outcome="ok") == 4
    assert value(found, "weighbridge_load_reads_total", provider="p", outcome="failed") == 2


def test_queues_are_added_up_and_counts_outlive_a_worker(tmp_path: Path) -> None:
    clock = ManualClock()
    for index in (0, 1):
        metrics = Metrics(index, clock.unix_ms)
        metrics.queues = [QueueCounts(alias="m", waiting=2, served=3, turned_away=1, late=1, left=1, waited_s=1.5)]
        metrics.write_snapshot(tmp_path / f"worker-{index}.metrics.json")
    successor = Metrics(1, clock.unix_ms)
    successor.resume(tmp_path / "worker-1.metrics.json")
    successor.queues = [QueueCounts(alias="m", waiting=1, served=1)]
    # Twice, since a snapshot must not add to what was before it.
    for _ in range(2):
        successor.write_snapshot(tmp_path / "worker-1.metrics.json")
    (queue,) = deployments_now(tmp_path, clock.unix_ms())["queues"]
    assert queue == {
        "alias": "m", "waiting": 3, "served": 7, "turned_away": 2, "late": 2, "left": 2, "waited_s": 3.0,
    }  # fmt: skip
    found = parse_strictly(render(worker_families(read_workers(tmp_path), clock.unix_ms())))
    assert value(found, "weighbridge_queue_waiting", alias="m") == 3
    assert value(found, "weighbridge_queue_calls_total", alias="m", outcome="served") == 7
    assert value(found, "weighbridge_queue_calls_total", alias="m", outcome="turned_away") == 2
    assert value(found, "weighbridge_queue_wait_seconds_total", alias="m") == 3.0


def test_hints_are_told_of_where_there_are_any(tmp_path: Path) -> None:
    clock = ManualClock()
    worker(tmp_path, clock, 0)
    assert "weighbridge_hints_connected" not in parse_strictly(
        render(worker_families(read_workers(tmp_path), clock.unix_ms()))
    )
    for _ in range(2):
        # The second goes on where the first stopped.
        metrics = Metrics(0, clock.unix_ms)
        metrics.resume(tmp_path / "worker-0.metrics.json")
        metrics.hints = HintCounts(connected=True, told=1, believed=2, failed=3)
        metrics.write_snapshot(tmp_path / "worker-0.metrics.json")
    found = parse_strictly(render(worker_families(read_workers(tmp_path), clock.unix_ms())))
    assert value(found, "weighbridge_hints_connected") == 1
    assert [value(found, "weighbridge_hints_total", event=each) for each in ("told", "believed", "failed")] == [2, 4, 6]


def test_without_a_worker_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert deployments_now(tmp_path, 0) == {"workers": 0, "deployments": [], "queues": [], "mirrors": []}


def test_tries_of_workers_that_are_gone_still_count(tmp_path: Path) -> None:
    clock = ManualClock()
    for index in range(2):
        metrics = Metrics(index, clock.unix_ms)
        metrics.cell("d", "p", "m", 200, "").first_tries += 3
        metrics.observe(exchange())
        metrics.write_snapshot(tmp_path / f"worker-{index}.metrics.json")
    found = parse_strictly(render(worker_families(read_workers(tmp_path), clock.unix_ms() + FRESH_MS + 1)))
    assert value(found, "weighbridge_attempts_total", provider="p", kind="first", outcome="ok") == 6
