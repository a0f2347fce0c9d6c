from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.core.record import ExchangeRecord, GuardEvent
from gateway.operator.families import render
from gateway.operator.metrics import (
    FRESH_MS,
    Family,
    StoreHealth,
    operator_families,
    read_workers,
    worker_families,
)
from gateway.recording.metrics import MAX_MODELS, Metrics
from tests.support.clock import ManualClock

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([^ ]+)", re.DOTALL)
KINDS = {"counter", "gauge", "histogram"}
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def unescape(text: str) -> str:
    return re.sub(r'\\[\\"n]', lambda found: ESCAPES[found[0]], text)


def parse_strictly(text: str) -> Samples:
    """Every rule of the text format that a renderer can break breaks this."""
    assert text.endswith("\n")
    samples: Samples = {}
    kinds: dict[str, str] = {}
    described, current = "", ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            described = line.split(" ", 3)[2]
            assert described not in kinds, "a family comes once"
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current == described, "TYPE follows HELP"
            assert kind in KINDS
            assert (kind == "counter") == current.endswith("_total")
            kinds[current] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, labels, value = found.groups()
            suffix = name.removeprefix(current)
            assert suffix in ({"_bucket", "_sum", "_count"} if kinds[current] == "histogram" else {""}), line
            pairs = re.findall(r'([^=,]+)="((?:[^"\\]|\\.)*)"', labels or "")
            key = (name, tuple((label, unescape(quoted)) for label, quoted in pairs))
            assert key not in samples, "a label set comes once"
            samples[key] = float(value)
    check_histograms(samples, {name for name, kind in kinds.items() if kind == "histogram"})
    return samples


def check_histograms(samples: Samples, names: set[str]) -> None:
    for name in names:
        series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        for (sample, labels), value in samples.items():
            if sample == f"{name}_bucket":
                assert labels[-1][0] == "le"
                series.setdefault(labels[:-1], []).append((float(labels[-1][1]), value))
        for labels, buckets in series.items():
            bounds, counts = zip(*buckets, strict=True)
            assert list(bounds) == sorted(set(bounds))
            assert bounds[-1] == float("inf")
            assert list(counts) == sorted(counts), "buckets are cumulative"
            assert samples[f"{name}_count", labels] == counts[-1]
            assert (f"{name}_sum", labels) in samples


def value(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(count for (found, pairs), count in samples.items() if found == name and wanted <= set(pairs))


def exchange(model: str = "gpt-4o-mini", **changes: object) -> ExchangeRecord:
    record = ExchangeRecord(
        dialect="openai_chat",
        provider="openai",
        model_requested=model,
        status=200,
        input_tokens=100,
        output_tokens=20,
        cost_nanousd=1_000,
        ttft_ms=30.0,
        duration_ms=400.0,
        overhead_ms=0.2,
        guard_events=[
            GuardEvent(
                rule="no-keys",
                detector="keys",
                action="redact",
                mode="enforce",
                direction="request",
                path="x",
                start=0,
                end=1,
            )
        ],
    )
    for name, changed in changes.items():
        setattr(record, name, changed)
    return record


@dataclass
class Shipping:
    shipped_lines: int = 7
    poison_lines: int = 1
    torn_lines: int = 2
    lag_bytes: int = 4096
    lag_s: float = 0.25
    stuck: list[str] = field(default_factory=lambda: ["w-1-0.ndjson"])
    last_error: str | None = "refused"


def write_workers(run_dir: Path, clock: ManualClock, workers: int = 3) -> None:
    for index in range(workers):
        metrics = Metrics(index, clock.unix_ms)
        for _ in range(index + 1):
            metrics.observe(exchange())
        metrics.observe(exchange(model=f"only-{index}", cost_nanousd=None))
        metrics.in_flight = 10 * (index + 1)
        metrics.client_connections = 1
        metrics.tasks = 4
        metrics.upstream_connections = {"idle": index, "busy": 1}
        metrics.config_hash, metrics.policy_revision = "c0ffee", f"rev-{index // 2}"
        metrics.spool_dropped_lines = index
        metrics.reloaded("applied")
        assert metrics.write_snapshot(run_dir / f"worker-{index}.metrics.json")


def scrape(run_dir: Path, now_ms: int) -> Samples:
    return parse_strictly(render(worker_families(read_workers(run_dir), now_ms)))


def test_the_counts_of_three_workers_add_up(tmp_path: Path) -> None:
    clock = ManualClock()
    write_workers(tmp_path, clock)
    found = scrape(tmp_path, clock.unix_ms())
    assert value(found, "weighbridge_exchanges_total", model="gpt-4o-mini", status="200") == 6
    assert value(found, "weighbridge_exchanges_total") == 9
    assert value(found, "weighbridge_tokens_total", model="gpt-4o-mini", kind="input") == 600
    assert value(found, "weighbridge_tokens_total", kind="output") == 180
    assert value(found, "weighbridge_cost_nanousd_total") == 6_000
    assert value(found, "weighbridge_unpriced_exchanges_total", model="only-2") == 1
    assert value(found, "weighbridge_unpriced_exchanges_total") == 3
    assert value(found, "weighbridge_exchange_duration_seconds_count") == 9
    assert value(found, "weighbridge_exchange_duration_seconds_sum") == pytest.approx(3.6)
    assert value(found, "weighbridge_ttft_seconds_bucket", model="gpt-4o-mini", le="0.02") == 0
    assert value(found, "weighbridge_ttft_seconds_bucket", model="gpt-4o-mini", le="0.04") == 6
    assert value(found, "weighbridge_overhead_seconds_bucket", le="0.0001") == 0
    assert value(found, "weighbridge_overhead_seconds_bucket", le="0.0002") == 9
    assert value(found, "weighbridge_guard_events_total", rule="no-keys", action="redact", mode="enforce") == 9
    assert value(found, "weighbridge_in_flight_exchanges") == 60
    assert value(found, "weighbridge_client_connections") == 3
    assert value(found, "weighbridge_tasks") == 12
    assert value(found, "weighbridge_upstream_connections", state="idle") == 3
    assert value(found, "weighbridge_spool_dropped_lines_total") == 3
    assert value(found, "weighbridge_config_reloads_total", result="applied") == 3
    assert value(found, "weighbridge_config_info", hash="c0ffee", policy_revision="rev-0") == 1
    assert value(found, "weighbridge_config_info") == 2
    assert value(found, "weighbridge_worker_up") == 3


def test_ten_thousand_models_and_tags_are_not_ten_thousand_series(tmp_path: Path) -> None:
    clock = ManualClock()
    calls = 10_000
    for index in range(2):
        metrics = Metrics(index, clock.unix_ms)
        for number in range(calls):
            metrics.observe(exchange(model=f"m-{number}", tags={f"tag-{number}": f"value-{number}"}, alias="any"))
        metrics.write_snapshot(tmp_path / f"worker-{index}.metrics.json")
    samples = scrape(tmp_path, clock.unix_ms())
    assert len(samples) < 10_000
    assert not [labels for _, labels in samples if any("tag-" in text or "value-" in text for _, text in labels)]
    # Nothing is lost in them.
    assert value(samples, "weighbridge_exchanges_total") == 2 * calls
    assert value(samples, "weighbridge_exchanges_total", model="other") == 2 * (calls - MAX_MODELS)


def test_no_counter_goes_down_when_a_worker_starts_anew(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "worker-0.metrics.json"
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for _ in range(4):
        # One after the other, each killed in the middle: what it counted after its last snapshot is lost, no more.
        metrics = Metrics(0, clock.unix_ms)
        metrics.resume(file)
        for number in range(3):
            metrics.observe(exchange(model=f"m-{number}", cost_nanousd=None if number else 5))
            metrics.spool_dropped_lines += 1
            metrics.reloaded("applied")
            assert metrics.write_snapshot(file)
            clock.advance(1)
            samples = scrape(tmp_path, clock.unix_ms())
            grows = {
                key: count
                for key, count in samples.items()
                if key[0].endswith(("_total", "_bucket", "_count", "_sum")) and "process_cpu" not in key[0]
            }
            assert len(grows) > 50
            assert {key for key, count in seen.items() if grows.get(key, -1.0) < count} == set()
            seen = grows
        metrics.observe(exchange(model="never-written"))
    assert value(seen, "weighbridge_exchanges_total") == 12
    assert value(seen, "weighbridge_spool_dropped_lines_total") == 12


def test_a_worker_that_is_gone_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    clock = ManualClock()
    write_workers(tmp_path, clock)
    clock.advance(FRESH_MS / 1000 + 1)
    survivor = Metrics(0, clock.unix_ms)
    path = tmp_path / "worker-0.metrics.json"
    assert survivor.resume(path)
    survivor.in_flight = 4
    survivor.write_snapshot(path)
    found = scrape(tmp_path, clock.unix_ms())
    assert value(found, "weighbridge_exchanges_total") == 9
    assert value(found, "weighbridge_process_cpu_seconds_total", process="worker-2") > 0
    assert value(found, "weighbridge_in_flight_exchanges") == 4
    assert value(found, "weighbridge_upstream_connections") == 0
    assert value(found, "weighbridge_worker_up") == 1
    assert value(found, "weighbridge_worker_up", worker="2") == 0
    assert value(found, "weighbridge_process_resident_memory_bytes", process="worker-2") == 0


def test_damaged_files_and_files_of_others_are_left_out(tmp_path: Path) -> None:
    clock = ManualClock()
    write_workers(tmp_path, clock, workers=1)
    (tmp_path / "worker-1.metrics.json").write_bytes(b'{"v":1')
    (tmp_path / "worker-2.metrics.json.new").write_bytes(b"{}")
    (tmp_path / "operator.pid").write_bytes(b"1")
    assert [one.index for one in read_workers(tmp_path)] == [0]


def test_without_any_worker_every_family_is_still_described(tmp_path: Path) -> None:
    text = render(worker_families(read_workers(tmp_path / "absent"), 0))
    found = parse_strictly(text)
    assert value(found, "weighbridge_in_flight_exchanges") == 0
    assert "# TYPE weighbridge_exchange_duration_seconds histogram" in text


def test_the_operators_own_counts_are_there() -> None:
    shipper = Shipping()
    store = StoreHealth(up=True)
    store.failed("query", "no such table")
    found = parse_strictly(render(operator_families(shipper, store)))
    assert value(found, "weighbridge_shipper_shipped_lines_total") == 7
    assert value(found, "weighbridge_shipper_poison_lines_total") == 1
    assert value(found, "weighbridge_shipper_torn_lines_total") == 2
    assert value(found, "weighbridge_shipper_lag_bytes") == 4096
    assert value(found, "weighbridge_shipper_lag_seconds") == 0.25
    assert value(found, "weighbridge_shipper_stuck_segments") == 1
    assert value(found, "weighbridge_store_errors_total", operation="query") == 1
    assert value(found, "weighbridge_store_up") == 1


def test_an_independent_parser_reads_the_same_values(tmp_path: Path) -> None:
    clock = ManualClock()
    write_workers(tmp_path, clock)
    text = render([*worker_families(read_workers(tmp_path), clock.unix_ms()), *operator_families(None, StoreHealth())])
    ours = {(name, frozenset(labels)): value for (name, labels), value in parse_strictly(text).items()}
    theirs = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert theirs == ours
    assert len(theirs) > 100


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_label_value_and_help_text_survive_escaping(label: str, help_text: str) -> None:
    family = Family("weighbridge_test_total", "counter", help_text, ("name",))
    family.add(1, label)
    assert parse_strictly(render([family])) == {("weighbridge_test_total", (("name", label),)): 1.0}


def test_refusals_are_counted_by_reason_whoever_was_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    metrics = Metrics(0, clock.unix_ms)
    for model, code in (
        ("a", "budget_exceeded"),
        ("b", "budget_exceeded"),
        ("a", "rate_limited"),
        ("a", "upstream_error"),
    ):
        metrics.observe(exchange(model=model, status=429, error_code=code))
    assert metrics.write_snapshot(tmp_path / "worker-0.metrics.json")
    found = scrape(tmp_path, clock.unix_ms())
    assert value(found, "weighbridge_refusals_total", reason="budget_exceeded") == 2
    assert value(found, "weighbridge_refusals_total", reason="rate_limited") == 1
    assert value(found, "weighbridge_refusals_total", reason="permission_denied") == 0
    assert value(found, "weighbridge_refusals_total") == 3
